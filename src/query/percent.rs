//! Percent encoding as Signature Version 2 wants it: RFC 3986 unreserved characters stay, everything else is `%XY`.

/// Appends `text`, encoded: `A-Za-z0-9-_.~` literal, every other byte of its UTF-8 as `%` and two upper-case hex digits.
pub fn encode_into(text: &str, out: &mut Vec<u8>) {
    // most short values need no escape
    if text.bytes().all(|byte| ENCODED.get(usize::from(byte)).is_some_and(|(_, length)| *length == 1)) {
        return out.extend_from_slice(text.as_bytes());
    }
    // every byte takes the same steps, whether it is escaped or not: texts alternate between the two, and a processor that
    // guesses which is next guesses wrong too often
    const AT_ONCE: usize = 64;
    let mut block = [0; AT_ONCE * LONGEST + 1];
    for bytes in text.as_bytes().chunks(AT_ONCE) {
        let mut end = 0_usize;
        for &byte in bytes {
            let (encoded, length) = ENCODED.get(usize::from(byte)).copied().unwrap_or_default();
            if let Some(room) = block.get_mut(end..end.wrapping_add(encoded.len())) {
                room.copy_from_slice(&encoded);
            }
            end = end.wrapping_add(length);
        }
        out.extend_from_slice(block.get(..end).unwrap_or_default());
    }
}

/// A byte as an escape.
#[must_use]
#[allow(clippy::indexing_slicing)] // four bits have 16 values
pub(crate) const fn escape(byte: u8) -> [u8; LONGEST] {
    [b'%', HEX[(byte >> 4) as usize], HEX[(byte & 0x0f) as usize]]
}

/// `text`, encoded (see [`encode_into`]).
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    encode_into(text, &mut out);
    String::from_utf8(out).unwrap_or_default() // only ASCII was written
}

/// What a text says that was encoded from ASCII, when a `+` in it is a space.
pub(super) fn decode(encoded: &str) -> String {
    let mut out = String::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'%', [high, low, after @ ..]) if let Some(decoded) = decoded(*high, *low) => (decoded, after),
            (b'+', _) => (b' ', tail),
            _ => (byte, tail),
        };
        out.push(char::from(byte));
        rest = tail;
    }
    out
}

/// The byte that `%` and these two digits stand for; `None` when one of them is no hex digit.
pub(super) fn decoded(high: u8, low: u8) -> Option<u8> {
    let value = |digit: u8| VALUE.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT);
    let (high, low) = (value(high), value(low));
    ((high | low) != NO_DIGIT).then_some(high << 4 | low)
}

/// Whether `%` and these two digits stand for a byte of ASCII, and are what [`encode_into`] writes for it.
pub(super) fn is_canonical(high: u8, low: u8) -> bool {
    let behind = |digit: u8| BEHIND.get(usize::from(digit)).copied().unwrap_or_default();
    let bit = |digit: u8| BIT.get(usize::from(digit)).copied().unwrap_or_default();
    behind(high) & bit(low) != 0
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// In [`VALUE`], for what is none; together with any value it stays so.
const NO_DIGIT: u8 = 0xff;

/// The value of each hex digit.
static VALUE: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // the compiler computes it, and checks
    while value < HEX.len() {
        values[HEX[value] as usize] = value as u8;
        values[HEX[value].to_ascii_lowercase() as usize] = value as u8;
        value += 1;
    }
    values
};

/// A bit for each low digit by its value.
static BIT: [u16; 256] = {
    let mut bits = [0; 256];
    let mut low = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // the compiler computes it, and checks
    while low < HEX.len() {
        bits[HEX[low] as usize] = 1 << low;
        low += 1;
    }
    bits
};

/// For each high digit the bits of the low digits that make an escape of ASCII with it; a byte that stands for itself is not escaped.
static BEHIND: [u16; 256] = {
    let mut behind = [0; 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // the compiler computes it, and checks
    while byte < 128 {
        if !is_unreserved(byte as u8) {
            behind[HEX[byte >> 4] as usize] |= BIT[HEX[byte & 0x0f] as usize];
        }
        byte += 1;
    }
    behind
};

/// The length of an escape.
const LONGEST: usize = 3;

/// What each byte becomes, and how many of these bytes count: four are written, in one store.
static ENCODED: [([u8; 4], usize); 256] = {
    let mut encoded = [([0; 4], 0); 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // the compiler computes it, and checks
    while byte < encoded.len() {
        let literal = byte as u8;
        encoded[byte] = if is_unreserved(literal) {
            ([literal, 0, 0, 0], 1)
        } else {
            let [percent, high, low] = escape(literal);
            ([percent, high, low, 0], LONGEST)
        };
        byte += 1;
    }
    encoded
};

/// RFC 3986 section 2.3.
pub(super) const fn is_unreserved(byte: u8) -> bool {
    // one range for letters of both cases
    (byte | 0x20).is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

#[cfg(test)]
mod tests {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_unreserved_characters_stay_literal() {
        assert_eq!(encode("AZaz09-_.~"), "AZaz09-_.~");
        assert_eq!(encode(" +*'()!/:@&=%"), "%20%2B%2A%27%28%29%21%2F%3A%40%26%3D%25");
        assert_eq!(encode("é€\u{1f600}\0\n"), "%C3%A9%E2%82%AC%F0%9F%98%80%00%0A");
        assert_eq!(encode(""), "");
    }

    proptest! {
        #[test]
        fn every_text_is_encoded_as_another_encoder_does(text in "(\\PC|[a-zA-Z0-9._~ /:\n-]{0,80}){0,9}") {
            const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
            prop_assert_eq!(encode(&text), utf8_percent_encode(&text, RESERVED).to_string());
        }

        #[test]
        fn decoding_what_was_encoded_gives_the_text_back(text in any::<String>()) {
            let decoded = percent_encoding::percent_decode(encode(&text).as_bytes()).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(decoded, text);
        }
    }
}
