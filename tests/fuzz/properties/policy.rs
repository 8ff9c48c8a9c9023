//! Policies: whatever the rules and the form, the decision is the one that the words "deny wins, default deny" give.

use std::collections::BTreeMap;

use countersign::authorize::{
    ActionPattern, Condition, Effect, RouteActionPattern, RoutePattern, Rule, RuleId, RuleList, Test, Verdict, judge,
};
use countersign::query::QueryForm;

use super::canonical::{folded, may_be_taken_for};
use super::forms::LIMITS;

const ROUTE: &str = "ie";

/// Rules, one a line (`a` or `d`, a space, `ROUTE:ACTION`, then `NAME=VALUE`, `NAME^START`, `NAME!` or `NAME?` after
/// more spaces), and behind the first NUL a form. The order of the rules decides nothing, one more denial never allows,
/// and what is denied in one spelling is denied in all.
pub fn policy(input: &[u8]) {
    let Some(nul) = input.iter().position(|&byte| byte == 0) else { return };
    let (rules, form) = (String::from_utf8_lossy(&input[..nul]), &input[nul + 1..]);
    let Ok(form) = QueryForm::parse(form, LIMITS) else { return };
    let lines: Vec<&str> = rules.lines().filter(|line| parse(line, 1).is_some()).collect();
    let mut parsed: Vec<Rule> = (1..).zip(&lines).filter_map(|(number, line)| parse(line, number)).collect();
    let expected = plainly(&lines, &form);
    assert_eq!(decision(&parsed, &form), expected, "{rules}");
    parsed.reverse();
    assert_eq!(decision(&parsed, &form), expected, "the order decides: {rules}");
    for line in &lines {
        parsed.extend(parse(&line.replacen('a', "d", 1), 0).filter(|rule| rule.effect == Effect::Deny));
    }
    assert!(expected || !decision(&parsed, &form), "a denial allows: {rules}");
}

fn decision(rules: &[Rule], form: &QueryForm<'_>) -> bool {
    match judge(rules, ROUTE, form) {
        Verdict::Allow(_) => true,
        Verdict::Deny(_) | Verdict::NoRule | Verdict::OtherSpelling(_) | Verdict::Misspelled(_) => false,
    }
}

fn parse(line: &str, number: usize) -> Option<Rule> {
    let mut words = line.split(' ');
    let effect = match words.next()? {
        "a" => Effect::Allow,
        "d" => Effect::Deny,
        _ => return None,
    };
    let (route, action) = words.next()?.split_once(':')?;
    let route = if route == "*" { RoutePattern::Any } else { RoutePattern::Named(route.to_owned()) };
    let conditions = words.map(condition).collect::<Option<_>>()?;
    let patterns = vec![RouteActionPattern { route, action: ActionPattern::parse(action)? }];
    Some(Rule { id: RuleId { list: RuleList::Rule, number }, effect, patterns, conditions, only: None })
}

fn condition(word: &str) -> Option<Condition> {
    let at = word.find(['=', '^', '!', '?'])?;
    let (parameter, rest) = (word[..at].to_owned(), word[at + 1..].to_owned());
    let test = match word.as_bytes()[at] {
        b'=' => Test::Equals(rest),
        b'^' => Test::Prefix(rest),
        b'!' => Test::Absent,
        _ => Test::Present,
    };
    Some(Condition { parameter, test })
}

/// The decision once more, straight from the lines.
fn plainly(lines: &[&str], form: &QueryForm<'_>) -> bool {
    let pairs: BTreeMap<&str, &str> = form.parameters().iter().collect();
    let confused = |line: &&str| {
        let mut words = line.split(' ').skip(1);
        let (route, pattern) = words.next().and_then(|call| call.split_once(':')).unwrap();
        let (action, pattern) = (folded(form.action().as_str()), folded(pattern));
        let on_action = pattern.strip_suffix('*').map_or(action == pattern, |start| action.starts_with(start));
        let mut asked = words.map(|word| &word[..word.find(['=', '^', '!', '?']).unwrap()]);
        let is_other = |name: &str, asked: &str| name != asked && may_be_taken_for(name, asked);
        (route == "*" || route == ROUTE)
            && on_action
            && asked.any(|asked| pairs.keys().any(|name| is_other(name, asked)))
    };
    if lines.iter().any(confused) {
        return false;
    }
    let speaks = |line: &&&str| {
        let mut words = line.split(' ').skip(1);
        let (route, pattern) = words.next().and_then(|call| call.split_once(':')).unwrap();
        let spelled = |text: &str| if line.starts_with('d') { folded(text) } else { text.to_owned() };
        let (action, pattern) = (spelled(form.action().as_str()), spelled(pattern));
        let on_action = pattern.strip_suffix('*').map_or(action == pattern, |start| action.starts_with(start));
        (route == "*" || route == ROUTE)
            && on_action
            && words.all(|word| {
                let at = word.find(['=', '^', '!', '?']).unwrap();
                let (value, wanted) = (pairs.get(&word[..at]), &word[at + 1..]);
                match &word[at..=at] {
                    "=" => value == Some(&wanted),
                    "^" => value.is_some_and(|value| value.starts_with(wanted)),
                    "!" => value.is_none(),
                    _ => value.is_some(),
                }
            })
    };
    let speaking: Vec<&str> = lines.iter().filter(speaks).copied().collect();
    speaking.iter().any(|line| line.starts_with('a')) && !speaking.iter().any(|line| line.starts_with('d'))
}
