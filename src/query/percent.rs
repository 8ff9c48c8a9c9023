//! Percent encoding as Signature Version 2 requires it: unreserved characters of RFC 3986 stay, every other byte
//! becomes `%XY`.

pub(super) use super::scan::ESCAPE_LENGTH;
use super::{escaping, scan};

/// Appends `text`, encoded: `A-Za-z0-9-_.~` literal, every other byte of its UTF-8 as `%` and two upper-case hex
/// digits.
pub fn encode_into(text: &str, out: &mut Vec<u8>) {
    encode_bytes_into(text.as_bytes(), out);
}

/// The same for bytes.
pub(crate) fn encode_bytes_into(text: &[u8], out: &mut Vec<u8>) {
    let written = |byte: u8| ENCODED.get(usize::from(byte)).copied().unwrap_or_default();
    // most short values need no escape
    if text.len() <= scan::BLOCK && text.iter().all(|byte| matches!(written(*byte), [.., 1])) {
        return out.extend_from_slice(text);
    }
    escaping::append::<{ escaping::MANY }>(text, |byte| !is_unreserved(byte), written, out);
}

/// The same for a text with a secret in it, piece by piece: the encoder of a long text puts it together on the stack,
/// where most of the secret would stay.
#[inline(never)] // rare
pub(crate) fn encode_secret_into(text: &[u8], out: &mut Vec<u8>) {
    text.chunks(scan::BLOCK).for_each(|piece| encode_bytes_into(piece, out));
}

/// The escape of a byte.
#[must_use]
#[allow(clippy::indexing_slicing)] // four bits have 16 values
pub(crate) const fn escape(byte: u8) -> [u8; ESCAPE_LENGTH] {
    [b'%', HEX[(byte >> 4) as usize], HEX[(byte & 0x0f) as usize]]
}

/// `text`, encoded (see [`encode_into`]).
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    encode_into(text, &mut out);
    String::from_utf8(out).unwrap_or_default() // only ASCII was written
}

/// Decodes a text whose escapes are all of ASCII characters, and in which a `+` is a space.
pub(super) fn decode_ascii(encoded: &str) -> String {
    let mut out = String::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'%', [high, low, after @ ..]) if let Some(decoded) = decode_digits(*high, *low) => (decoded, after),
            (b'+', _) => (b' ', tail),
            _ => (byte, tail),
        };
        out.push(char::from(byte));
        rest = tail;
    }
    out
}

/// Appends what a canonical text stands for. In such a text a `+` is no space, since spaces are escaped.
pub(crate) fn decode_canonical_into(encoded: &[u8], out: &mut Vec<u8>) {
    let mut rest = encoded;
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'%', [high, low, after @ ..]) if let Some(decoded) = decode_digits(*high, *low) => (decoded, after),
            _ => (byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
}

/// The byte that `%` and these two digits stand for; `None` unless both are hexadecimal digits.
pub(super) fn decode_digits(high: u8, low: u8) -> Option<u8> {
    let value = |digit: u8| HEX_VALUE.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT);
    let (high, low) = (value(high), value(low));
    ((high | low) != NO_DIGIT).then_some(high << 4 | low)
}

/// Whether `%` and these two digits are what [`encode_into`] writes for an ASCII byte.
pub(super) fn is_canonical(high: u8, low: u8) -> bool {
    let low_digits = |digit: u8| CANONICAL_LOW_DIGITS.get(usize::from(digit)).copied().unwrap_or_default();
    let bit = |digit: u8| LOW_DIGIT_BIT.get(usize::from(digit)).copied().unwrap_or_default();
    low_digits(high) & bit(low) != 0
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The value in [`HEX_VALUE`] of a byte that is not a hexadecimal digit. Combined with any other value by `|`, it stays
/// the same.
const NO_DIGIT: u8 = 0xff;

/// The value of each hexadecimal digit.
static HEX_VALUE: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // evaluated and checked at compile time
    while value < HEX.len() {
        values[HEX[value] as usize] = value as u8;
        values[HEX[value].to_ascii_lowercase() as usize] = value as u8;
        value += 1;
    }
    values
};

/// For each upper-case hexadecimal digit, the bit that stands for it in [`CANONICAL_LOW_DIGITS`].
static LOW_DIGIT_BIT: [u16; 256] = {
    let mut bits = [0; 256];
    let mut low = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // evaluated and checked at compile time
    while low < HEX.len() {
        bits[HEX[low] as usize] = 1 << low;
        low += 1;
    }
    bits
};

/// For each high digit, the low digits that together with it make the canonical escape of an ASCII byte. Unreserved
/// characters have no canonical escape.
static CANONICAL_LOW_DIGITS: [u16; 256] = {
    let mut low_digits = [0; 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // evaluated and checked at compile time
    while byte < 128 {
        if !is_unreserved(byte as u8) {
            low_digits[HEX[byte >> 4] as usize] |= LOW_DIGIT_BIT[HEX[byte & 0x0f] as usize];
        }
        byte += 1;
    }
    low_digits
};

/// What is written for each byte.
static ENCODED: [escaping::Written; 256] = {
    let mut encoded = [[0; 4]; 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // evaluated and checked at compile time
    while byte < encoded.len() {
        let literal = byte as u8;
        encoded[byte] = if is_unreserved(literal) {
            [literal, 0, 0, 1]
        } else {
            let [percent, high, low] = escape(literal);
            [percent, high, low, ESCAPE_LENGTH as u8]
        };
        byte += 1;
    }
    encoded
};

/// RFC 3986 section 2.3. Without branches, so that the compiler can use vector instructions for a loop over a block.
#[inline]
pub(super) const fn is_unreserved(byte: u8) -> bool {
    // 0x20 turns upper case into lower case, so that one range covers both
    let is_letter = (byte | 0x20).is_ascii_lowercase();
    // `-`, `.`, `/` and the digits have consecutive codes
    let is_digit_or_point = (byte.wrapping_sub(b'-') <= b'9' - b'-') & (byte != b'/');
    is_letter | is_digit_or_point | (byte == b'_') | (byte == b'~')
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
            let mut in_pieces = Vec::new();
            encode_secret_into(text.as_bytes(), &mut in_pieces);
            prop_assert_eq!(in_pieces, encode(&text).into_bytes());
        }

        #[test]
        fn decoding_what_was_encoded_gives_the_text_back(text in any::<String>()) {
            let encoded = encode(&text);
            let decoded = percent_encoding::percent_decode(encoded.as_bytes()).decode_utf8().unwrap();
            prop_assert_eq!(decoded, text);
        }
    }
}
