//! The name of an operation, which policies, metrics and logs refer to.

use std::fmt;

use smol_str::SmolStr;
use thiserror::Error;

/// The value of `Action`: 1 to 128 ASCII letters and digits, as every AWS Query API names its operations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Action(SmolStr);

/// The text is not an [`Action`]. The message completes a sentence that begins with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not an Action: write 1 to {} letters and digits", Action::MAX_LENGTH)]
pub struct NotAnAction;

impl Action {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// Parses a name. Lookalikes (with a space, a NUL, full-width letters) are refused here, so that no two readers can disagree
    /// about which operation is meant.
    ///
    /// # Errors
    /// [`NotAnAction`] for any other character, an empty text and one that is too long.
    pub fn parse(text: &str) -> Result<Self, NotAnAction> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_action = is_plain && !text.is_empty() && text.len() <= Self::MAX_LENGTH;
        if is_action { Ok(Self(text.into())) } else { Err(NotAnAction) }
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
