//! What `countersign check` builds of a configuration: all of it, or what can be built without its secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::findings::{Findings, Kind};
use super::online::{Call, Tried};
use super::rates::TriedStore;
use crate::app::Graph;
use crate::app::build::endpoint_calls::EndpointCalls;
use crate::app::build::probe::Probe;
use crate::app::build::shared_route::SharedRoute;
use crate::app::build::without_keys::{left_out, without_keys};
use crate::app::expiry::{Expiring, expiring};
use crate::app::serve::rehearsal::{Rehearsed, rehearse};
use crate::cli::exit::Failure;
use crate::cli::start_faults::{failure, startable_graph};
use crate::clock;
use crate::config::settings::{Name, Settings};
use crate::credentials::{ActiveKey, WatchedKey};
use crate::downstream::dates::Dates;
use crate::fetch::Upload;
use crate::upstream::Destination;

/// Why a probe is not sent.
const NO_PROBE: &str = "not sent, and the clock is not compared: the route has no `probe`";
const NO_KEYS: &str = "not sent, and the clock is not compared: keys are left out";
const NO_KEY: &str = "not sent: its key is not usable";

/// A configuration as far as it was built.
pub(super) enum Built {
    /// All of it.
    Whole(Box<Graph>, Vec<WatchedKey>),
    /// Everything but its keys, with the destinations of its endpoints by their tables.
    WithoutKeys(Box<Settings>, BTreeMap<String, Arc<Destination>>),
}

impl Built {
    /// Reads every file and tries every address.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn whole(settings: Settings) -> Result<(Self, Vec<Rehearsed>), Failure> {
        let (graph, keys) = startable_graph(settings)?;
        let settings = graph.settings();
        let rehearsed = rehearse(settings).map_err(|error| failure(&settings.places, &[], Some(&error)))?;
        Ok((Self::Whole(Box::new(graph), keys), rehearsed))
    }

    /// Reads every file that holds no secret and tries every address.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn without_keys(settings: Settings) -> Result<(Self, Vec<Rehearsed>), Failure> {
        match (without_keys(&settings), rehearse(&settings)) {
            (Ok(destinations), Ok(rehearsed)) => Ok((Self::WithoutKeys(Box::new(settings), destinations), rehearsed)),
            (built, rehearsed) => {
                let (build, start) = (built.err().unwrap_or_default(), rehearsed.err());
                Err(failure(&settings.places, &build, start.as_ref()))
            }
        }
    }

    /// The settings that it was built from.
    pub(super) fn settings(&self) -> &Settings {
        match self {
            Self::Whole(graph, _) => graph.settings(),
            Self::WithoutKeys(settings, _) => settings,
        }
    }

    /// The keys, if they were opened.
    pub(super) fn keys(&self) -> &[WatchedKey] {
        match self {
            Self::Whole(_, keys) => keys,
            Self::WithoutKeys(..) => &[],
        }
    }

    /// The keys and certificates that have to be renewed. Without keys nothing is known of them.
    pub(super) fn expiring(&self) -> Vec<Expiring> {
        match self {
            Self::Whole(graph, _) => expiring(graph, clock::now()),
            Self::WithoutKeys(..) => Vec::new(),
        }
    }

    /// When the certificate of a listener holds.
    pub(super) fn dates(&self, listener: &Name) -> Option<Arc<Dates>> {
        match self {
            Self::Whole(graph, _) => graph.listeners.get(listener)?.authentication.dates(),
            Self::WithoutKeys(..) => None,
        }
    }

    /// Tells what was not opened.
    pub(super) fn tell_what_is_left_out(&self, found: &mut Findings) {
        match self {
            Self::Whole(..) => {}
            Self::WithoutKeys(settings, _) => {
                let section = found.section(Kind::LeftOut, None, left_out(settings).join(", "));
                section.detail("these secrets were not opened: whether they are there and can be used is not known");
            }
        }
    }

    /// The collector of spans; `None` without its secret, which it might ask for.
    pub(super) fn collector(&self) -> Option<Arc<Upload>> {
        match self {
            Self::Whole(graph, _) => graph.spans.as_ref().map(|export| Arc::clone(&export.upload)),
            Self::WithoutKeys(..) => None,
        }
    }

    /// The store of rates; `None` without its password.
    pub(super) fn rate_store(&self) -> Option<TriedStore> {
        match self {
            Self::Whole(graph, _) => graph
                .rates
                .store
                .as_ref()
                .map(|store| TriedStore { server: store.server.clone(), settings: store.sharing.settings().clone() }),
            Self::WithoutKeys(..) => None,
        }
    }

    /// The endpoints of all routes as they are to be tried.
    pub(super) fn routes(&self) -> Vec<Tried> {
        match self {
            Self::Whole(graph, keys) => {
                let of_route = |route| SharedRoute::endpoints(route).map(move |endpoint| tried(route, endpoint, keys));
                graph.routes.values().flat_map(of_route).collect()
            }
            Self::WithoutKeys(_, destinations) => destinations
                .iter()
                .map(|(table, destination)| {
                    let call = Call::None(NO_KEYS);
                    Tried { table: table.clone(), destination: Arc::clone(destination), call }
                })
                .collect(),
        }
    }
}

fn tried(route: &SharedRoute, endpoint: &EndpointCalls, keys: &[WatchedKey]) -> Tried {
    let call = match Probe::of_one(route, endpoint) {
        None => Call::None(NO_PROBE),
        Some(probe) => {
            key_of(keys, route.key.name()).map_or(Call::None(NO_KEY), |key| Call::Probe(Box::new(probe), key))
        }
    };
    let table = format!("route.{}{}", route.settings.name, endpoint.place);
    Tried { table, destination: Arc::clone(&endpoint.destination), call }
}

/// The key of a slot. One that has to be proven first is not in its slot yet, and is loaded again.
fn key_of(keys: &[WatchedKey], name: &str) -> Option<Arc<ActiveKey>> {
    let key = keys.iter().find(|key| key.slot.name() == name)?;
    match key.slot.current(clock::now()) {
        Ok(current) => Some(current),
        Err(_) => key.store.load().ok().filter(|key| !key.is_expired(clock::now())).map(Arc::new),
    }
}
