//! Which routes a client sees: those on which its rules allow something.

use std::collections::BTreeSet;

use super::pattern::{ActionPattern, RoutePattern};
use super::rule::{Effect, Rule};

/// What the clients of a listener learn of routes on which their rules allow nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteView {
    /// That the routes exist: a call of theirs is refused for the rules, in the dialect of the route.
    All,
    /// Nothing: a call of theirs is refused as if the routes did not exist.
    Own,
}

/// The routes that one client sees. It is made of the rules once, so that a call of a route that the client does not
/// see takes no longer than one of a route that does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenRoutes {
    /// Whether the client sees a route that none of its rules names.
    unnamed: bool,
    /// The named routes with which it is the other way round.
    exceptions: BTreeSet<String>,
}

impl SeenRoutes {
    /// Every route: those of a client in record mode, of which every call passes.
    #[must_use]
    pub const fn all() -> Self {
        Self { unnamed: true, exceptions: BTreeSet::new() }
    }

    /// The routes that a client sees whose rules are enforced: those that a rule allows something on and that no rule
    /// denies as a whole.
    #[must_use]
    pub fn of(rules: &[Rule]) -> Self {
        let unnamed = sees(rules, |pattern| *pattern == RoutePattern::Any);
        let is_exception = |name: &&String| sees(rules, |pattern| pattern.matches(name)) != unnamed;
        Self { unnamed, exceptions: named(rules).filter(is_exception).cloned().collect() }
    }

    /// Whether the route called `route` is one of them.
    #[must_use]
    pub fn include(&self, route: &str) -> bool {
        self.unnamed != self.exceptions.contains(route)
    }
}

/// Whether a route is seen for which those patterns are that `is_for` tells.
fn sees(rules: &[Rule], is_for: impl Fn(&RoutePattern) -> bool) -> bool {
    let (mut allows, mut denies_all) = (false, false);
    for rule in rules {
        for pattern in rule.patterns.iter().filter(|pattern| is_for(&pattern.route)) {
            match rule.effect {
                Effect::Allow => allows = true,
                Effect::Deny => denies_all |= rule.is_unconditional() && is_every_action(&pattern.action),
            }
        }
    }
    allows && !denies_all
}

fn is_every_action(pattern: &ActionPattern) -> bool {
    match pattern {
        ActionPattern::Prefix(prefix) => prefix.is_empty(),
        ActionPattern::Exact(_) => false,
    }
}

fn named(rules: &[Rule]) -> impl Iterator<Item = &String> {
    rules.iter().flat_map(|rule| &rule.patterns).filter_map(|pattern| match &pattern.route {
        RoutePattern::Any => None,
        RoutePattern::Named(name) => Some(name),
    })
}

#[cfg(test)]
mod tests {
    use super::super::condition::{Condition, Test};
    use super::super::pattern::RouteActionPattern;
    use super::super::rule::{RuleId, RuleList};
    use super::*;

    fn rule(effect: Effect, route: &str, action: &str) -> Rule {
        let route = if route == "*" { RoutePattern::Any } else { RoutePattern::Named(route.to_owned()) };
        let patterns = vec![RouteActionPattern { route, action: ActionPattern::parse(action).unwrap() }];
        Rule { id: RuleId { list: RuleList::Rule, number: 1 }, effect, patterns, conditions: Vec::new(), only: None }
    }

    fn seen(rules: &[Rule]) -> [bool; 3] {
        let seen = SeenRoutes::of(rules);
        ["a", "b", "later"].map(|route| seen.include(route))
    }

    const ALLOW: Effect = Effect::Allow;
    const DENY: Effect = Effect::Deny;

    #[test]
    fn a_client_sees_the_routes_that_a_rule_allows_something_on() {
        assert_eq!(seen(&[]), [false; 3]);
        assert_eq!(seen(&[rule(ALLOW, "a", "List*")]), [true, false, false]);
        assert_eq!(seen(&[rule(ALLOW, "*", "ListJobs")]), [true; 3]);
        assert_eq!(seen(&[rule(DENY, "b", "List*")]), [false; 3], "what is denied in part is not allowed by that");
    }

    #[test]
    fn a_route_that_is_denied_as_a_whole_is_not_seen() {
        let all = rule(ALLOW, "*", "*");
        assert_eq!(seen(&[all.clone(), rule(DENY, "b", "*")]), [true, false, true]);
        assert_eq!(seen(&[all.clone(), rule(DENY, "b", "List*")]), [true; 3]);
        assert_eq!(seen(&[rule(ALLOW, "a", "*"), rule(DENY, "*", "*")]), [false; 3]);
        let condition = Condition { parameter: "JobId".to_owned(), test: Test::Equals("1".to_owned()) };
        let sometimes = Rule { conditions: vec![condition], ..rule(DENY, "b", "*") };
        assert_eq!(seen(&[all, sometimes]), [true; 3]);
    }
}
