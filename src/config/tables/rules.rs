//! What a client may do: `allow`, `deny`, and `[[client.NAME.rule]]` with its conditions.

use crate::authorize::{
    ActionPattern, Condition, Effect, RouteActionPattern, RoutePattern, Rule, RuleId, RuleList, Test,
};
use crate::config::cross_checks::reference;
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, flag, name, shown, text};
use crate::config::settings::Name;
use crate::query::folded::{Folded, Kinship};

/// Reads the rules of a client; `routes` are the names of all routes.
pub(crate) fn read(table: &mut Table<'_>, routes: &[Name]) -> Option<Vec<Rule>> {
    let tables = table.tables("rule", "`[[client.NAME.rule]]` with double brackets");
    let count = tables.len();
    let id = |number| RuleId { list: RuleList::Rule, number };
    let rules: Vec<Rule> = (1..).zip(tables).filter_map(|(number, table)| rule(id(number), table, routes)).collect();
    if let Some(message) = two_spellings(&rules) {
        table.fault("rule", message);
        return None;
    }
    (rules.len() == count).then_some(rules)
}

/// What is wrong when two conditions on the same call name one parameter in two spellings: a call with either spelling
/// is refused because of the other condition.
fn two_spellings(rules: &[Rule]) -> Option<String> {
    let asked = || rules.iter().flat_map(|rule| rule.conditions.iter().map(move |asked| (rule, &asked.parameter)));
    asked().find_map(|(first, one)| {
        let (second, other) =
            asked().find(|(second, other)| share_a_call(first, second) && are_confused(one, other))?;
        Some(format!(
            "{} asks about {} and {} about {}, which an endpoint may take for the same parameter: a call with one is \
             refused for the other, so use one of the two names",
            first.id,
            shown(one),
            second.id,
            shown(other)
        ))
    })
}

fn share_a_call(first: &Rule, second: &Rule) -> bool {
    first.patterns.iter().any(|one| second.patterns.iter().any(|other| one.overlaps(other)))
}

fn are_confused(one: &str, other: &str) -> bool {
    let [a, b] = [one, other].map(|name| Folded::of(name.as_bytes()));
    one != other && (a.kinship(b) != Kinship::Unrelated || b.kinship(a) != Kinship::Unrelated)
}

/// A list of patterns, `importexport:List*`.
pub(crate) fn patterns(table: &mut Table<'_>, key: &'static str, routes: &[Name]) -> Option<Vec<RouteActionPattern>> {
    table.list(key, Vec::new(), |text| pattern(text, routes))
}

fn pattern(text: &str, routes: &[Name]) -> Result<RouteActionPattern, String> {
    let Some((route, action)) = text.split_once(':') else {
        return Err(format!("{} has no route: write route:Action, e.g. \"importexport:GetStatus\"", shown(text)));
    };
    let route = match route {
        "*" => RoutePattern::Any,
        route => RoutePattern::Named(reference(name(route)?, routes, "route")?.to_string()),
    };
    let action = ActionPattern::parse(action).ok_or_else(|| {
        format!("{} names no Action: write letters and digits, and perhaps one `*` at the end", shown(text))
    })?;
    Ok(RouteActionPattern { route, action })
}

fn rule(id: RuleId, mut table: Table<'_>, routes: &[Name]) -> Option<Rule> {
    let effect = table.required("effect", "say \"allow\" or \"deny\"", choice(&Effect::WORDS));
    let patterns = patterns(&mut table, "actions", routes);
    if patterns.as_ref().is_some_and(Vec::is_empty) {
        table.missing("actions", "say which calls the rule is for, e.g. actions = [\"importexport:CreateJob\"]");
    }
    let when = table.tables("when", "when = [{ parameter = \"ValidateOnly\", equals = \"true\" }]");
    let count = when.len();
    let conditions: Vec<Condition> = when.into_iter().filter_map(condition).collect();
    let only = table.list("only", Vec::new(), |text| parameter(&Given::Text(text)));
    let escapes = table.has("only") && effect == Some(Effect::Deny);
    if escapes {
        table.fault("only", "a call would escape the denial by one more parameter: `only` is for \"allow\"");
    }
    let only = if table.has("only") { only.map(Some) } else { Some(None) };
    table.finish();
    // a rule that lost one of its conditions would apply to more calls
    (conditions.len() == count && !escapes).then_some(())?;
    Some(Rule {
        id,
        effect: effect?,
        patterns: patterns.filter(|patterns| !patterns.is_empty())?,
        conditions,
        only: only?,
    })
}

