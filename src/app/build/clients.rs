//! The clients of a configuration, with their rules and rates.

use std::time::Duration;

use crate::authorize::{
    Client, Clients, Effect, Quota, RateLimit, RouteActionPattern, Rule, RuleId, RuleList, SeenRoutes,
};
use crate::config::settings;

/// The clients of a configuration. Their rates and quotas are counted over all workers, and continue those of the same
/// clients `before`.
pub(crate) fn clients(settings: &settings::Settings, before: Option<&Clients>) -> Clients {
    let known = |name: &settings::Name| before.and_then(|clients| clients.named(name.as_str()));
    let ahead = settings.rates.as_ref().map(|rates| rates.sharing.ahead);
    Clients::new(settings.clients.iter().map(|settings| client(settings, ahead, known(&settings.name))).collect())
}

/// Where replicas share the rate, `ahead` is the time for which tokens are leased.
fn client(client: &settings::Client, ahead: Option<Duration>, before: Option<&Client>) -> Client {
    let rate = client.rate.map(|rate| RateLimit::new(rate.calls, rate.period, rate.burst));
    let rate = rate.map(|rate| rate.tolerating(ahead.unwrap_or_default()));
    let rate = match before.and_then(|before| before.rate.as_ref()) {
        Some(before) => rate.map(|rate| rate.continuing(before)),
        None => rate,
    };
    let quota = client.quota.map(Quota::new);
    let quota = match before.and_then(|before| before.quota.as_ref()) {
        Some(before) => quota.map(|quota| quota.continuing(before)),
        None => quota,
    };
    let (name, identifiers) = (client.name.to_string(), client.identifiers.clone());
    let tenant = client.tenant.as_ref().map(ToString::to_string);
    let (rules, mode) = (rules(client), client.mode);
    Client { index: 0, name, tenant, identifiers, rules, mode, rate, quota, seen: SeenRoutes::default() }
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
