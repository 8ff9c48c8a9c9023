//! How the parameters of a form are written in a string to sign, made from the bytes that are sent: a function of
//! those, so that what is signed and what is sent cannot differ.

use super::dialect::Spelling;
use crate::query::percent;

/// Appends the form to a string to sign. `sent` is a canonical query string, without the signature, and may have a
/// session token in it.
pub(super) fn spell(spelling: Spelling, sent: &[u8], has_token: bool, out: &mut Vec<u8>) {
    match spelling {
        Spelling::Same => out.extend_from_slice(sent),
        Spelling::Again if has_token => percent::encode_secret_into(sent, out),
        Spelling::Again => percent::encode_bytes_into(sent, out),
        Spelling::Decoded => percent::decode_canonical_into(sent, out),
        Spelling::JavaLower => write_as_java_in_lower_case(sent, out),
    }
}

/// CloudStack: names are not encoded; values are as Java's `URLEncoder` has them, with `%20` for its `+`: it leaves `*`
/// and escapes `~`. Then the letters are lower case, also those of escapes.
fn write_as_java_in_lower_case(sent: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    for (index, parameter) in sent.split(|byte| *byte == b'&').enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        let equals = memchr::memchr(b'=', parameter).unwrap_or(parameter.len());
        let (name, value) = parameter.split_at_checked(equals).unwrap_or_default();
        percent::decode_canonical_into(name, out);
        let mut rest = value;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = match (byte, behind) {
                (b'%', [b'2', b'A', behind @ ..]) => {
                    out.push(b'*');
                    behind
                }
                (b'~', behind) => {
                    out.extend_from_slice(b"%7E");
                    behind
                }
                (byte, behind) => {
                    out.push(byte);
                    behind
                }
            };
        }
    }
    out.get_mut(begin..).unwrap_or_default().make_ascii_lowercase();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_made_from_what_is_sent() {
        const SENT: &[u8] = b"A~%5B0%5D=%2A~+%C3%9C%26b=&b=1";
        for (spelling, expected) in [
            (Spelling::Same, "A~%5B0%5D=%2A~+%C3%9C%26b=&b=1"),
            (Spelling::Again, "A~%255B0%255D%3D%252A~%2B%25C3%259C%2526b%3D%26b%3D1"),
            (Spelling::Decoded, "A~[0]=*~+\u{dc}&b=&b=1"),
            (Spelling::JavaLower, "a~[0]=*%7e+%c3%9c%26b=&b=1"),
        ] {
            for has_token in [false, true] {
                let mut out = b"POST\n".to_vec();
                spell(spelling, SENT, has_token, &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), format!("POST\n{expected}"), "{spelling:?}");
            }
        }
    }
}
