//! What clients' rules speak of, compared with the dialects of the routes that they are for: no call there has a
//! parameter that the dialect drops, refuses or cannot have, and some operations are never passed on.

use crate::authorize::{ActionPattern, Effect, RouteActionPattern, Rule};
use crate::config::reading::report::Report;
use crate::config::reading::value::shown;
use crate::config::settings::{Client, Route};
use crate::config::tree::key_path::KeyPath;
use crate::query::reserved::{Reservation, reservation};
use crate::query::{Action, Vocabulary};

/// Reports each condition that could never decide, and each operation that is allowed in vain: once, for the first
/// route.
pub(crate) fn check(report: &Report<'_>, clients: &[Client], routes: &[Route]) {
    for client in clients {
        let path = KeyPath::of(["client", client.name.as_str()]);
        allowed_in_vain(report, &path.join("allow"), &client.allow, routes);
        for rule in &client.rules {
            let path = path.join("rule").item(rule.id.number.saturating_sub(1));
            if rule.effect == Effect::Allow {
                allowed_in_vain(report, &path.join("actions"), &rule.patterns, routes);
            }
            conditions(report, &path.join("when"), rule, routes);
        }
    }
}

fn conditions(report: &Report<'_>, path: &KeyPath, rule: &Rule, routes: &[Route]) {
    let is_for = |route: &&Route| rule.patterns.iter().any(|pattern| pattern.route.matches(route.name.as_str()));
    for (nth, condition) in rule.conditions.iter().enumerate() {
        let fault = |route: &Route| Some(on_route(&fault(&condition.parameter, names(route))?, route));
        if let Some(message) = routes.iter().filter(is_for).find_map(fault) {
            report.value(&path.item(nth).join("parameter"), message);
        }
    }
}

/// Reports operations that are named, and passed on by none of the routes.
fn allowed_in_vain(report: &Report<'_>, path: &KeyPath, patterns: &[RouteActionPattern], routes: &[Route]) {
    for (nth, RouteActionPattern { route: pattern, action }) in patterns.iter().enumerate() {
        let ActionPattern::Exact(name) = action else { continue };
        let Some(operation) = Action::parse(name) else { continue };
        let mut concerned = routes.iter().filter(|route| pattern.matches(route.name.as_str())).peekable();
        let Some(first) = concerned.peek().copied() else { continue };
        if concerned.all(|route| names(route).leaves_unsigned(&operation)) {
            let why = format!("endpoints answer {operation} without a look at the signature: it is never passed on");
            report.value(&path.item(nth), on_route(&why, first));
        }
    }
}

fn names(route: &Route) -> &'static Vocabulary {
    route.profile.signing.dialect().vocabulary()
}

fn on_route(why: &str, route: &Route) -> String {
    format!("{why} (route `{}`, {})", route.name, route.profile.signing.dialect().as_str())
}

