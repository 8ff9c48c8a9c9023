//! What all workers share: settings, keys, TLS configurations, counters. Everything here can be proven without serving.

use std::path::Path;
use std::sync::Arc;

use super::clients;
use super::destination::PlatformRoots;
use super::error::BuildError;
use super::keys::{Missing, attach_probes, keys, prove};
use super::shared_listener::{self, ListenerError, SharedListener};
use super::shared_route::{SharedRoute, share_route};
use crate::app::capacity::client_connections;
use crate::authorize::Clients;
use crate::config::settings::{self, Name, Settings};
use crate::credentials::{KeySlot, WatchedKey};
use crate::downstream::{ByteBudget, Capacity};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{EndpointState, Snapshot};

/// The shared part of a running proxy.
pub struct Graph {
    pub(crate) settings: Settings,
    pub(crate) routes: Vec<SharedRoute>,
    pub(crate) keys: Vec<Arc<KeySlot>>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) listeners: Vec<Arc<SharedListener>>,
    pub(crate) connections: Vec<Capacity>,
    /// Places for client connections, over all listeners.
    descriptors: Capacity,
    /// Memory for forms, over all routes.
    pub(crate) bodies: ByteBudget,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) platform: PlatformRoots,
    /// How many graphs have been served, this one included.
    pub(crate) generation: u64,
    /// Exchanges of routes that are configured no more.
    of_removed_routes: Vec<Capacity>,
}

impl Graph {
    /// Loads every key and every CA file. `credentials_directory` is systemd's `$CREDENTIALS_DIRECTORY`.
    ///
    /// A key that is only not there just now (a file that an agent has yet to write, a program that failed) is none of the
    /// errors: its slot is empty, and says why.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first thing.
    pub fn build(
        settings: Settings,
        credentials_directory: Option<&Path>,
    ) -> Result<(Self, Vec<WatchedKey>), Vec<BuildError>> {
        Self::build_after(settings, credentials_directory, None)
    }

    /// The successor of this graph. What is configured as it was goes on: keys, destinations, listeners' certificates, counters,
    /// the levels of rates. CA files are read again. The keys returned are those that are new.
    ///
    /// # Errors
    /// As for [`Self::build`].
    pub fn succeed(
        &self,
        settings: Settings,
        credentials_directory: Option<&Path>,
    ) -> Result<(Self, Vec<WatchedKey>), Vec<BuildError>> {
        Self::build_after(settings, credentials_directory, Some(self))
    }

    fn build_after(
        settings: Settings,
        credentials_directory: Option<&Path>,
        before: Option<&Self>,
    ) -> Result<(Self, Vec<WatchedKey>), Vec<BuildError>> {
        let mut errors = Vec::new();
        let mut listeners = Vec::new();
        for listener in &settings.listeners {
            match share_listener(listener, before) {
                Ok(listener) => listeners.push(listener),
                Err(source) => {
                    errors.push(BuildError::Listener { name: listener.name.clone(), source });
                }
            }
        }
        let missing = before.map_or(Missing::MayCome, |_| Missing::Fault);
        let known = |key: &settings::Key| before.and_then(|before| before.same_key(key));
        let (keys, new_keys) = keys(&settings, credentials_directory, missing, known, &mut errors);
        let metrics = before.map_or_else(|| Arc::new(Metrics::new()), |before| Arc::clone(&before.metrics));
        let mut platform = before.map(|before| before.platform.clone()).unwrap_or_default();
        let mut routes = Vec::new();
        for route in &settings.routes {
            let before = before.and_then(|before| before.route(&route.name));
            match share_route(route, &keys, &metrics, &mut platform, before) {
                Ok(route) => routes.push(route),
                // that a key which did not load is missing here too is no second fault
                Err(BuildError::NoKey { .. }) if !errors.is_empty() => {}
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if before.is_some() {
            attach_probes(&settings, &routes, new_keys.iter().map(|key| &key.slot));
            prove(&new_keys)?;
        }
        attach_probes(&settings, &routes, &keys);
        let descriptors =
            before.map_or_else(|| Capacity::new(client_connections()), |before| before.descriptors.clone());
        let connections =
            settings.listeners.iter().map(|listener| connections(listener, &descriptors, before)).collect();
        let bodies = settings.process.bodies;
        let bodies = before.map_or_else(|| ByteBudget::new(bodies), |before| before.bodies.with_limit(bodies));
        let clients = Arc::new(clients::clients(&settings, before.map(|before| &*before.clients)));
        let generation = before.map_or(1, |before| before.generation.saturating_add(1));
        let of_removed_routes = before.map(|before| before.removed_in(&settings)).unwrap_or_default();
        let graph = Self {
            settings,
            routes,
            keys,
            clients,
            listeners,
            connections,
            descriptors,
            bodies,
            metrics,
            platform,
            generation,
            of_removed_routes,
        };
        Ok((graph, new_keys))
    }

    /// The settings the graph was built from.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The keys, in the order of the settings.
    #[must_use]
    pub fn keys(&self) -> &[Arc<KeySlot>] {
        &self.keys
    }

    /// The clients that the configuration names.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The endpoints that count as down, each with its reason.
    pub(crate) fn endpoints_down(&self) -> impl Iterator<Item = String> {
        let outages = self.settings.routes.iter().zip(&self.routes);
        outages.filter_map(|(route, shared)| {
            shared
                .destination
                .breaker
                .outage()
                .map(|outage| format!("route.{}: the endpoint is down: {outage}", route.name))
        })
    }

    /// What metrics show as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        let listeners = self.settings.listeners.iter().zip(&self.connections);
        let endpoints = self.settings.routes.iter().zip(&self.routes).map(|(route, shared)| {
            let breaker = &shared.destination.breaker;
            let (down, outages) = (u8::from(breaker.outage().is_some()), breaker.outages());
            EndpointState { route: route.name.as_str(), down, outages }
        });
        Snapshot {
            connections: listeners.map(|(listener, places)| (listener.name.as_str(), places.taken())).collect(),
            endpoints: endpoints.collect(),
            bodies_held: self.bodies.used(),
        }
    }

    /// Exchanges under way on all routes.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let routes = self.routes.iter().map(|route| &route.in_flight);
        routes.chain(&self.of_removed_routes).map(Capacity::taken).sum()
    }

