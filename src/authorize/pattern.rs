//! Patterns for Actions and routes: an exact name, or a prefix followed by `*`.

use std::fmt;

use crate::query::folded::Folded;
use crate::query::{Action, Vocabulary};

/// Which spellings of an Action a pattern matches. Some endpoints ignore case and `_`, others do not, and it cannot be
/// known here which kind an endpoint is. An allow pattern therefore matches one spelling, and a deny pattern matches
/// all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// The pattern's own, byte by byte.
    Exact,
    /// All that differ by case, `_`, `-` or white space: `terminateInstances` for `TerminateInstances`.
    Any,
}

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

    /// Whether `action` matches, in this spelling or in any.
    #[must_use]
    pub fn matches(&self, action: &Action, spelling: Spelling) -> bool {
        let called = action.as_str();
        match (self, spelling) {
            (Self::Exact(name), Spelling::Exact) => called == name,
            (Self::Exact(name), Spelling::Any) => Folded::of(called.as_bytes()) == Folded::of(name.as_bytes()),
            (Self::Prefix(prefix), Spelling::Exact) => called.starts_with(prefix.as_str()),
            (Self::Prefix(prefix), Spelling::Any) => {
                Folded::of(called.as_bytes()).starts_with(Folded::of(prefix.as_bytes()))
            }
        }
    }
}

impl ActionPattern {
    /// Whether some Action matches both patterns in some spelling.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (Self::Exact(one) | Self::Prefix(one), Self::Exact(two) | Self::Prefix(two)) = (self, other);
        let (one, two) = (Folded::of(one.as_bytes()), Folded::of(two.as_bytes()));
        match (self, other) {
            (Self::Exact(_), Self::Exact(_)) => one == two,
            (Self::Exact(_), Self::Prefix(_)) => one.starts_with(two),
            (Self::Prefix(_), Self::Exact(_)) => two.starts_with(one),
            (Self::Prefix(_), Self::Prefix(_)) => one.starts_with(two) || two.starts_with(one),
        }
    }
}

/// Whether an Action may be called twice: a pattern says so. One with `*` does not speak for operations that are called
/// like those which only read, and do more.
#[must_use]
pub fn is_safe_to_repeat(patterns: &[ActionPattern], action: &Action, vocabulary: &Vocabulary) -> bool {
    let speaks = |pattern: &ActionPattern| match pattern {
        ActionPattern::Exact(_) => true,
        ActionPattern::Prefix(_) => !vocabulary.does_more_than_read(action),
    };
    patterns.iter().any(|pattern| pattern.matches(action, Spelling::Exact) && speaks(pattern))
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

impl RoutePattern {
    /// Whether the route called `route` matches.
    #[must_use]
    pub fn matches(&self, route: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(name) => name == route,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(name), pattern) | (pattern, Self::Named(name)) => pattern.matches(name),
            (Self::Any, Self::Any) => true,
        }
    }
}

/// Matches an Action on a route: `importexport:List*`, `importexport:*`, `*:Get*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteActionPattern {
    /// The part before the colon.
    pub route: RoutePattern,
    /// The part after the colon.
    pub action: ActionPattern,
}

impl RouteActionPattern {
    /// Whether `action` on the route called `route` matches, in this spelling or in any.
    #[must_use]
    pub fn matches(&self, route: &str, action: &Action, spelling: Spelling) -> bool {
        self.route.matches(route) && self.action.matches(action, spelling)
    }

