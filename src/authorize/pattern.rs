//! Patterns for Actions and routes: an exact name, or a prefix followed by `*`.

use std::fmt;

use crate::query::Action;

/// Matches Actions. There are no other wildcards: people who approve a pattern must see at once what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionPattern {
    /// This Action.
    Exact(String),
    /// Every Action that begins with this text.
    Prefix(String),
}

impl ActionPattern {
    /// Parses `GetStatus`, `Get*` or `*`; `None` when the text without its `*` cannot be an Action or the beginning of
    /// one.
    #[must_use]
    pub fn parse(pattern: &str) -> Option<Self> {
        let action = |text| Action::parse(text).map(|action| action.as_str().to_owned());
        match pattern.strip_suffix('*') {
            Some("") => Some(Self::Prefix(String::new())),
            Some(prefix) => action(prefix).map(Self::Prefix),
            None => action(pattern).map(Self::Exact),
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

impl fmt::Display for ActionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// Matches routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutePattern {
    /// `*`: every route, also those that are configured later.
    Any,
    /// The route with this name.
    Named(String),
}

/// Matches an Action on a route: `importexport:List*`, `importexport:*`, `*:Get*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteActionPattern {
    /// The part before the colon.
    pub route: RoutePattern,
    /// The part after the colon.
    pub action: ActionPattern,
}

impl RoutePattern {
    /// Whether the route called `route` matches.
    #[must_use]
    pub fn matches(&self, route: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(name) => name == route,
        }
    }
}

impl RouteActionPattern {
    /// Whether `action` on the route called `route` matches.
    #[must_use]
    pub fn matches(&self, route: &str, action: &Action) -> bool {
        self.route.matches(route) && self.action.matches(action)
    }
}

impl fmt::Display for RouteActionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            RoutePattern::Any => write!(f, "*:{}", self.action),
            RoutePattern::Named(name) => write!(f, "{name}:{}", self.action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_exactly_or_by_its_prefix() {
        let matches = |pattern: &str, action: &str| {
            ActionPattern::parse(pattern).unwrap().matches(&Action::parse(action).unwrap())
        };
        assert!(matches("GetStatus", "GetStatus"));
        assert!(!matches("GetStatus", "GetStatusX"));
        assert!(!matches("GetStatus", "getstatus"));
        assert!(matches("Get*", "GetStatus"));
        assert!(matches("Get*", "Get"));
        assert!(!matches("Get*", "ForGet"));
    }

    #[test]
    fn a_pattern_has_one_star_at_its_end_or_none() {
        for text in ["GetStatus", "Get*", "*"] {
            assert_eq!(ActionPattern::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "*Get", "G*t", "Get**", "Get *", "Über*", &"a".repeat(129)] {
            assert_eq!(ActionPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_route_is_matched_exactly_or_is_any() {
        let action = Action::parse("ListJobs").unwrap();
        let on = |route| RouteActionPattern { route, action: ActionPattern::parse("List*").unwrap() };
        let named = on(RoutePattern::Named("ie".to_owned()));
        assert!(named.matches("ie", &action));
        assert!(!named.matches("ie2", &action) && !named.matches("", &action) && !named.matches("IE", &action));
        assert!(on(RoutePattern::Any).matches("anything", &action));
        assert!(!on(RoutePattern::Any).matches("ie", &Action::parse("CreateJob").unwrap()));
        assert_eq!(named.to_string(), "ie:List*");
        assert_eq!(on(RoutePattern::Any).to_string(), "*:List*");
    }
}
