//! Rules, and the decision over all rules of a client: deny wins, and a call that no rule allows is denied.

use std::fmt;

use smol_str::SmolStr;
use thiserror::Error;

use super::condition::Condition;
use super::pattern::{RouteActionPattern, Spelling};
use crate::query::{Action, QueryForm, ShownName};

/// The effect of a rule on the calls it applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Allows them, unless another rule denies.
    Allow,
    /// Denies them, even if another rule allows.
    Deny,
}

impl Effect {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("allow", Self::Allow), ("deny", Self::Deny)];

    /// The spellings of an Action that a rule of this effect is for.
    const fn spelling(self) -> Spelling {
        match self {
            Self::Allow => Spelling::Exact,
            Self::Deny => Spelling::Any,
        }
    }
}

/// One rule of a client. It applies when a pattern matches and every condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its position in the client's table.
    pub id: RuleId,
    /// Allow or deny.
    pub effect: Effect,
    /// The calls it is for. Without a pattern, no call.
    pub patterns: Vec<RouteActionPattern>,
    /// The conditions, all of which must hold. Without a condition, always.
    pub conditions: Vec<Condition>,
    /// The parameters that a call may have beside those of the conditions, the operation and `Version`; `None`: any. A
    /// list such as `InstanceId.N` is bounded by this alone, because its members may have any number.
    pub only: Option<Vec<String>>,
}

/// The position of a rule in its client's table, as audit and messages show it: `allow[2]`, `rule[1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleId {
    /// The list.
    pub list: RuleList,
    /// The number of the item, from 1.
    pub number: usize,
}

/// The lists of rules in a client's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleList {
    /// `allow = [...]`
    Allow,
    /// `deny = [...]`
    Deny,
    /// `[[client.NAME.rule]]`
    Rule,
}

impl RuleId {
    /// The position as text. It is made for every call that a rule decides, hence without the machinery of format
    /// strings.
    #[must_use]
    pub fn name(self) -> SmolStr {
        let list = match self.list {
            RuleList::Allow => "allow[",
            RuleList::Deny => "deny[",
            RuleList::Rule => "rule[",
        };
        [list, itoa::Buffer::new().format(self.number), "]"].into_iter().collect()
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The decision of a client's rules on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This rule allows it, and no rule denies it.
    Allow(RuleId),
    /// This rule denies it.
    Deny(RuleId),
    /// No rule applies to it.
    NoRule,
    /// No rule applies to it, but this one would allow its Action in another spelling.
    OtherSpelling(RuleId),
    /// An endpoint may take a parameter for another one that a rule asks about.
    Misspelled(Misspelled),
}

/// A parameter that is another spelling of one that a condition names, or a part of it. Whether the condition holds
/// for the endpoint as well cannot be known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("parameter {parameter} could be taken for {asked}, which the rule {rule} of this client asks about")]
pub struct Misspelled {
    /// The rule with the condition.
    pub rule: RuleId,
    /// The parameter of the call.
    pub parameter: ShownName,
    /// The parameter that the condition names.
    pub asked: ShownName,
}

impl Verdict {
    /// The rule that decided, if one did.
    #[must_use]
    pub const fn rule(&self) -> Option<RuleId> {
        match self {
            Self::Allow(rule) | Self::Deny(rule) | Self::Misspelled(Misspelled { rule, .. }) => Some(*rule),
            Self::NoRule | Self::OtherSpelling(_) => None,
        }
    }
}

impl Rule {
    /// Whether the rule applies to this call.
    #[must_use]
    pub fn applies(&self, route: &str, form: &QueryForm<'_>) -> bool {
        self.is_for(route, form.action(), self.effect.spelling()) && self.holds(form)
    }

    /// Whether the rule applies to every call of its patterns.
    pub(super) const fn is_unconditional(&self) -> bool {
        self.conditions.is_empty() && self.only.is_none()
    }