fn condition(mut table: Table<'_>) -> Option<Condition> {
    let parameter = table.required("parameter", "name the parameter", parameter);
    let value = |given: &Given<'_>| text(given).map(|text| Some(text.to_owned()));
    let equals = table.get("equals", None, value);
    let prefix = table.get("prefix", None, value);
    let one_of = table.list("one_of", Vec::new(), |text| Ok(text.to_owned()));
    let absent = table.get("absent", None, |given| flag(given).map(Some));
    let given: Vec<&str> = ["equals", "prefix", "one_of", "absent"].into_iter().filter(|key| table.has(key)).collect();
    match given.as_slice() {
        [_] => {}
        [] => table.missing("equals", "say what is asked of the parameter: `equals`, `prefix`, `one_of` or `absent`"),
        [_, second, ..] => {
            table.fault(second, "a condition asks one thing: write a second condition, or remove one of the two");
        }
    }
    let (equals, prefix, one_of, absent) = (equals?, prefix?, one_of?, absent?);
    if given == ["one_of"] && one_of.is_empty() {
        table.fault("one_of", "names no value: the condition would never hold");
    }
    let single = given.len() == 1;
    table.finish();
    let test = match (equals, prefix, absent) {
        (Some(value), _, _) => Test::Equals(value),
        (None, Some(start), _) => Test::Prefix(start),
        (None, None, Some(true)) => Test::Absent,
        (None, None, Some(false)) => Test::Present,
        (None, None, None) if !one_of.is_empty() => Test::OneOf(one_of),
        (None, None, None) => return None,
    };
    Some(Condition { parameter: parameter?, test }).filter(|_| single)
}

