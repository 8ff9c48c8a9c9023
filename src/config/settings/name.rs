//! The names of listeners, clients, routes and keys.

use std::fmt;

/// The name of a listener, client, route or key: 1 to 64 of `a-z 0-9 _ -`, starting with a letter or digit, and without
/// `__`, which separates the parts of an environment variable's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// Parses a name; `None` when it breaks the rules above.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.bytes().next()?;
        let plain = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        let starts = first.is_ascii_lowercase() || first.is_ascii_digit();
        (plain && starts && text.len() <= Self::MAX_LENGTH && !text.contains("__")).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
