//! The id that ties a client's answer, our log and our metrics' exemplars together.

use std::fmt;

use uuid::Uuid;

/// A random UUID, in the form AWS's request ids have. Kept as its text, which is all that anybody wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 36]);

impl RequestId {
    /// A new id.
    #[must_use]
    pub fn random() -> Self {
        let mut text = [0; 36];
        Uuid::new_v4().as_hyphenated().encode_lower(&mut text);
        Self(text)
    }

    /// Its text, of ASCII.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // it is ASCII
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
