//! What a collector says in its response: `ExportTraceServiceResponse` of OTLP, of which two fields count.
//!
//! The exporter's library reads the message too and tells nobody what it says, so it is read here: a message of
//! protobuf is a list of fields, and these are a number and a text.

/// What the collector did not take of a request that it took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess {
    pub(super) rejected: u64,
    /// What it says about that, or about the request.
    pub(super) message: String,
}

/// The number of a field, and the way it is written (protobuf's encoding).
const PARTIAL_SUCCESS: (u64, u64) = (1, LENGTH);
const REJECTED_SPANS: (u64, u64) = (1, VARINT);
const ERROR_MESSAGE: (u64, u64) = (2, LENGTH);
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

/// The longest message that is logged, in bytes.
const LONGEST: usize = 256;

impl PartialSuccess {
    /// Reads a response. What is not understood says nothing: the status has said that the request was taken.
    pub(super) fn read(response: &[u8]) -> Self {
        let mut found = Self::default();
        let outer = each(response, |field, value| {
            if let (PARTIAL_SUCCESS, Value::Bytes(inner)) = (field, value) {
                let _understood = each(inner, |field, value| match (field, value) {
                    (REJECTED_SPANS, Value::Number(rejected)) => found.rejected = rejected,
                    (ERROR_MESSAGE, Value::Bytes(message)) => found.message = text(message),
                    _ => {}
                });
            }
        });
        outer.map_or_else(Self::default, |()| found)
    }
}

enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// Calls `see` for each field of a message. `None` where it is not one.
fn each<'b>(mut message: &'b [u8], mut see: impl FnMut((u64, u64), Value<'b>)) -> Option<()> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let (number, kind) = (tag >> 3, tag & 7);
        let length = match kind {
            VARINT => {
                see((number, kind), Value::Number(varint(&mut message)?));
                continue;
            }
            FIXED_64 => 8,
            FIXED_32 => 4,
            LENGTH => usize::try_from(varint(&mut message)?).ok()?,
            _ => return None,
        };
        let (bytes, rest) = message.split_at_checked(length)?;
        see((number, kind), Value::Bytes(bytes));
        message = rest;
    }
    Some(())
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..10_u32 {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f).checked_shl(place.saturating_mul(7))?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_and_the_text_of_a_partial_success_are_read_whatever_stands_beside_them() {
        let inner = [&[0x08, 0xac, 0x02, 0x12, 0x03][..], b"why", &[0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8]];
        let inner = inner.concat();
        let outer = [&[0x10, 0x01, 0x0a, u8::try_from(inner.len()).unwrap()][..], &inner].concat();
        assert_eq!(PartialSuccess::read(&outer), PartialSuccess { rejected: 300, message: "why".to_owned() });
        assert_eq!(PartialSuccess::read(b""), PartialSuccess::default());
        assert_eq!(PartialSuccess::read(&[0x0a, 0x00]), PartialSuccess::default());
    }

    #[test]
    fn a_response_that_is_no_message_says_nothing() {
        for bytes in
            [&b"<html>"[..], b"\x0a\x7f", b"\x08", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"{}", b"\x07"]
        {
            assert_eq!(PartialSuccess::read(bytes), PartialSuccess::default(), "{bytes:?}");
        }
        let long = [&[0x0a, 0x82, 0x08, 0x12, 0xff, 0x07][..], &[b'x'; 1023]].concat();
        assert_eq!(PartialSuccess::read(&long).message.len(), LONGEST);
    }
}
