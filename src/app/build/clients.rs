//! Clients and callers, from the words of the configuration to those of the policy.

use std::sync::Arc;

use crate::authorize::{
    ActionPattern, Callers, Client, Clients, Condition, Effect, Identifiers, Method, Mode, Policy, RateLimit,
    RouteActionPattern, RoutePattern, Rule, RuleId, RuleList, Test, TokenDigest,
};
use crate::config::settings;

/// The clients of a configuration. Their rates are counted over all that share the value, and go on from those `before` them.
#[must_use]
pub(crate) fn clients(settings: &settings::Settings, before: Option<&Clients>) -> Clients {
    let known = |name: &settings::Name| before.and_then(|clients| clients.named(name.as_str()));
    Clients::new(settings.clients.iter().map(|settings| client(settings, known(&settings.name))).collect())
}

/// Who may call a listener.
#[must_use]
pub(crate) fn callers(callers: &settings::Callers, clients: &Arc<Clients>) -> Callers {
    match callers {
        settings::Callers::AnyLocal => Callers::AnyLocal,
        settings::Callers::Clients(methods) => Callers::Clients {
            methods: methods.iter().map(|method| self::method(*method)).collect(),
            clients: Arc::clone(clients),
        },
    }
}

/// What decides on a listener.
#[must_use]
pub(crate) const fn policy(callers: &settings::Callers) -> Policy {
    match callers {
        settings::Callers::AnyLocal => Policy::AnyLocal,
        settings::Callers::Clients(_) => Policy::ByClient,
    }
}

const fn method(method: settings::Method) -> Method {
    match method {
        settings::Method::UnixPeer => Method::UnixPeer,
        settings::Method::LoopbackOwner => Method::LoopbackOwner,
        settings::Method::Mtls => Method::Mtls,
        settings::Method::BearerToken => Method::BearerToken,
        settings::Method::ServiceAccount => Method::ServiceAccount,
    }
}

fn client(client: &settings::Client, before: Option<&Client>) -> Client {
    let settings::Identifiers { uids, gids, spiffe_ids, dns_names, tokens, service_accounts } = &client.identifiers;
    let identifiers = Identifiers {
        uids: uids.clone(),
        gids: gids.clone(),
        spiffe_ids: spiffe_ids.clone(),
        dns_names: dns_names.clone(),
        tokens: tokens.iter().map(|digest| TokenDigest::new(digest.0)).collect(),
        service_accounts: service_accounts.clone(),
    };
    let mode = match client.mode {
        settings::Mode::Enforce => Mode::Enforce,
        settings::Mode::Record => Mode::Record,
    };
    let rate = client.rate.map(|rate| RateLimit::new(rate.calls, rate.period, rate.burst));
    let rate = match before.and_then(|before| before.rate.as_ref()) {
        Some(before) => rate.map(|rate| rate.continuing(before)),
        None => rate,
    };
    Client { name: client.name.to_string(), identifiers, rules: rules(client), mode, rate }
}

/// Every item of `allow` and `deny` is a rule of its own, so that audit and `explain` can name it.
fn rules(client: &settings::Client) -> Vec<Rule> {
    let listed = |list, effect| {
        move |(number, call): (usize, &settings::CallPattern)| Rule {
            id: RuleId { list, number },
            effect,
            patterns: vec![pattern(call)],
            conditions: Vec::new(),
        }
    };
    let allow = (1..).zip(&client.allow).map(listed(RuleList::Allow, Effect::Allow));
    let deny = (1..).zip(&client.deny).map(listed(RuleList::Deny, Effect::Deny));
    let rules = (1..).zip(&client.rules).map(|(number, rule)| Rule {
        id: RuleId { list: RuleList::Rule, number },
        effect: match rule.effect {
            settings::Effect::Allow => Effect::Allow,
            settings::Effect::Deny => Effect::Deny,
        },
        patterns: rule.actions.iter().map(pattern).collect(),
        conditions: rule.conditions.iter().map(condition).collect(),
    });
    allow.chain(deny).chain(rules).collect()
}

fn pattern(call: &settings::CallPattern) -> RouteActionPattern {
    let route = match &call.route {
        settings::RouteChoice::Any => RoutePattern::Any,
        settings::RouteChoice::Named(name) => RoutePattern::Named(name.to_string()),
    };
    RouteActionPattern { route, action: ActionPattern::new(&call.action) }
}

fn condition(condition: &settings::Condition) -> Condition {
    let test = match &condition.test {
        settings::Test::Equals(value) => Test::Equals(value.clone()),
        settings::Test::Prefix(start) => Test::Prefix(start.clone()),
        settings::Test::OneOf(values) => Test::OneOf(values.clone()),
        settings::Test::Absent => Test::Absent,
        settings::Test::Present => Test::Present,
    };
    Condition { parameter: condition.parameter.clone(), test }
}