/// The name of a parameter that may be asked about. Which names a dialect reserves is asked when all routes are known
/// (`dialect_checks`).
fn parameter(given: &Given<'_>) -> Result<String, String> {
    let name = text(given)?;
    let is_printable = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_printable || Folded::of(name.as_bytes()).first().is_none() {
        return Err(format!(
            "{} is not the name of a parameter: write printable ASCII, a letter at least",
            shown(name)
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{client, client_fault, faults, with_client};

    fn rule_with(lines: &str) -> String {
        format!("uid = 1\n[[client.a.rule]]\neffect = \"deny\"\nactions = [\"ie:CreateJob\"]\n{lines}")
    }

    #[test]
    fn a_rule_that_allows_may_name_all_parameters_of_a_call_and_one_that_denies_may_not() {
        let allows = |lines: &str| rule_with(lines).replace("\"deny\"", "\"allow\"");
        let only = |lines: &str| client(&allows(lines)).rules.remove(0).only;
        assert_eq!(only(""), None);
        assert_eq!(only("only = []"), Some(Vec::new()));
        assert_eq!(
            only("only = [\"InstanceId.1\", \"DryRun\"]"),
            Some(vec!["InstanceId.1".to_owned(), "DryRun".to_owned()])
        );
        assert!(client_fault(&rule_with("only = [\"P\"]")).contains("would escape the denial"));
    }

    fn test_of(when: &str) -> Test {
        client(&rule_with(&format!("when = [{{ parameter = \"P\", {when} }}]")))
            .rules
            .remove(0)
            .conditions
            .remove(0)
            .test
    }

    #[test]
    fn patterns_name_a_route_and_an_action() {
        let read = client("uid = 1\nallow = [\"ie:List*\", \"*:GetStatus\", \"ie:*\", \"*:*\"]");
        let shown: Vec<_> = read.allow.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["ie:List*", "*:GetStatus", "ie:*", "*:*"]);
        for (wrong, why) in [
            ("List*", "has no route"),
            ("ei:List*", "did you mean `ie`?"),
            ("ie:", "names no Action"),
            ("ie:*List", "names no Action"),
            ("ie:List**", "names no Action"),
            ("i*:List", "is not a name"),
            ("*", "has no route"),
        ] {
            let fault = client_fault(&format!("uid = 1\nallow = [\"{wrong}\"]"));
            assert!(fault.starts_with("f:12:10: client.a.allow[1]: ") && fault.contains(why), "{fault}");
        }
    }

    #[test]
    fn a_rule_has_conditions() {
        assert_eq!(test_of("equals = \"true\""), Test::Equals("true".to_owned()));
        assert_eq!(test_of("prefix = \"a\""), Test::Prefix("a".to_owned()));
        assert_eq!(test_of("one_of = [\"a\", \"b\"]"), Test::OneOf(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(test_of("absent = true"), Test::Absent);
        assert_eq!(test_of("absent = false"), Test::Present);
        let rule = client(&rule_with("")).rules.remove(0);
        assert_eq!((rule.effect, rule.patterns.len(), rule.conditions.len()), (Effect::Deny, 1, 0));
    }

    #[test]
    fn a_condition_asks_one_thing_of_one_parameter() {
        for (when, why) in [
            ("{ parameter = \"P\" }", "say what is asked"),
            ("{ equals = \"a\" }", "name the parameter"),
            ("{ parameter = \"P\", equals = \"a\", absent = true }", "asks one thing"),
            ("{ parameter = \"P\", one_of = [] }", "names no value"),
            ("{ parameter = \"P\", equals = 1 }", "is not a text"),
            ("{ parameter = \"P\", equal = \"a\", absent = true }", "did you mean `equals`?"),
            ("{ parameter = \"Action\", equals = \"a\" }", "is chosen by `actions`"),
            ("{ parameter = \"timestamp\", absent = true }", "belongs to the signature"),
            ("{ parameter = \"version\", absent = true }", "could be taken for Version"),
            ("{ parameter = \"Operation\", absent = true }", "could be taken for Action"),
            ("{ parameter = \"\", absent = true }", "is not the name of a parameter"),
            ("{ parameter = \"-\", absent = true }", "is not the name of a parameter"),
            ("{ parameter = \"JobId\u{a0}\", absent = true }", "is not the name of a parameter"),
            ("\"P\"", "is not a table"),
        ] {
            let fault = client_fault(&rule_with(&format!("when = [{when}]")));
            assert!(fault.starts_with("f:15:") && fault.contains("rule[1].when[1]") && fault.contains(why), "{fault}");
        }
    }

    #[test]
    fn one_parameter_is_named_in_one_spelling_by_all_rules_for_a_call() {
        let two = |first: &str, second: &str, actions: &str| {
            let rule = |actions: &str, parameter: &str| {
                format!(
                    "[[client.a.rule]]\neffect = \"deny\"\nactions = [\"{actions}\"]\n\
                     when = [{{ parameter = \"{parameter}\", absent = false }}]\n"
                )
            };
            format!("uid = 1\n{}{}", rule("ie:CreateJob", first), rule(actions, second))
        };
        for (first, second) in [("JobId", "jobId"), ("JobId", "job_id"), ("Tag", "Tag.1.Key"), ("tag.1.Key", "Tag")] {
            let found = client_fault(&two(first, second, "*:create*"));
            assert!(
                found.contains("client.a.rule: rule[1] asks about") && found.contains("and rule[2] about"),
                "{found}"
            );
        }
        for (first, second) in [("JobId", "JobId"), ("JobId", "JobIds"), ("Tag.1.Key", "Tag.1.Value")] {
            assert_eq!(client(&two(first, second, "*:CreateJob")).rules.len(), 2, "{first} {second}");
        }
        assert_eq!(client(&two("JobId", "jobId", "ie:CancelJob")).rules.len(), 2, "no call is for both rules");
    }

    #[test]
    fn every_fault_of_every_rule_is_reported_at_its_place() {
        let second = "[[client.a.rule]]\neffect = \"refuse\"\nactions = []\nwhat = 1";
        let found = faults(&with_client(&rule_with(&format!("color = 1\n{second}"))));
        let paths: Vec<_> = found.iter().map(|fault| fault.split(": ").nth(1).unwrap()).collect();
        assert_eq!(
            paths,
            ["client.a.rule[1].color", "client.a.rule[2].effect", "client.a.rule[2].actions", "client.a.rule[2].what"],
            "{found:?}"
        );
        assert!(client_fault("uid = 1\n[client.a.rule]\neffect = \"allow\"").contains("double brackets"));
    }
}