    /// Whether some call matches both patterns in some spelling of its Action.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.route.overlaps(&other.route) && self.action.overlaps(&other.action)
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
            ActionPattern::parse(pattern).unwrap().matches(&Action::parse(action).unwrap(), Spelling::Exact)
        };
        assert!(matches("GetStatus", "GetStatus"));
        assert!(!matches("GetStatus", "GetStatusX"));
        assert!(!matches("GetStatus", "getstatus"));
        assert!(matches("Get*", "GetStatus"));
        assert!(matches("Get*", "Get"));
        assert!(!matches("Get*", "ForGet"));
    }

    #[test]
    fn a_pattern_for_any_spelling_matches_what_a_lenient_endpoint_takes_for_the_action() {
        let matches = |pattern: &str, action: &str| {
            ActionPattern::parse(pattern).unwrap().matches(&Action::parse(action).unwrap(), Spelling::Any)
        };
        for action in ["TerminateInstances", "terminateInstances", "TERMINATEINSTANCES"] {
            assert!(matches("TerminateInstances", action) && matches("terminate*", action), "{action}");
        }
        assert!(matches("*", "terminateInstances"));
        assert!(!matches("TerminateInstances", "terminateInstance"));
        assert!(!matches("TerminateInstances*", "terminateInstance"));
    }

    #[test]
    fn patterns_overlap_when_an_action_in_some_spelling_matches_both() {
        let overlap = |one: &str, two: &str| {
            let [one, two] = [one, two].map(|pattern| ActionPattern::parse(pattern).unwrap());
            assert_eq!(one.overlaps(&two), two.overlaps(&one));
            one.overlaps(&two)
        };
        for (one, two) in [("GetStatus", "getStatus"), ("GetStatus", "get*"), ("Get*", "GETS*"), ("*", "ListJobs")] {
            assert!(overlap(one, two), "{one} {two}");
        }
        for (one, two) in [("GetStatus", "GetStatu"), ("GetStatus", "GetStatusX*"), ("Get*", "List*")] {
            assert!(!overlap(one, two), "{one} {two}");
        }
    }

    #[test]
    fn what_is_called_like_a_read_and_does_more_is_repeated_only_where_it_is_named() {
        let is_safe = |vocabulary: &Vocabulary, patterns: &[&str], action: &str| {
            let patterns: Vec<_> = patterns.iter().map(|pattern| ActionPattern::parse(pattern).unwrap()).collect();
            is_safe_to_repeat(&patterns, &Action::parse(action).unwrap(), vocabulary)
        };
        for (vocabulary, reads, creates) in [
            (&Vocabulary::AWS, "DescribeInstances", "RunInstances"),
            (&Vocabulary::NIFCLOUD, "NiftyDescribeRouters", "NiftyCreateRouter"),
            (&Vocabulary::CLOUDSTACK, "listVirtualMachines", "deployVirtualMachine"),
            (&Vocabulary::CLOUDSTACK, "queryAsyncJobResult", "getUploadParamsForVolume"),
            (&Vocabulary::CLOUDSTACK, "getUser", "getUploadParamsForTemplate"),
            (&Vocabulary::ALIBABA, "DescribeInstances", "DescribeVerifyToken"),
            (&Vocabulary::QINGCLOUD, "DescribeInstances", "RunInstances"),
            (&Vocabulary::TENCENT, "DescribeInstances", "GetFederationToken"),
        ] {
            assert!(is_safe(vocabulary, vocabulary.reads, reads), "{reads}");
            assert!(!is_safe(vocabulary, vocabulary.reads, creates), "{creates}");
            assert!(is_safe(vocabulary, &[creates], creates), "{creates}");
        }
        assert!(!is_safe(&Vocabulary::CLOUDSTACK, Vocabulary::CLOUDSTACK.reads, "ListZones"), "the case counts");
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
        let exact = Spelling::Exact;
        assert!(named.matches("ie", &action, exact));
        for other in ["ie2", "", "IE"] {
            assert!(!named.matches(other, &action, exact) && !named.matches(other, &action, Spelling::Any), "{other}");
        }
        assert!(on(RoutePattern::Any).matches("anything", &action, exact));
        assert!(!on(RoutePattern::Any).matches("ie", &Action::parse("CreateJob").unwrap(), exact));
        assert!(named.overlaps(&on(RoutePattern::Any)) && on(RoutePattern::Any).overlaps(&named));
        assert!(named.overlaps(&named) && !named.overlaps(&on(RoutePattern::Named("ie2".to_owned()))));
        assert_eq!(named.to_string(), "ie:List*");
        assert_eq!(on(RoutePattern::Any).to_string(), "*:List*");
    }
}
