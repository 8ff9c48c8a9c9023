//! Clients and callers, from the settings to the policy.

use std::sync::Arc;

use crate::authorize::{
    Callers, Client, Clients, Effect, Policy, RateLimit, RouteActionPattern, Rule, RuleId, RuleList,
};
use crate::config::settings;

/// The clients of a configuration. Their rates are counted over all workers, and continue those of the same clients
/// `before`.
pub(crate) fn clients(settings: &settings::Settings, before: Option<&Clients>) -> Clients {
    let known = |name: &settings::Name| before.and_then(|clients| clients.named(name.as_str()));
    Clients::new(settings.clients.iter().map(|settings| client(settings, known(&settings.name))).collect())
}

/// Who may call a listener.
pub(crate) fn callers(callers: &settings::Callers, clients: &Arc<Clients>) -> Callers {
    match callers {
        settings::Callers::AnyLocal => Callers::AnyLocal,
        settings::Callers::Clients(methods) => {
            Callers::Clients { methods: methods.clone(), clients: Arc::clone(clients) }
        }
    }
}

/// What decides about calls to a listener.
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
    let allow = listed(RuleList::Allow, Effect::Allow, &client.allow);
    let deny = listed(RuleList::Deny, Effect::Deny, &client.deny);
    allow.chain(deny).chain(client.rules.iter().cloned()).collect()
}

fn listed(list: RuleList, effect: Effect, patterns: &[RouteActionPattern]) -> impl Iterator<Item = Rule> {
    patterns.iter().enumerate().map(move |(index, pattern)| Rule {
        // people count from 1
        id: RuleId { list, number: index.saturating_add(1) },
        effect,
        patterns: vec![pattern.clone()],
        conditions: Vec::new(),
    })
}
