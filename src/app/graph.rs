//! What all workers share: settings, keys, TLS configurations, counters. Everything here can be proven without serving.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;

use super::clients;
use super::key_stores::key_store;
use super::listening::{self, ListenerError, SharedListener};
use super::probe::{Probe, Probes};
use crate::authorize::Clients;
use crate::config::settings::{self, Name, Settings};
use crate::credentials::{KeySlot, KeyStore, LoadError, LoadErrorKind, WatchedKey};
use crate::downstream::Capacity;
use crate::secret_file::directory_of;
use crate::telemetry::record::causes;
use crate::telemetry::{Metrics, RouteMetrics};
use crate::upstream::tls::{self, Roots, RootsError};
use crate::upstream::{Endpoint, Security};

/// The shared part of a running proxy.
pub struct Graph {
    pub(super) settings: Settings,
    pub(super) routes: Vec<SharedRoute>,
    pub(super) keys: Vec<Arc<KeySlot>>,
    pub(super) clients: Arc<Clients>,
    pub(super) listeners: Vec<SharedListener>,
    pub(super) connections: Vec<Capacity>,
    pub(super) metrics: Arc<Metrics>,
}

/// What the workers share of one route.
pub(super) struct SharedRoute {
    pub(super) key: Arc<KeySlot>,
    pub(super) endpoint: Endpoint,
    pub(super) in_flight: Capacity,
    pub(super) metrics: RouteMetrics,
}

/// Why settings cannot be brought to life.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A key cannot be had.
    #[error("key.{name}")]
    Key {
        /// The key's name.
        name: Name,
        /// Why not.
        source: LoadError,
    },
    /// A route's trusted roots cannot be used.
    #[error("route.{name}")]
    Roots {
        /// The route's name.
        name: Name,
        /// Why not.
        source: RootsError,
    },
    /// The endpoint's host is neither an address nor a name that a certificate can be for.
    #[error("route.{name}: the host of `endpoint` is not a DNS name or IP address that a certificate can be for")]
    HostName {
        /// The route's name.
        name: Name,
    },
    /// A listener cannot do what it is configured to.
    #[error("listener.{name}")]
    Listener {
        /// The listener's name.
        name: Name,
        /// Why not.
        source: Box<ListenerError>,
    },
    /// A route without its key: the configuration's reader lets none pass.
    #[error("route.{name}: its key is not configured")]
    NoKey {
        /// The route's name.
        name: Name,
    },
}

impl BuildError {
    /// What to do about it, as for a key store: permissions, availability, or the configuration itself.
    #[must_use]
    pub fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Key { source, .. } => source.kind(),
            Self::Listener { source, .. } if source.is_permissions() => LoadErrorKind::Permissions,
            Self::Roots { .. } | Self::HostName { .. } | Self::Listener { .. } | Self::NoKey { .. } => {
                LoadErrorKind::Invalid
            }
        }
    }
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
        let mut errors = Vec::new();
        let mut listeners = Vec::new();
        for listener in &settings.listeners {
            match listening::share(listener) {
                Ok(listener) => listeners.push(listener),
                Err(source) => {
                    errors.push(BuildError::Listener { name: listener.name.clone(), source: Box::new(source) });
                }
            }
        }
        let mut keys = Vec::new();
        for key in &settings.keys {
            let proof = required_proof(&settings, key);
            match load_key(key, credentials_directory, proof) {
                Ok(key) => keys.push(key),
                Err(source) => errors.push(BuildError::Key { name: key.name.clone(), source }),
            }
        }
        let metrics = Arc::new(Metrics::new());
        let slots: Vec<Arc<KeySlot>> = keys.iter().map(|key| Arc::clone(&key.slot)).collect();
        let mut routes = Vec::new();
        for route in &settings.routes {
            match share_route(route, &slots, &metrics) {
                Ok(route) => routes.push(route),
                // that a key which did not load is missing here too is no second fault
                Err(BuildError::NoKey { .. }) if !errors.is_empty() => {}
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        attach_probes(&settings, &routes, &mut keys);
        let connections = settings.listeners.iter().map(|l| Capacity::new(l.limits.connections)).collect();
        let clients = Arc::new(clients::clients(&settings));
        Ok((Self { settings, routes, keys: slots, clients, listeners, connections, metrics }, keys))
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

    /// Exchanges under way on all routes.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.routes.iter().map(|route| route.in_flight.taken()).sum()
    }
}

/// Whether a key has to be proven before it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RequiredProof {
    None,
    Probe,
}

fn required_proof(settings: &Settings, key: &settings::Key) -> RequiredProof {
    let probed = settings.routes.iter().any(|route| route.key == key.name && route.probe.is_some());
    if probed { RequiredProof::Probe } else { RequiredProof::None }
}

fn attach_probes(settings: &Settings, routes: &[SharedRoute], keys: &mut [WatchedKey]) {
    for key in keys {
        let routes = settings.routes.iter().zip(routes).filter(|(_, shared)| Arc::ptr_eq(&shared.key, &key.slot));
        let probes: Vec<_> = routes.filter_map(|(route, shared)| Probe::of(route, &shared.endpoint)).collect();
        if !probes.is_empty() {
            key.proof = Some(Box::new(Probes(probes)));
        }
    }
}

fn load_key(
    key: &settings::Key,
    credentials_directory: Option<&Path>,
    proof: RequiredProof,
) -> Result<WatchedKey, LoadError> {
    let store = key_store(key, credentials_directory)?;
    let slot = Arc::new(KeySlot::new(key.name.as_str()));
    let loaded = match proof {
        RequiredProof::None => slot.refresh(store.as_ref()).map(drop),
        // nothing is called before the process is confined: the key's own thread begins with the proof
        RequiredProof::Probe => store.load().map(drop),
    };
    match loaded {
        Ok(()) => {}
        Err(error) if error.kind() == LoadErrorKind::Unavailable && can_come(store.as_ref()) => {
            slot.set_trouble(Some(causes(&error)));
        }
        Err(error) => return Err(error),
    }
    Ok(WatchedKey { slot, store, proof: None })
}

/// Whether a key that is not there may be there later. A directory that is not there when the process confines itself cannot
/// be read afterwards.
fn can_come(store: &dyn KeyStore) -> bool {
    store.watched().iter().all(|file| directory_of(file).is_dir())
}

fn share_route(route: &settings::Route, keys: &[Arc<KeySlot>], metrics: &Metrics) -> Result<SharedRoute, BuildError> {
    let name = || route.name.clone();
    let key = keys.iter().find(|key| key.name() == route.key.as_str());
    let key = Arc::clone(key.ok_or_else(|| BuildError::NoKey { name: name() })?);
    let host = route.endpoint.bare_host().to_owned();
    let security = match &route.endpoint.transport {
        settings::Transport::Plaintext => Security::Plaintext,
        settings::Transport::Tls { trust } => {
            let config = client_config(trust).map_err(|source| BuildError::Roots { name: name(), source })?;
            Security::Tls(config, server_name(&host).ok_or_else(|| BuildError::HostName { name: name() })?)
        }
    };
    Ok(SharedRoute {
        key,
        endpoint: Endpoint { host, port: route.endpoint.port, security },
        in_flight: Capacity::new(route.limits.in_flight),
        metrics: metrics.route(route.name.as_str(), &route.known_actions),
    })
}

fn client_config(trust: &settings::Trust) -> Result<Arc<ClientConfig>, RootsError> {
    match trust {
        settings::Trust::Platform => tls::client_config(&Roots::Platform),
        settings::Trust::File(path) => tls::client_config(&Roots::File(path.clone())),
    }
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(host.to_owned()).ok(),
    }
}
