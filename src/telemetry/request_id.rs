//! The ID that the client's response, the log line and the audit line of an exchange share.

use std::fmt;

use uuid::Uuid;

/// A random UUID, in the form of AWS's request IDs. It is kept as text, since nothing needs its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 36]);

impl RequestId {
    /// Makes a new ID.
    #[must_use]
    pub(crate) fn random() -> Self {
        let mut text = [0; 36];
        Uuid::new_v4().as_hyphenated().encode_lower(&mut text);
        Self(text)
    }

    /// The text as ASCII bytes.
    #[must_use]
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        // never empty in fact: the bytes are ASCII
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
