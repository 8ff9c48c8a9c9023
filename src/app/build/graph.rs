//! What all workers share: settings, routes, listeners, keys, clients, counters. It can be checked without serving.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::clients;
use super::destination::PlatformRoots;
use super::endpoint_calls::EndpointCalls;
use super::error::BuildError;
use super::issued_keys::issued_keys;
use super::proofs::{attach_conditions, prove};
use super::rate_store::{RateStore, rate_store};
use super::route_files::RouteFiles;
use super::shared_key::{AbsentKey, LoadedKeys, SharedKey};
use super::shared_listener::SharedListener;
use super::shared_route::{RouteParts, SharedRoute};
use super::shares::{Counters, HolderName};
use super::span_export::{SpanExport, upload};
use crate::app::capacity::client_connections;
use crate::app::confinement::route_files;
use crate::authorize::Clients;
use crate::config::settings::{Key, Name, RouteEndpoint, Settings};
use crate::credentials::{KeySlot, WatchedKey};
use crate::downstream::{ByteBudget, Capacity, Shares};
use crate::proxy::IssuedKeys;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ClientExchanges;

/// The shared part of a running proxy. Routes, listeners and keys have their own settings and are found by their names.
pub struct Graph {
    /// As read from the configuration. What serves uses the settings of the route, listener or key itself.
    pub(crate) settings: Settings,
    pub(crate) routes: BTreeMap<Name, SharedRoute>,
    pub(crate) listeners: BTreeMap<Name, SharedListener>,
    keys: BTreeMap<Name, SharedKey>,
    pub(crate) clients: Arc<Clients>,
    /// The keys that clients have.
    pub(crate) issued_keys: Arc<IssuedKeys>,
    /// Places for client connections, over all listeners.
    descriptors: Capacity,
    /// Each holder's share of `descriptors`.
    descriptor_shares: Vec<Capacity>,
    /// Who has shares. The number of a holder is its position here.
    holders: Vec<HolderName>,
    /// Memory for forms, over all routes, and each client's share of it.
    pub(crate) bodies: Shares<ByteBudget>,
    pub(crate) metrics: Arc<Metrics>,
    /// The store of rates, and the clients that share theirs.
    pub(crate) rates: RateStore,
    /// Where spans go, if they are exported.
    pub(crate) spans: Option<SpanExport>,
    /// How the exchanges of the holders ended, strangers excepted.
    pub(crate) client_exchanges: Arc<ClientExchanges>,
    platform: PlatformRoots,
    /// The files of routes, as they were looked at before they were read.
    pub(crate) route_files: RouteFiles,
    generation: u64,
}

impl Graph {
    /// Loads every key and every CA file. `credentials_directory` is systemd's `$CREDENTIALS_DIRECTORY`.
    ///
    /// A key that is only absent at the moment (a file that an agent has yet to write, a program that failed) is not an
    /// error: its slot is empty, and says why.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first thing.
    pub fn build(
        settings: Settings,
        credentials_directory: Option<&Path>,
    ) -> Result<(Self, Vec<WatchedKey>), Vec<BuildError>> {
        Self::build_after(settings, credentials_directory, None)
    }

    /// The successor of this graph. Whatever is configured as before is kept: keys, destinations, listeners'
    /// certificates, counters, the levels of rates. CA files are read again. The keys returned are those that are new.
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
        let route_files = RouteFiles::of(route_files(&settings));
        let mut errors = Vec::new();
        let descriptors =
            before.map_or_else(|| Capacity::new(client_connections(&settings)), |before| before.descriptors.clone());
        let known = before.map(|before| (before.holders.as_slice(), before.descriptor_shares.as_slice()));
        let shares = Counters::new(&settings, &descriptors, known);
        let listeners = listeners(&settings, &descriptors, &shares, before, &mut errors);
        let absent = before.map_or(AbsentKey::MayCome, |_| AbsentKey::IsAFault);
        let known = before.map(|before| &before.keys);
        let keys = LoadedKeys::load(&settings, credentials_directory, absent, known, &mut errors);
        let metrics = before.map_or_else(|| Arc::new(Metrics::new()), |before| Arc::clone(&before.metrics));
        let mut parts = RouteParts {
            keys: &keys.all,
            workers: settings.process.workers,
            metrics: &metrics,
            shares: &shares,
            platform: before.map(|before| before.platform.clone()).unwrap_or_default(),
        };
        let routes = routes(&settings, &mut parts, before, &mut errors);
        let platform = parts.platform;
        let issued_keys = issued_keys(&settings, &keys.all, &mut errors);
        let spans = spans(&settings, &shares, before, &mut errors);
        let known = before.map(|before| (&before.rates, &*before.clients));
        let rates = rate_store(&settings, known, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        if before.is_some() {
            attach_conditions(&routes, keys.new.iter().map(|key| &key.slot));
            prove(&keys.new)?;
        }
        attach_conditions(&routes, keys.all.values().map(|key| &key.slot));
        let limit = settings.process.bodies;
        let bodies = before.map(|before| &before.bodies);
        let all = bodies.map_or_else(|| ByteBudget::new(limit), |before| before.all().with_limit(limit));
        let bodies = shares.of_bodies(all, bodies);
        let (holders, descriptor_shares) = shares.into_parts();
        let before_them = before.map(|before| &*before.client_exchanges);
        let client_exchanges = ClientExchanges::of(holders.iter().filter_map(HolderName::caller), before_them);
        let graph = Self {
            routes,
            listeners,
            keys: keys.all,
            issued_keys: Arc::new(issued_keys),
            clients: Arc::new(clients::clients(&settings, before.map(|before| &*before.clients))),
            descriptors,
            descriptor_shares,
            holders,
            bodies,
            metrics,
            rates,
            spans,
            client_exchanges: Arc::new(client_exchanges),
            platform,
            route_files,
            generation: before.map_or(1, |before| before.generation.saturating_add(1)),
            settings,
        };
        Ok((graph, keys.new))
    }

