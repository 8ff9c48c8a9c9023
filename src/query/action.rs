//! The name of an operation, which policies, metrics and logs refer to.

use std::fmt;

use smol_str::SmolStr;

/// The value of `Action`: 1 to 128 ASCII letters and digits, as every AWS Query API names its operations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Action(SmolStr);

impl Action {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// Parses a name; `None` when it has another character, or is empty or too long. Lookalikes (with a space, a NUL,
    /// full-width letters) are refused here, so that no two readers can disagree about which operation is meant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_plain && !text.is_empty() && text.len() <= Self::MAX_LENGTH).then(|| Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