    fn is_for(&self, route: &str, action: &Action, spelling: Spelling) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(route, action, spelling))
    }

    fn holds(&self, form: &QueryForm<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(form.parameters())) && self.has_no_other(form)
    }

    /// Whether the form has no other parameters than the rule names.
    fn has_no_other(&self, form: &QueryForm<'_>) -> bool {
        /// The operation, by its names in all dialects, and the version of the interface.
        const OF_EVERY_CALL: [&str; 5] = ["Action", "action", "command", "Version", "version"];
        let Some(only) = &self.only else { return true };
        let asked = || self.conditions.iter().map(|condition| &condition.parameter);
        form.parameters().canonical().all(|parameter| {
            let name = parameter.name();
            OF_EVERY_CALL.contains(&name) || only.iter().chain(asked()).any(|known| known == name)
        })
    }

    /// The first parameter that could be taken for one that a condition names and is not spelled like it. Only rules
    /// for the form's Action count: some services spell a parameter differently in others (`DBClusterIdentifier`,
    /// `DbClusterIdentifier`).
    fn misspelled(&self, form: &QueryForm<'_>) -> Option<Misspelled> {
        self.conditions.iter().find_map(|Condition { parameter: asked, .. }| {
            let parameter = ShownName::of(form.parameters().other_spelling_of(asked)?);
            Some(Misspelled { rule: self.id, parameter, asked: ShownName::of(asked) })
        })
    }
}

impl fmt::Display for Rule {
    /// The patterns and conditions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, pattern) in self.patterns.iter().enumerate() {
            write!(f, "{}{pattern}", if nth == 0 { "" } else { ", " })?;
        }
        for (nth, condition) in self.conditions.iter().enumerate() {
            write!(f, " {} {condition}", if nth == 0 { "when" } else { "and" })?;
        }
        match self.only.as_deref() {
            None => {}
            Some([]) => f.write_str(", with no other parameter")?,
            Some(names) => write!(f, ", with no other parameter than {}", names.join(", "))?,
        }
        Ok(())
    }
}

/// Decides over all rules. Their order does not change the decision, only which of several rules is named.
#[must_use]
pub fn judge(rules: &[Rule], route: &str, form: &QueryForm<'_>) -> Verdict {
    let (mut denied, mut allowed) = (None, None);
    for rule in rules.iter().filter(|rule| rule.is_for(route, form.action(), rule.effect.spelling())) {
        // a condition is evaluated only if nothing else in the call can be taken for its parameter
        if let Some(misspelled) = rule.misspelled(form) {
            return Verdict::Misspelled(misspelled);
        }
        match rule.effect {
            Effect::Deny if denied.is_none() && rule.holds(form) => denied = Some(rule.id),
            Effect::Allow if allowed.is_none() && rule.holds(form) => allowed = Some(rule.id),
            Effect::Allow | Effect::Deny => {}
        }
    }
    match (denied, allowed) {
        (Some(rule), _) => Verdict::Deny(rule),
        (None, Some(rule)) => Verdict::Allow(rule),
        (None, None) => other_spelling(rules, route, form).map_or(Verdict::NoRule, Verdict::OtherSpelling),
    }
}

