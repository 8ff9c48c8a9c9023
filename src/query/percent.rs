//! Percent encoding as Signature Version 2 wants it: RFC 3986 unreserved characters stay, everything else is `%XY`.

/// Appends `text`, encoded: `A-Za-z0-9-_.~` literal, every other byte of its UTF-8 as `%` and two upper-case hex digits.
pub fn encode_into(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = text.as_bytes();
    // runs that need no escape are copied whole: they are most of most forms
    while let Some(escaped) = rest.iter().position(|&byte| !is_unreserved(byte)) {
        let (literal, tail) = rest.split_at(escaped);
        out.extend_from_slice(literal);
        let Some((&byte, tail)) = tail.split_first() else { return };
        let [high, low] = [byte >> 4, byte & 0x0f].map(|digit| HEX.get(usize::from(digit)).copied().unwrap_or(b'0'));
        out.extend_from_slice(&[b'%', high, low]);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// `text`, encoded (see [`encode_into`]).
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    encode_into(text, &mut out);
    String::from_utf8(out).unwrap_or_default() // only ASCII was written
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_unreserved_characters_stay_literal() {
        assert_eq!(encode("AZaz09-_.~"), "AZaz09-_.~");
        assert_eq!(encode(" +*'()!/:@&=%"), "%20%2B%2A%27%28%29%21%2F%3A%40%26%3D%25");
        assert_eq!(encode("é€\u{1f600}\0\n"), "%C3%A9%E2%82%AC%F0%9F%98%80%00%0A");
        assert_eq!(encode(""), "");
    }

    proptest! {
        #[test]
        fn decoding_what_was_encoded_gives_the_text_back(text in any::<String>()) {
            let decoded = percent_encoding::percent_decode(encode(&text).as_bytes()).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(decoded, text);
        }
    }
}
