//! The id that ties a client's answer, our log and our metrics' exemplars together.

use std::fmt;

use uuid::Uuid;

/// A random UUID, in the form AWS's request ids have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Its text, 36 characters.
    #[must_use]
    pub fn encode(self, room: &mut [u8; 36]) -> &str {
        self.0.as_hyphenated().encode_lower(room)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}