/// The rule that would allow the call if its Action were spelled as the rule spells it.
fn other_spelling(rules: &[Rule], route: &str, form: &QueryForm<'_>) -> Option<RuleId> {
    let would_allow = |rule: &&Rule| {
        rule.effect == Effect::Allow && rule.is_for(route, form.action(), Spelling::Any) && rule.holds(form)
    };
    rules.iter().find(would_allow).map(|rule| rule.id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::condition::Test;
    use super::super::pattern::{ActionPattern, RoutePattern};
    use super::*;
    use crate::query::FormLimits;

    const ACTIONS: [&str; 4] = ["GetStatus", "GetX", "CreateJob", "ListJobs"];
    const PATTERNS: [&str; 6] = ["GetStatus", "Get*", "*", "CreateJob", "List*", "Other"];
    const ROUTES: [&str; 2] = ["ie", "sdb"];

    fn condition() -> impl Strategy<Value = Condition> {
        let value = || prop_oneof![Just("a".to_owned()), Just("b".to_owned())];
        let test = prop_oneof![
            value().prop_map(Test::Equals),
            value().prop_map(Test::Prefix),
            prop::collection::vec(value(), 0..3).prop_map(Test::OneOf),
            Just(Test::Absent),
            Just(Test::Present),
        ];
        (prop_oneof![Just("P".to_owned()), Just("Q".to_owned())], test)
            .prop_map(|(parameter, test)| Condition { parameter, test })
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let route = prop_oneof![
            Just(RoutePattern::Any),
            prop::sample::select(&ROUTES).prop_map(|route| RoutePattern::Named(route.to_owned()))
        ];
        let pattern = (route, prop::sample::select(&PATTERNS))
            .prop_map(|(route, action)| RouteActionPattern { route, action: ActionPattern::parse(action).unwrap() });
        let effect = prop_oneof![2 => Just(Effect::Allow), 1 => Just(Effect::Deny)];
        (effect, prop::collection::vec(pattern, 0..3), prop::collection::vec(condition(), 0..2)).prop_map(
            |(effect, patterns, conditions)| Rule {
                id: RuleId { list: RuleList::Rule, number: 1 },
                effect,
                patterns,
                conditions,
                only: None,
            },
        )
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        prop::collection::vec(rule(), 0..6)
    }

    fn call() -> impl Strategy<Value = (&'static str, String)> {
        let parameters = prop_oneof![Just(""), Just("&P=a"), Just("&P=b&Q=a"), Just("&Q="), Just("&P=ab")];
        (prop::sample::select(&ROUTES), prop::sample::select(&ACTIONS), parameters)
            .prop_map(|(route, action, parameters)| (route, format!("Action={action}{parameters}")))
    }

    /// Calls of Actions and parameters in other spellings too. Not all are forms that can be read.
    fn spelled_call() -> impl Strategy<Value = (&'static str, String)> {
        let spelled = prop::sample::select(&ACTIONS).prop_flat_map(|action| {
            prop::sample::select(vec![action.to_owned(), action.to_lowercase(), action.to_uppercase()])
        });
        let parameter = ("P|p|Q|q|_P|P-|P\\.x|p\\.x|PQ|Q2| P", "a|b|ab|").prop_map(|(n, v)| format!("&{n}={v}"));
        let parameters = prop::collection::vec(parameter, 0..3).prop_map(|all| all.concat());
        (prop::sample::select(&ROUTES), spelled, parameters)
            .prop_map(|(route, action, parameters)| (route, format!("Action={action}{parameters}")))
    }

    /// The decision as it was before names were folded: every name and Action is compared byte by byte.
    fn allows_byte_by_byte(rules: &[Rule], route: &str, form: &QueryForm<'_>) -> bool {
        let applying = |effect: Effect| {
            let applies = move |rule: &&Rule| {
                rule.effect == effect && rule.is_for(route, form.action(), Spelling::Exact) && rule.holds(form)
            };
            rules.iter().any(|rule| applies(&rule))
        };
        applying(Effect::Allow) && !applying(Effect::Deny)
    }

    /// A name as seen by an endpoint that ignores everything that folding ignores, and what follows a dot.
    fn lenient(name: &str) -> String {
        let counted = name.to_lowercase().replace(['_', '-', ' '], "");
        counted.split('.').next().unwrap().to_owned()
    }

    fn leniently(rule: &Rule) -> Rule {
        let mut rule = rule.clone();
        for pattern in &mut rule.patterns {
            pattern.action = match &pattern.action {
                ActionPattern::Exact(name) => ActionPattern::Exact(lenient(name)),
                ActionPattern::Prefix(start) => ActionPattern::Prefix(lenient(start)),
            };
        }
        for condition in &mut rule.conditions {
            condition.parameter = lenient(&condition.parameter);
        }
        rule
    }

    fn form(body: &str) -> QueryForm<'_> {
        QueryForm::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap()
    }

    fn allows(rules: &[Rule], route: &str, form: &QueryForm<'_>) -> bool {
        matches!(judge(rules, route, form), Verdict::Allow(_))
    }

    #[test]
    fn a_rule_that_names_all_parameters_applies_to_no_call_with_another() {
        let rule = Rule {
            id: RuleId { list: RuleList::Rule, number: 1 },
            effect: Effect::Allow,
            patterns: vec![RouteActionPattern {
                route: RoutePattern::Any,
                action: ActionPattern::parse("StopInstances").unwrap(),
            }],
            conditions: vec![Condition { parameter: "InstanceId.1".to_owned(), test: Test::Equals("i-1".to_owned()) }],
            only: Some(vec!["DryRun".to_owned()]),
        };
        let applies = |more: &str| {
            let body = format!("Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1{more}");
            rule.applies("ec2", &QueryForm::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap())
        };
        assert!(applies("") && applies("&DryRun=true"));
        for other in ["&InstanceId.2=i-2", "&InstanceId.7=i-2", "&InstanceId=i-2", "&Force=true", "&dryrun=true", "&=x"]
        {
            assert!(!applies(other), "{other}");
        }
        assert!(rule.to_string().ends_with("when InstanceId.1 equals \"i-1\", with no other parameter than DryRun"));
    }

    proptest! {
        #[test]
        fn without_rules_there_is_no_access((route, body) in call()) {
            prop_assert_eq!(judge(&[], route, &form(&body)), Verdict::NoRule);
        }

        #[test]
        fn deny_wins(rules in rules(), (route, body) in call()) {
            let form = form(&body);
            if rules.iter().any(|rule| rule.effect == Effect::Deny && rule.applies(route, &form)) {
                prop_assert!(matches!(judge(&rules, route, &form), Verdict::Deny(_)));
            }
        }

        #[test]
        fn adding_a_deny_never_allows(rules in rules(), mut deny in rule(), at in 0..7_usize, (route, body) in call()) {
            let form = form(&body);
            deny.effect = Effect::Deny;
            let mut more = rules.clone();
            more.insert(at.min(more.len()), deny);
            prop_assert!(!allows(&more, route, &form) || allows(&rules, route, &form));
        }

        #[test]
        fn adding_a_deny_never_allows_whatever_the_spelling(
            rules in rules(), mut deny in rule(), at in 0..7_usize, (route, body) in spelled_call(),
        ) {
            let Ok(form) = QueryForm::parse(body.as_bytes(), FormLimits::DEFAULT) else { return Ok(()) };
            deny.effect = Effect::Deny;
            let mut more = rules.clone();
            more.insert(at.min(more.len()), deny);
            prop_assert!(!allows(&more, route, &form) || allows(&rules, route, &form));
        }

        #[test]
        fn folding_never_allows_more(rules in rules(), (route, body) in spelled_call()) {
            let Ok(form) = QueryForm::parse(body.as_bytes(), FormLimits::DEFAULT) else { return Ok(()) };
            prop_assert!(!allows(&rules, route, &form) || allows_byte_by_byte(&rules, route, &form), "{body}");
        }

        #[test]
        fn what_is_allowed_is_allowed_to_an_endpoint_that_folds(rules in rules(), (route, body) in spelled_call()) {
            let Ok(form) = QueryForm::parse(body.as_bytes(), FormLimits::DEFAULT) else { return Ok(()) };
            if allows(&rules, route, &form) {
                // the same call and rules as such an endpoint reads them
                let parameters = form.parameters().iter().filter(|(name, _)| *name != "Action");
                let seen: BTreeMap<_, _> = parameters.map(|(name, value)| (lenient(name), value)).collect();
                let seen = seen.iter().fold(String::new(), |seen, (name, value)| format!("{seen}&{name}={value}"));
                let seen = format!("Action={}{seen}", lenient(form.action().as_str()));
                let seen = QueryForm::parse(seen.as_bytes(), FormLimits::DEFAULT).unwrap();
                let rules: Vec<Rule> = rules.iter().map(leniently).collect();
                prop_assert!(allows_byte_by_byte(&rules, route, &seen), "{body}");
            }
        }

        #[test]
        fn taking_an_allow_away_never_allows(rules in rules(), (route, body) in call()) {
            let form = form(&body);
            if let Some(at) = rules.iter().position(|rule| rule.effect == Effect::Allow) {
                let mut fewer = rules.clone();
                fewer.remove(at);
                prop_assert!(!allows(&fewer, route, &form) || allows(&rules, route, &form));
            }
        }

        #[test]
        fn the_order_of_rules_does_not_matter(
            (rules, shuffled) in rules().prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
            (route, body) in call(),
        ) {
            let form = form(&body);
            prop_assert_eq!(judge(&rules, route, &form), judge(&shuffled, route, &form), "all have the same id");
        }

        #[test]
        fn what_is_allowed_is_allowed_by_the_rule_that_is_named(mut rules in rules(), (route, body) in call()) {
            let form = form(&body);
            for (index, rule) in rules.iter_mut().enumerate() {
                rule.id.number = index;
            }
            if let Verdict::Allow(id) = judge(&rules, route, &form) {
                prop_assert!(rules[id.number].effect == Effect::Allow && rules[id.number].applies(route, &form));
            }
        }
    }
}
