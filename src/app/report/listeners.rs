//! Listeners in the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::number;
use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::SharedListener;
use crate::authorize::Admission;
use crate::config::settings::Name;
use crate::downstream::ListenAddress;
use crate::status::{Listener, TokenKeys};

/// All listeners, by name.
pub(super) fn listeners(graph: &Graph, addresses: &BTreeMap<Name, Arc<[ListenAddress]>>) -> Vec<Listener> {
    graph
        .listeners
        .iter()
        .map(|(name, shared)| listener(shared, addresses.get(name).map_or(&[], |addresses| addresses)))
        .collect()
}

fn listener(shared: &SharedListener, addresses: &[ListenAddress]) -> Listener {
    let settings = &shared.settings;
    let all = shared.connections.all();
    Listener {
        name: settings.name.to_string(),
        address: match addresses {
            [] => settings.shown_addresses(),
            bound => bound.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        },
        tls: settings.tls.is_some(),
        authenticate: match &settings.callers {
            Admission::AnyLocal => vec!["any_local".to_owned()],
            Admission::Clients(methods) => methods.iter().map(|method| method.as_str().to_owned()).collect(),
        },
        token_keys: match (&shared.authentication.service_accounts, shared.awaits_keys()) {
            (None, _) => TokenKeys::NotNeeded,
            (Some(_), true) => TokenKeys::Awaited,
            (Some(_), false) => TokenKeys::Known,
        },
        connections: number(all.taken()),
        connections_limit: number(all.limit()),
    }
}
