//! Clients in the report.

use super::number;
use super::window::Recent;
use crate::app::build::graph::Graph;
use crate::app::build::shares::{Holder, holders};
use crate::authorize;
use crate::clock;
use crate::config::settings;
use crate::proxy::SharedLimit;
use crate::status::{Client, ClientKind, Mode, Quota, RateLimit, Share};

/// All clients, by name; then those without a name.
pub(super) fn clients(graph: &Graph, recent: &Recent) -> Vec<Client> {
    let holders = holders(&graph.settings);
    holders.iter().enumerate().filter_map(|(index, holder)| client(graph, recent, index, holder)).collect()
}

fn client(graph: &Graph, recent: &Recent, index: usize, holder: &Holder<'_>) -> Option<Client> {
    let (name, tenant, kind, mode, rate) = match holder {
        Holder::Client(client) => {
            (client.name.as_str(), client.tenant.as_ref(), ClientKind::Client, client.mode, client.rate)
        }
        Holder::AnyLocal => ("any-local", None, ClientKind::AnyLocal, authorize::Mode::Enforce, None),
        // each is refused or becomes a client
        Holder::Strangers => return None,
    };
    Some(Client {
        name: name.to_owned(),
        tenant: tenant.map(ToString::to_string),
        kind,
        mode: match mode {
            authorize::Mode::Enforce => Mode::Enforce,
            authorize::Mode::Record => Mode::Record,
        },
        exchanges: recent.client_exchanges(name),
        traffic: recent.client_traffic(name),
        rate_limit: rate.map(rate_limit),
        quota: quota(graph, name),
        share: fullest_share(graph, index),
        over_share: graph.metrics.shares.counted(name, &SharedLimit::ALL.map(SharedLimit::as_str)),
    })
}

fn rate_limit(rate: settings::Rate) -> RateLimit {
    let settings::Rate { calls, period, burst } = rate;
    RateLimit { calls: calls.into(), period_seconds: period.as_secs(), burst: burst.into() }
}

fn quota(graph: &Graph, name: &str) -> Option<Quota> {
    let client = graph.clients.named(name)?;
    let used = graph.rates.used(client, clock::now().as_second())?;
    Some(Quota { calls: client.quota.as_ref()?.calls(), used, shared: graph.rates.store.is_some() })
}

/// The share of which the holder uses the largest part; that of a route's exchanges if it uses none.
fn fullest_share(graph: &Graph, holder: usize) -> Option<Share> {
    let routes = graph.routes.iter().map(|(name, route)| {
        let setting = format!("route.{name}.limits.in_flight");
        (setting, route.in_flight.known(holder), route.in_flight.all().limit())
    });
    let listeners = graph.listeners.iter().map(|(name, listener)| {
        let setting = format!("listener.{name}.limits.connections");
        (setting, listener.connections.known(holder), listener.connections.all().limit())
    });
    let places = routes.chain(listeners).filter_map(|(setting, share, limit)| {
        let share = share?;
        Some(Share { setting, used: number(share.taken()), share: number(share.limit()), limit: number(limit) })
    });
    let bodies = graph.bodies.known(holder).map(|share| Share {
        setting: "process.bodies".to_owned(),
        used: number(share.used()),
        share: number(share.limit()),
        limit: number(graph.bodies.all().limit()),
    });
    // a share of nothing is of a limit that the client never comes to
    let all = places.chain(bodies).filter(|share| share.share > 0);
    all.reduce(|fullest, share| if fuller(&share, &fullest) { share } else { fullest })
}

/// Whether a larger part of `one` is used.
fn fuller(one: &Share, other: &Share) -> bool {
    let product = |used: u64, of: u64| u128::from(used).saturating_mul(u128::from(of));
    product(one.used, other.share) > product(other.used, one.share)
}
