//! The clients of a configuration, with their rules and rates.

use crate::authorize::{Client, Clients, Effect, RateLimit, RouteActionPattern, Rule, RuleId, RuleList};
use crate::config::settings;

/// The clients of a configuration. Their rates are counted over all workers, and continue those of the same clients
/// `before`.
pub(crate) fn clients(settings: &settings::Settings, before: Option<&Clients>) -> Clients {
    let known = |name: &settings::Name| before.and_then(|clients| clients.named(name.as_str()));
    Clients::new(settings.clients.iter().map(|settings| client(settings, known(&settings.name))).collect())
}

fn client(client: &settings::Client, before: Option<&Client>) -> Client {
    let rate = client.rate.map(|rate| RateLimit::new(rate.calls, rate.period, rate.burst));
    let rate = match before.and_then(|before| before.rate.as_ref()) {
        Some(before) => rate.map(|rate| rate.continuing(before)),
        None => rate,
    };
    let (name, identifiers) = (client.name.to_string(), client.identifiers.clone());
    Client { index: 0, name, identifiers, rules: rules(client), mode: client.mode, rate }
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
        only: None,
    })
}
