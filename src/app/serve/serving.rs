//! What a proxy serves beside its workers, and what a reload replaces: the graph, the watchers of keys and files.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::error::StartError;
use super::key_reports;
use super::refresh::Refresher;
use crate::app::build::graph::Graph;
use crate::clock;
use crate::config::settings::Name;
use crate::credentials::{KeyWatcher, WatchedKey};
use crate::downstream::unix_socket::SocketPath;
use crate::error_chain::causes;

/// Everything outside the workers that changes with the configuration.
pub(crate) struct Serving {
    graphs: watch::Sender<Arc<Graph>>,
    /// By the names of the keys: one for each, so that they come and go with the configuration.
    keys: Mutex<BTreeMap<String, KeyWatcher>>,
    refresher: Mutex<Refresher>,
    /// Removed with their listeners.
    paths: Mutex<BTreeMap<Name, Vec<SocketPath>>>,
    served: Mutex<Served>,
    /// Receives a graph's generation from every worker that serves it.
    pub(crate) adopted: Mutex<Receiver<u64>>,
}

/// What is known of the configuration's file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served {
    /// The digest of the one that is served; `None` without a file.
    pub(crate) sha256: Option<String>,
    /// When the one that was read last was refused, if it was.
    pub(crate) refused_at: Option<Timestamp>,
}

impl Serving {
    /// Starts the threads that watch the keys, and the files of listeners.
    pub(crate) fn begin(
        graph: Arc<Graph>,
        keys: Vec<WatchedKey>,
        paths: BTreeMap<Name, Vec<SocketPath>>,
        adopted: Receiver<u64>,
    ) -> Result<Self, StartError> {
        let refresher = Refresher::start(&graph).map_err(StartError::Thread)?;
        graph.metrics.configuration.is_served(graph.generation(), None);
        let mut watchers = BTreeMap::new();
        for key in keys {
            let name = key.slot.name().to_owned();
            watchers.insert(name, key_reports::watch(&graph, vec![key]).map_err(StartError::Watch)?);
        }
        Ok(Self {
            graphs: watch::Sender::new(graph),
            keys: Mutex::new(watchers),
            refresher: Mutex::new(refresher),
            paths: Mutex::new(paths),
            served: Mutex::default(),
            adopted: Mutex::new(adopted),
        })
    }

    /// The graph that is served.
    pub(crate) fn current(&self) -> Arc<Graph> {
        Arc::clone(&self.graphs.borrow())
    }

    /// The graph that is served now and after each reload.
    pub(crate) fn graphs(&self) -> watch::Receiver<Arc<Graph>> {
        self.graphs.subscribe()
    }

    /// Notes that the configuration which was read last is served, as `graph`, from a file with this digest.
    pub(crate) fn note_served(&self, graph: &Graph, sha256: Option<&str>) {
        graph.metrics.configuration.is_served(graph.generation(), sha256);
        *lock(&self.served) = Served { sha256: sha256.map(str::to_owned), refused_at: None };
    }

    /// Notes that the configuration which was read last is refused, and that the one before is still served.
    pub(crate) fn note_refused(&self) {
        self.current().metrics.configuration.count_refusal();
        lock(&self.served).refused_at = Some(clock::now());
    }

    /// What is known of the configuration's file.
    pub(crate) fn served(&self) -> Served {
        lock(&self.served).clone()
    }

    /// Has every key store asked again, and listeners' certificates looked at.
    pub(crate) fn refresh(&self) {
        for watcher in lock(&self.keys).values() {
            watcher.poke();
        }
        lock(&self.refresher).poke();
    }

    /// Removes the sockets in the file system, at the end: threads that never end share this value, so it is never
    /// dropped.
    pub(crate) fn remove_sockets(&self) {
        lock(&self.paths).clear();
    }

    /// Has `graph` served, in which `keys` are new. May wait for a key store that is loading its key.
    pub(crate) fn adopt(&self, graph: &Arc<Graph>, keys: Vec<WatchedKey>) {
        self.graphs.send_replace(Arc::clone(graph));
        let mut watchers = lock(&self.keys);
        let is_new = |name: &str| keys.iter().any(|key| key.slot.name() == name);
        watchers.retain(|name, _| graph.keys().any(|slot| slot.name() == name) && !is_new(name));
        for key in keys {
            let name = key.slot.name().to_owned();
            match key_reports::watch(graph, vec![key]) {
                Ok(watcher) => drop(watchers.insert(name, watcher)),
                Err(error) => {
                    tracing::error!(key = name, error = causes(&error), "the key is in use and not refreshed");
                }
            }
        }
        match Refresher::start(graph) {
            Ok(refresher) => *lock(&self.refresher) = refresher,
            Err(error) => tracing::error!(%error, "certificates that are new are not refreshed"),
        }
        lock(&self.paths).retain(|name, _| graph.listeners.contains_key(name));
    }
}

/// A panic of a thread that held the lock leaves nothing inconsistent here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
