//! Patterns over Action names: exact, or a prefix spelled with one trailing `*`.

use crate::query::Action;

/// Matches Actions. There is no other wildcard: what a pattern allows must be obvious to whoever approves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionPattern {
    /// This Action.
    Exact(String),
    /// Every Action that begins so.
    Prefix(String),
}

impl ActionPattern {
    /// Reads `GetStatus` or `Get*`.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        match pattern.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(pattern.to_owned()),
        }
    }

    /// Whether `action` matches. Case matters, as it does to the endpoint.
    #[must_use]
    pub fn matches(&self, action: &Action) -> bool {
        match self {
            Self::Exact(name) => action.as_str() == name,
            Self::Prefix(prefix) => action.as_str().starts_with(prefix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_exactly_or_by_its_prefix() {
        let matches =
            |pattern: &str, action: &str| ActionPattern::new(pattern).matches(&Action::parse(action).unwrap());
        assert!(matches("GetStatus", "GetStatus"));
        assert!(!matches("GetStatus", "GetStatusX"));
        assert!(!matches("GetStatus", "getstatus"));
        assert!(matches("Get*", "GetStatus"));
        assert!(matches("Get*", "Get"));
        assert!(!matches("Get*", "ForGet"));
    }
}
