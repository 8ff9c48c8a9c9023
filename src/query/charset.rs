//! The charset that a client names for its form.

use super::form_error::FormError;
use super::percent;

/// What the charset of a `Content-Type` means for a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, named or not.
    Utf8,
    /// Another one that has the characters of ASCII where ASCII has them: a form of these only is the same in UTF-8.
    LikeAscii,
}

/// The beginnings of the names of such charsets. Those of UTF-7, UTF-16, EBCDIC or ISO 2022 are not among them: there,
/// bytes of ASCII mean other characters.
const LIKE_ASCII: [&str; 11] = [
    "ascii",
    "us-ascii",
    "ansi_x3.4",
    "iso-8859-",
    "iso8859-",
    "iso_8859-",
    "latin",
    "windows-125",
    "cp125",
    "koi8-",
    "euc-",
];

impl Charset {
    /// The charset of this name, in any case; `None` for one that is not like ASCII, or is not known.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8") {
            return Some(Self::Utf8);
        }
        let begins = |with: &&str| name.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        LIKE_ASCII.iter().any(begins).then_some(Self::LikeAscii)
    }

    /// Checks that a form, as it was received, means in UTF-8 what it means in this charset.
    ///
    /// # Errors
    /// [`FormError::OtherCharset`]: it has characters beyond ASCII.
    pub fn check(self, body: &[u8]) -> Result<(), FormError> {
        let is_beyond_ascii = |escape: &[u8]| match escape {
            [b'%', high, low] => percent::decode_digits(*high, *low).is_some_and(|byte| !byte.is_ascii()),
            _ => false,
        };
        let is_ascii = || body.is_ascii() && !body.windows(percent::ESCAPE_LENGTH).any(is_beyond_ascii);
        match self {
            Self::LikeAscii if !is_ascii() => Err(FormError::OtherCharset),
            Self::Utf8 | Self::LikeAscii => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_that_has_ascii_in_its_place_is_known_and_one_that_has_not_is_none() {
        for name in ["utf-8", "UTF-8", "utf8", "Utf8"] {
            assert_eq!(Charset::named(name), Some(Charset::Utf8), "{name}");
        }
        for name in ["ISO-8859-1", "iso-8859-15", "us-ascii", "Windows-1252", "Cp1252", "latin1", "EUC-JP"] {
            assert_eq!(Charset::named(name), Some(Charset::LikeAscii), "{name}");
        }
        for name in ["", "utf-7", "utf-16", "UTF-16LE", "utf-32", "ibm037", "iso-2022-jp", "x-user-defined", "\u{e9}"] {
            assert_eq!(Charset::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_form_of_ascii_passes_in_every_charset_and_another_one_in_utf_8_only() {
        for body in ["Action=A&b=%41+%7E", "a=%", "a=%zz"] {
            assert_eq!(Charset::LikeAscii.check(body.as_bytes()), Ok(()), "{body}");
        }
        for body in [&b"a=%e9"[..], b"a=%C3%A9", b"a=\xe9", b"a=\xc3\xa9", b"%80=1"] {
            assert_eq!(Charset::LikeAscii.check(body), Err(FormError::OtherCharset), "{body:?}");
            assert_eq!(Charset::Utf8.check(body), Ok(()));
        }
    }
}
