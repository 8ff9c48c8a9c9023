//! Compares the rules that are suggested for a client with those in force.

use super::client::Client;
use super::observed_calls::{SuggestedCall, Suggestion};
use super::pattern::{ActionPattern, RouteActionPattern, RoutePattern, Spelling};
use super::rule::{Effect, Rule, RuleId};
use crate::query::Action;

/// What the rules in force say of a call, as far as its parameters need not be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// This rule allows it.
    Allowed(RuleId),
    /// It depends on the parameters: this rule allows or denies it under conditions.
    Conditional(RuleId),
    /// No rule allows it.
    NotAllowed,
    /// This rule denies it. Another rule that allows it changes nothing.
    Denied(RuleId),
}

/// A pattern of a rule that allows more than what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The rule.
    pub rule: RuleId,
    /// The pattern, as the configuration has it.
    pub pattern: String,
    /// The calls that were recorded of those that it allows, as `route:Action`. None: nothing recorded needs it.
    pub needed_for: Vec<String>,
}

/// The rules of a client beside what was recorded of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What the rules say of each call of the suggestion, in its order.
    pub standings: Vec<Standing>,
    /// What they allow and nothing recorded needs.
    pub excess: Vec<Excess>,
}

/// Compares a suggestion with the rules of its client.
#[must_use]
pub fn compare(suggestion: &Suggestion, client: &Client) -> Comparison {
    let called = |call: &SuggestedCall| Action::parse(&call.action);
    // what is observed is an Action; a call that is none would be allowed by nothing
    let standing = |call| called(call).map_or(Standing::NotAllowed, |action| standing(client, &call.route, &action));
    let allowing = client.rules.iter().filter(|rule| rule.effect == Effect::Allow);
    let patterns = allowing.flat_map(|rule| rule.patterns.iter().map(|pattern| (rule.id, pattern)));
    let excess = patterns.filter_map(|(rule, pattern)| {
        let is_needed = |call: &&SuggestedCall| {
            called(call).is_some_and(|action| pattern.matches(&call.route, &action, Spelling::Exact))
        };
        let needed = suggestion.calls.iter().filter(is_needed);
        let needed_for: Vec<String> = needed.map(|call| format!("{}:{}", call.route, call.action)).collect();
        let is_excess = needed_for.is_empty() || is_broad(pattern);
        is_excess.then(|| Excess { rule, pattern: pattern.to_string(), needed_for })
    });
    Comparison { standings: suggestion.calls.iter().map(standing).collect(), excess: excess.collect() }
}

fn standing(client: &Client, route: &str, action: &Action) -> Standing {
    let rules = |effect, spelling| {
        let is_for = move |rule: &&Rule| {
            rule.effect == effect && rule.patterns.iter().any(|pattern| pattern.matches(route, action, spelling))
        };
        client.rules.iter().filter(is_for)
    };
    let denying = || rules(Effect::Deny, Spelling::Any);
    let allowing = || rules(Effect::Allow, Spelling::Exact);
    let always = |rule: &&Rule| rule.conditions.is_empty() && rule.only.is_none();
    if let Some(rule) = denying().find(always) {
        return Standing::Denied(rule.id);
    }
    match (allowing().find(always), denying().next(), allowing().next()) {
        (_, _, None) => Standing::NotAllowed,
        (Some(rule), None, Some(_)) => Standing::Allowed(rule.id),
        (Some(_) | None, Some(rule), Some(_)) | (None, None, Some(rule)) => Standing::Conditional(rule.id),
    }
}

/// Whether a pattern is for calls that it does not name.
const fn is_broad(pattern: &RouteActionPattern) -> bool {
    match (&pattern.route, &pattern.action) {
        (RoutePattern::Any, _) | (_, ActionPattern::Prefix(_)) => true,
        (RoutePattern::Named(_), ActionPattern::Exact(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Identifiers, Mode};
    use super::super::condition::{Condition, Test};
    use super::super::route_view::SeenRoutes;
    use super::super::rule::RuleList;
    use super::*;

    fn rule(number: usize, effect: Effect, patterns: &[&str], conditions: Vec<Condition>) -> Rule {
        let patterns = patterns.iter().map(|text| {
            let (route, action) = text.split_once(':').unwrap();
            let route = if route == "*" { RoutePattern::Any } else { RoutePattern::Named(route.to_owned()) };
            RouteActionPattern { route, action: ActionPattern::parse(action).unwrap() }
        });
        let id = RuleId { list: RuleList::Rule, number };
        Rule { id, effect, patterns: patterns.collect(), conditions, only: None }
    }

    fn client(rules: Vec<Rule>) -> Client {
        let identifiers = Identifiers::default();
        Client {
            index: 0,
            name: "a".to_owned(),
            tenant: None,
            identifiers,
            rules,
            mode: Mode::Record,
            rate: None,
            quota: None,
            seen: SeenRoutes::default(),
        }
    }

    fn suggestion(actions: &[&str]) -> Suggestion {
        let call = |action: &&str| SuggestedCall {
            route: "ie".to_owned(),
            action: (*action).to_owned(),
            count: 1,
            first_seen: None,
            last_seen: None,
            parameters: Vec::new(),
            other_spelling: None,
        };
        Suggestion { client: "a".to_owned(), calls: actions.iter().map(call).collect() }
    }

    fn when() -> Vec<Condition> {
        vec![Condition { parameter: "P".to_owned(), test: Test::Present }]
    }

    #[test]
    fn what_the_rules_say_of_each_call_is_told_with_the_rule() {
        let client = client(vec![
            rule(1, Effect::Allow, &["ie:Get*"], Vec::new()),
            rule(2, Effect::Allow, &["*:CreateJob"], when()),
            rule(3, Effect::Deny, &["ie:GetShippingLabel"], Vec::new()),
            rule(4, Effect::Deny, &["ie:GetSecret"], when()),
            rule(5, Effect::Allow, &["other:ListJobs"], Vec::new()),
        ]);
        let calls = ["GetStatus", "CreateJob", "getShippingLabel", "GetSecret", "ListJobs", "getStatus"];
        let id = |number| RuleId { list: RuleList::Rule, number };
        assert_eq!(
            compare(&suggestion(&calls), &client).standings,
            [
                Standing::Allowed(id(1)),
                Standing::Conditional(id(2)),
                Standing::Denied(id(3)),
                Standing::Conditional(id(4)),
                Standing::NotAllowed,
                Standing::NotAllowed,
            ]
        );
    }

    #[test]
    fn what_the_rules_allow_beyond_the_record_is_told_pattern_by_pattern() {
        let client = client(vec![
            rule(1, Effect::Allow, &["ie:Get*", "ie:CreateJob", "ie:CancelJob"], Vec::new()),
            rule(2, Effect::Allow, &["*:CreateJob"], when()),
            rule(3, Effect::Deny, &["ie:GetShippingLabel"], Vec::new()),
        ]);
        let excess = compare(&suggestion(&["CreateJob", "GetStatus", "GetX"]), &client).excess;
        let told: Vec<String> =
            excess.iter().map(|one| format!("{} {} {}", one.rule, one.pattern, one.needed_for.join("+"))).collect();
        assert_eq!(
            told,
            ["rule[1] ie:Get* ie:GetStatus+ie:GetX", "rule[1] ie:CancelJob ", "rule[2] *:CreateJob ie:CreateJob"]
        );
    }
}
