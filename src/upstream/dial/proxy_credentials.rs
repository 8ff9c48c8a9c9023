//! The user name and password that an egress proxy is shown.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secret_memory::SecretBytes;
use thiserror::Error;
use zeroize::Zeroizing;

/// The longest line with credentials, in bytes. Proxies refuse longer heads.
const LONGEST: usize = 4096;

/// Credentials for `Proxy-Authorization`, in memory that no other process can read. Derives nothing.
pub struct ProxyCredentials(SecretBytes);

/// Why a file holds no credentials. What it holds is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotCredentials {
    /// Nothing before a colon, or no colon.
    #[error("it has no line `user:password`")]
    Shape,
    /// More than one line, or a control character.
    #[error("it has more than one line, or a control character: it wants the one line `user:password`")]
    Lines,
    /// Longer than credentials are.
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
}

impl ProxyCredentials {
    /// Reads `user:password` (RFC 7617 section 2): one line, at whose end a line break may stand.
    ///
    /// # Errors
    /// [`NotCredentials`].
    pub fn parse(text: &[u8]) -> Result<Self, NotCredentials> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > LONGEST {
            return Err(NotCredentials::TooLong);
        }
        if line.iter().any(u8::is_ascii_control) {
            return Err(NotCredentials::Lines);
        }
        if line.iter().position(|byte| *byte == b':').is_none_or(|colon| colon == 0) {
            return Err(NotCredentials::Shape);
        }
        const SCHEME: &[u8] = b"Basic ";
        // in memory of the right length from the start, since memory that is outgrown is not wiped
        let encoded = base64::encoded_len(line.len(), true).ok_or(NotCredentials::TooLong)?;
        let mut value = Zeroizing::new(vec![0; SCHEME.len().saturating_add(encoded)]);
        let (scheme, rest) = value.split_at_mut(SCHEME.len());
        scheme.copy_from_slice(SCHEME);
        BASE64_STANDARD.encode_slice(line, rest).map_err(|_| NotCredentials::TooLong)?;
        Ok(Self(SecretBytes::new(&value)))
    }

    /// Lends the value of `Proxy-Authorization`.
    pub(super) fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl PartialEq for ProxyCredentials {
    /// Compares two files of the operator's own: how long it takes tells nobody anything.
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret() == other.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<String, NotCredentials> {
        ProxyCredentials::parse(text.as_bytes()).map(|read| String::from_utf8(read.expose_secret().to_vec()).unwrap())
    }

    #[test]
    fn credentials_are_sent_as_rfc_7617_writes_them() {
        for text in
            ["Aladdin:open sesame", "Aladdin:open sesame\n", "Aladdin:open sesame\r\n", "\u{feff}Aladdin:open sesame"]
        {
            assert_eq!(value(text), Ok("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned()));
        }
        assert_eq!(value("test:123£"), Ok("Basic dGVzdDoxMjPCow==".to_owned()));
        assert_eq!(value("u::"), Ok("Basic dTo6".to_owned()));
        assert_eq!(value("u:"), Ok("Basic dTo=".to_owned()));
    }

    #[test]
    fn what_is_no_credentials_is_refused() {
        assert_eq!(value(""), Err(NotCredentials::Shape));
        assert_eq!(value("user"), Err(NotCredentials::Shape));
        assert_eq!(value(":password"), Err(NotCredentials::Shape));
        for text in ["u:p\nv:q\n", "u:p\r", "u:p\0", "u:p\n\n"] {
            // one \r at the end belongs to the line break
            let expected = if text == "u:p\r" { Ok("Basic dTpw".to_owned()) } else { Err(NotCredentials::Lines) };
            assert_eq!(value(text), expected, "{text:?}");
        }
        assert_eq!(value(&format!("u:{}", "p".repeat(LONGEST))), Err(NotCredentials::TooLong));
    }
}