    /// How many graphs have been served, this one included.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Each listener with what the workers share of it.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = (&settings::Listener, &Arc<SharedListener>)> {
        self.settings.listeners.iter().zip(&self.listeners)
    }

    /// The places for connections of a listener.
    pub(crate) fn places(&self, listener: &Name) -> Capacity {
        let mut all = self.settings.listeners.iter().zip(&self.connections);
        // a listener that is not configured has none
        all.find(|(known, _)| known.name == *listener).map_or_else(|| Capacity::new(0), |(_, places)| places.clone())
    }

    fn route(&self, name: &Name) -> Option<&SharedRoute> {
        self.settings.routes.iter().zip(&self.routes).find(|(route, _)| route.name == *name).map(|(_, shared)| shared)
    }

    /// The slot of a key that is configured as it was; it is watched already.
    fn same_key(&self, key: &settings::Key) -> Option<Arc<KeySlot>> {
        self.settings.keys.iter().zip(&self.keys).find(|(known, _)| *known == key).map(|(_, slot)| Arc::clone(slot))
    }

    /// What is counted of routes that `settings` does not have, and is not over.
    fn removed_in(&self, settings: &Settings) -> Vec<Capacity> {
        let stays = |name: &Name| settings.routes.iter().any(|route| route.name == *name);
        let removed = self.settings.routes.iter().zip(&self.routes).filter(|(route, _)| !stays(&route.name));
        let all = removed.map(|(_, shared)| &shared.in_flight).chain(&self.of_removed_routes);
        all.filter(|in_flight| in_flight.taken() > 0).cloned().collect()
    }
}

/// Certificates and token keys, those there were when they are configured as they were: their own watcher keeps them fresh.
fn share_listener(
    listener: &settings::Listener,
    before: Option<&Graph>,
) -> Result<Arc<SharedListener>, Box<ListenerError>> {
    let known = before.into_iter().flat_map(|before| before.settings.listeners.iter().zip(&before.listeners));
    match known.into_iter().find(|(known, _)| shared_listener::share_alike(known, listener)) {
        Some((_, shared)) => Ok(Arc::clone(shared)),
        None => shared_listener::share(listener).map(Arc::new).map_err(Box::new),
    }
}

fn connections(listener: &settings::Listener, descriptors: &Capacity, before: Option<&Graph>) -> Capacity {
    let limit = listener.limits.connections;
    let mut known = before.into_iter().flat_map(|before| before.settings.listeners.iter().zip(&before.connections));
    let known = known.find(|(known, _)| known.name == listener.name);
    known.map_or_else(|| Capacity::new(limit).within(descriptors), |(_, places)| places.with_limit(limit))
}