/// Why no call whose dialect has this vocabulary can be judged by a parameter of this name.
fn fault(name: &str, vocabulary: &'static Vocabulary) -> Option<String> {
    let operation = vocabulary.operation;
    if name == operation {
        return Some(format!("the {operation} is chosen by `actions`: write \"route:{operation}\" there"));
    }
    let is_of_the_signature = |name: &str| reservation(name.as_bytes(), vocabulary) == Reservation::Authentication;
    match reservation(name.as_bytes(), vocabulary) {
        Reservation::Free if vocabulary.admits(name) => None,
        Reservation::Free => {
            Some(format!("{} is a name that no parameter of this dialect may have: no call has it", shown(name)))
        }
        Reservation::Disguised(reserved) if !is_of_the_signature(reserved) => Some(format!(
            "{} could be taken for {reserved}: a form with it is refused before rules are asked",
            shown(name)
        )),
        Reservation::Authentication | Reservation::Disguised(_) => Some(format!(
            "{} belongs to the signature: a client's own is dropped or refused before rules are asked",
            shown(name)
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::sample::{client, faults, settings, with_client};

    fn rule(actions: &str, parameter: &str) -> String {
        format!(
            "uid = 1\n[[client.a.rule]]\neffect = \"deny\"\nactions = [{actions}]\n\
             when = [{{ parameter = \"Zone\", absent = false }}, {{ parameter = \"{parameter}\", absent = true }}]\n"
        )
    }

    /// `LEAST`, with routes of other dialects beside `ie`.
    fn clouds(lines: &str) -> String {
        let route = |name: &str, dialect: &str| {
            format!(
                "[route.{name}]\nendpoint = \"https://{name}.example.com\"\npath = \"/{name}\"\n\
                 profile.dialect = \"{dialect}\"\n"
            )
        };
        let routes = [("stack", "cloudstack"), ("ali", "alibaba-rpc"), ("ten", "tencent-v1"), ("qing", "qingcloud")];
        let routes: String = routes.iter().map(|(name, dialect)| route(name, dialect)).collect();
        format!("{}{routes}", with_client(lines))
    }

    #[test]
    fn a_condition_asks_about_no_name_that_the_dialect_of_its_route_reserves() {
        for (actions, parameter, told) in [
            ("\"stack:list*\"", "command", "the command is chosen by `actions`"),
            ("\"stack:list*\"", "apikey", "`apikey` belongs to the signature"),
            ("\"stack:list*\"", "EXPIRES", "`EXPIRES` belongs to the signature"),
            ("\"stack:list*\"", "Response", "`Response` could be taken for response"),
            ("\"stack:list*\"", "a b", "`a b` is a name that no parameter of this dialect may have"),
            ("\"ali:Describe*\"", "AccessKeyId", "`AccessKeyId` belongs to the signature"),
            ("\"ali:Describe*\"", "BearerToken", "`BearerToken` belongs to the signature"),
            ("\"ten:Describe*\"", "Token", "`Token` belongs to the signature"),
            ("\"ten:Describe*\"", "a_b", "`a_b` is a name that no parameter of this dialect may have"),
            ("\"qing:Describe*\"", "action", "the action is chosen by `actions`"),
            ("\"qing:Describe*\"", "version", "`version` belongs to the signature"),
            ("\"ie:Get*\"", "Action", "the Action is chosen by `actions`"),
            ("\"ie:Get*\"", "timestamp", "`timestamp` belongs to the signature"),
            ("\"ie:Get*\"", "Command", "`Command` could be taken for Action"),
        ] {
            let found = faults(&clouds(&rule(actions, parameter)));
            let place = "f:15:63: client.a.rule[1].when[2].parameter: ";
            assert!(found.len() == 1 && found[0].starts_with(place) && found[0].contains(told), "{found:?}");
        }
        // a name is reserved where its dialect reserves it, and nowhere else
        for (actions, parameter) in [
            ("\"stack:list*\"", "Action"),
            ("\"stack:list*\"", "AccessKeyId"),
            ("\"stack:list*\"", "response"),
            ("\"ie:*\"", "AccessKeyId"),
            ("\"ie:*\"", "Token"),
            ("\"qing:*\"", "Action2"),
            ("\"ten:*\"", "SecurityToken"),
        ] {
            settings(&clouds(&rule(actions, parameter)));
        }
    }

    #[test]
    fn an_operation_that_is_never_passed_on_is_not_allowed_by_name() {
        let allow = |pattern: &str| clouds(&format!("uid = 1\nallow = [\"stack:list*\", \"{pattern}\"]\n"));
        let told = "endpoints answer login without a look at the signature: it is never passed on (route `stack`, \
                    cloudstack)";
        assert_eq!(faults(&allow("stack:login")), [format!("f:12:25: client.a.allow[2]: {told}")]);
        let rule = "uid = 1\n[[client.a.rule]]\neffect = \"allow\"\nactions = [\"stack:LOGIN\"]\n";
        let found = faults(&clouds(rule));
        assert!(found.len() == 1 && found[0].contains(" client.a.rule[1].actions[1]: "), "{found:?}");
        settings(&clouds(&rule.replace("allow", "deny")));
        for passed_on in ["stack:log*", "*:login", "ie:login", "stack:listUsers"] {
            settings(&allow(passed_on));
        }
    }

    #[test]
    fn a_rule_for_routes_of_several_dialects_is_compared_with_each_and_reported_once() {
        for (actions, parameter, route) in [
            ("\"ie:Get*\", \"ali:Describe*\"", "AccessKeyId", "(route `ali`, alibaba-rpc)"),
            ("\"*:*\"", "SecretId", "(route `ten`, tencent-v1)"),
            ("\"*:*\"", "Version", "(route `qing`, qingcloud)"),
        ] {
            let found = faults(&clouds(&rule(actions, parameter)));
            assert!(found.len() == 1 && found[0].ends_with(route), "{found:?}");
        }
        assert_eq!(client(&rule("\"*:*\"", "SecretId")).rules.len(), 1, "there is no such route");
    }
}
