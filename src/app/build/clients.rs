//! Clients and callers, from the words of the configuration to those of the policy.

use std::sync::Arc;

use crate::authorize::{
    Callers, Client, Clients, Effect, Policy, RateLimit, RouteActionPattern, Rule, RuleId, RuleList,
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
        settings::Callers::Clients(methods) => {
            Callers::Clients { methods: methods.clone(), clients: Arc::clone(clients) }
        }
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

fn client(client: &settings::Client, before: Option<&Client>) -> Client {
    let rate = client.rate.map(|rate| RateLimit::new(rate.calls, rate.period, rate.burst));
    let rate = match before.and_then(|before| before.rate.as_ref()) {
        Some(before) => rate.map(|rate| rate.continuing(before)),
        None => rate,
    };
    let (name, identifiers) = (client.name.to_string(), client.identifiers.clone());
    Client { name, identifiers, rules: rules(client), mode: client.mode, rate }
}

/// Every item of `allow` and `deny` is a rule of its own, so that audit and `explain` can name it.
fn rules(client: &settings::Client) -> Vec<Rule> {
    let listed = |list, effect| {
        move |(number, pattern): (usize, &RouteActionPattern)| Rule {
            id: RuleId { list, number },
            effect,
            patterns: vec![pattern.clone()],
            conditions: Vec::new(),
        }
    };
    let allow = (1..).zip(&client.allow).map(listed(RuleList::Allow, Effect::Allow));
    let deny = (1..).zip(&client.deny).map(listed(RuleList::Deny, Effect::Deny));
    allow.chain(deny).chain(client.rules.iter().cloned()).collect()
}
