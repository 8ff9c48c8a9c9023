//! Secrets as types: they derive nothing, lend their bytes through one greppable method, and are wiped when dropped.

use secret_memory::{Protection, SecretBytes};
use zeroize::Zeroizing;

/// The longest secret access key or session token accepted, in bytes. AWS's keys have 40; session tokens grow to a few
/// thousand and have no documented bound.
pub const MAX_SECRET_LENGTH: usize = 16 * 1024;

/// The secret half of an access key. It lives only from the key store to [`super::SigningKey`].
pub struct SecretAccessKey(Zeroizing<Vec<u8>>);

impl SecretAccessKey {
    /// Copies the secret into memory that is wiped on drop; `None` if it is empty, longer than [`MAX_SECRET_LENGTH`],
    /// not printable ASCII (most often because of a stray newline), or has a space at one of its ends. Within it, a
    /// space is one of the characters that people may choose for a secret in some clouds.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        let has_loose_end = secret.trim_ascii().len() != secret.len();
        let is_printable = printable(secret, b' ') && !has_loose_end;
        is_printable.then(|| Self(Zeroizing::new(secret.to_vec())))
    }

    /// Lends the secret's bytes. The name is long so that `grep expose_secret` finds every use.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }
}

/// The token of temporary credentials; sent to the endpoint as `SecurityToken`, shown to nobody else.
///
/// It is kept in memory that no other process can read ([`SecretBytes`]); requests that are sent have it in their body.
pub struct SessionToken(SecretBytes);

impl SessionToken {
    /// Copies the token into memory of its own, which is wiped on drop; `None` if it is empty, longer than
    /// [`MAX_SECRET_LENGTH`], or has a space or a character that is not printable ASCII.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        printable(token.as_bytes(), b'!').then(|| Self(SecretBytes::new(token.as_bytes())))
    }

    /// Lends the token's text.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        // `new` has checked that it is printable ASCII
        std::str::from_utf8(self.0.expose_secret()).unwrap_or_default()
    }

    /// How well its memory is protected.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.0.protection()
    }
}

/// Whether all characters are printable ASCII, of which the `first` is the least.
fn printable(text: &[u8], first: u8) -> bool {
    !text.is_empty() && text.len() <= MAX_SECRET_LENGTH && text.iter().all(|byte| (first..=b'~').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_with_a_stray_newline_or_a_space_at_an_end_is_refused() {
        for loose in ["abc\n", "abc ", " abc", "a\tb", "a\u{e9}"] {
            assert!(SecretAccessKey::new(loose.as_bytes()).is_none(), "{loose:?}");
        }
        assert!(SecretAccessKey::new(b"+/=&% ~*").is_some());
        assert!(SecretAccessKey::new(b"").is_none());
        assert!(SessionToken::new("a b").is_none());
        assert!(SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").is_some());
    }
}