    /// The settings the graph was built from.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The keys, in order of their names.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &KeySlot> {
        self.keys.values().map(|key| &*key.slot)
    }

    /// The keys with their settings, in order of their names.
    pub(crate) fn keys_with_settings(&self) -> impl Iterator<Item = (&Key, &KeySlot)> {
        self.keys.values().map(|key| (&key.settings, &*key.slot))
    }

    /// The endpoints that count as down, each with its reason.
    pub(crate) fn endpoints_down(&self) -> impl Iterator<Item = String> {
        self.endpoints().filter_map(|(settings, endpoint)| {
            let outage = endpoint.destination.breaker().outage()?;
            let table = settings.table();
            Some(format!("{table}: the endpoint is down: {outage}"))
        })
    }

    /// Every endpoint of every route, with its settings.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (RouteEndpoint<'_>, &EndpointCalls)> {
        self.routes.values().flat_map(|route| route.settings.endpoints().zip(route.endpoints()))
    }

    /// The routes whose endpoint's name cannot be looked up at the moment, while calls go on.
    pub(crate) fn names_lost(&self) -> impl Iterator<Item = String> {
        self.endpoints().filter_map(|(settings, endpoint)| {
            let age = endpoint.destination.serves_last_addresses()?.as_secs();
            let (table, next_hop) = (settings.table(), &settings.endpoint.next_hop);
            Some(format!(
                "{table}: the name in {next_hop} cannot be looked up: the addresses found {age} s ago are used"
            ))
        })
    }

    /// The routes whose endpoint's clock and this host's are apart.
    pub(crate) fn clocks_apart(&self) -> impl Iterator<Item = String> {
        self.endpoints().filter_map(|(settings, endpoint)| {
            let millis = endpoint.clock.disagreement()?;
            let table = settings.table();
            let seconds = millis.unsigned_abs() / 1000;
            let direction = if millis < 0 { "behind" } else { "ahead of" };
            Some(format!("{table}: the endpoint's clock is {seconds} s {direction} this host's: set this host's clock"))
        })
    }

    /// The number of the holder that stands for all clients of all listeners with `any_local = true`. Other listeners
    /// have no clients without a name, and do not use the number.
    pub(crate) fn unnamed(&self) -> usize {
        self.holders.iter().position(|holder| *holder == HolderName::AnyLocal).unwrap_or(self.holders.len())
    }

    /// The number of the holder that stands for strangers whose form may be signed with an issued key.
    pub(crate) fn strangers(&self) -> usize {
        self.holders.iter().position(|holder| *holder == HolderName::Strangers).unwrap_or(self.holders.len())
    }

    /// How many graphs have been served, this one included.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether endpoints can be verified against the platform's roots: they are read when a route first needs them.
    pub(crate) const fn has_platform_roots(&self) -> bool {
        self.platform.are_loaded()
    }
}

fn listeners(
    settings: &Settings,
    descriptors: &Capacity,
    shares: &Counters<'_>,
    before: Option<&Graph>,
    errors: &mut Vec<BuildError>,
) -> BTreeMap<Name, SharedListener> {
    let mut all = BTreeMap::new();
    for listener in &settings.listeners {
        let before = before.and_then(|before| before.listeners.get(&listener.name));
        match SharedListener::build(listener, descriptors, shares, before) {
            Ok(shared) => drop(all.insert(listener.name.clone(), shared)),
            Err(faults) => errors.extend(
                faults
                    .into_iter()
                    .map(|source| BuildError::Listener { name: listener.name.clone(), source: Box::new(source) }),
            ),
        }
    }
    all
}

fn spans(
    settings: &Settings,
    shares: &Counters<'_>,
    before: Option<&Graph>,
    errors: &mut Vec<BuildError>,
) -> Option<SpanExport> {
    let export = settings.trace.as_ref()?.export.as_ref()?;
    let before = before.and_then(|before| before.spans.as_ref());
    let places = shares.of_spans(export.settings.queue, before.map(|before| &*before.places));
    let upload = upload(export, before).map_err(|error| errors.push(error)).ok()?;
    Some(SpanExport { upload, places: Arc::new(places) })
}

fn routes(
    settings: &Settings,
    parts: &mut RouteParts<'_>,
    before: Option<&Graph>,
    errors: &mut Vec<BuildError>,
) -> BTreeMap<Name, SharedRoute> {
    let mut all = BTreeMap::new();
    for route in &settings.routes {
        let before = before.and_then(|before| before.routes.get(&route.name));
        match SharedRoute::build(route, parts, before) {
            Ok(shared) => drop(all.insert(route.name.clone(), shared)),
            // a key that did not load is missing here too, which is not a second fault
            Err(BuildError::NoKey { .. }) if !errors.is_empty() => {}
            Err(error) => errors.push(error),
        }
    }
    all
}
