//! What a running proxy stands on beside its workers, and what a reload exchanges: the graph, the watchers of keys and files.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::graph::Graph;
use super::refresh::Refresher;
use super::running::StartError;
use crate::clock;
use crate::config::settings::Name;
use crate::credentials::{KeySlot, KeyWatcher, LoadError, RefreshOutcome, WatchError, WatchedKey};
use crate::downstream::unix_socket::SocketPath;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::LoadResult;
use crate::telemetry::record::causes;

/// The parts that change with the configuration.
pub(super) struct Standing {
    graphs: watch::Sender<Arc<Graph>>,
    /// One thread for each key: a store that hangs holds up no other.
    keys: Mutex<BTreeMap<String, KeyWatcher>>,
    refresher: Mutex<Option<Refresher>>,
    /// Removed with their listeners.
    paths: Mutex<Vec<(Name, SocketPath)>>,
    /// Hears of every worker that serves a graph.
    pub(super) adopted: Mutex<Receiver<u64>>,
}

impl Standing {
    /// Starts the threads that watch the keys, and the files of listeners.
    pub(super) fn begin(
        graph: Arc<Graph>,
        keys: Vec<WatchedKey>,
        paths: Vec<(Name, SocketPath)>,
        adopted: Receiver<u64>,
    ) -> Result<Self, StartError> {
        let refresher = Refresher::start(&graph).map_err(StartError::Thread)?;
        let mut watchers = BTreeMap::new();
        for key in keys {
            let name = key.slot.name().to_owned();
            watchers.insert(name, watch_key(&graph.metrics, key).map_err(StartError::Watch)?);
        }
        Ok(Self {
            graphs: watch::Sender::new(graph),
            keys: Mutex::new(watchers),
            refresher: Mutex::new(refresher),
            paths: Mutex::new(paths),
            adopted: Mutex::new(adopted),
        })
    }

    /// The graph that is served.
    pub(super) fn current(&self) -> Arc<Graph> {
        Arc::clone(&self.graphs.borrow())
    }

    /// The graph that is served, and those to come.
    pub(super) fn graphs(&self) -> watch::Receiver<Arc<Graph>> {
        self.graphs.subscribe()
    }

    /// Has every key store asked again, and listeners' certificates looked at.
    pub(super) fn refresh(&self) {
        for watcher in lock(&self.keys).values() {
            watcher.poke();
        }
        if let Some(refresher) = &*lock(&self.refresher) {
            refresher.poke();
        }
    }

    /// Has `graph` served, in which `keys` are new. May wait for a key store that is being asked.
    pub(super) fn adopt(&self, graph: &Arc<Graph>, keys: Vec<WatchedKey>) {
        self.graphs.send_replace(Arc::clone(graph));
        let mut watchers = lock(&self.keys);
        let is_new = |name: &str| keys.iter().any(|key| key.slot.name() == name);
        watchers.retain(|name, _| {
            let stays = graph.keys().iter().any(|slot| slot.name() == name) && !is_new(name);
            if !stays {
                graph.metrics.set_key_expiry(name, None);
            }
            stays
        });
        for key in keys {
            let name = key.slot.name().to_owned();
            match watch_key(&graph.metrics, key) {
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
        lock(&self.paths).retain(|(name, _)| graph.settings.listeners.iter().any(|listener| listener.name == *name));
    }
}

/// A panic while it was held left nothing half done that matters here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch_key(metrics: &Arc<Metrics>, key: WatchedKey) -> Result<KeyWatcher, WatchError> {
    publish_expiry(metrics, &key.slot);
    let metrics = Arc::clone(metrics);
    let watcher = KeyWatcher::start(vec![key], Box::new(move |slot, refreshed| report(&metrics, slot, refreshed)))?;
    if let Some(error) = watcher.blind() {
        tracing::warn!(error = causes(error), "key files are polled");
    }
    Ok(watcher)
}

fn report(metrics: &Metrics, slot: &KeySlot, refreshed: Result<RefreshOutcome, LoadError>) {
    let key = slot.name();
    let result = match refreshed {
        Ok(RefreshOutcome::Unchanged) => LoadResult::Unchanged,
        Ok(RefreshOutcome::Changed) => {
            let key_id = slot.current(clock::now()).map(|key| key.id().to_string()).ok();
            tracing::info!(key, key_id, "a changed key is in use");
            LoadResult::Changed
        }
        Err(error) => {
            tracing::warn!(key, error = causes(&error), "the key cannot be loaded; the last good one stays in use");
            LoadResult::Failed
        }
    };
    metrics.count_key_load(key, result);
    publish_expiry(metrics, slot);
}

fn publish_expiry(metrics: &Metrics, slot: &KeySlot) {
    if let Ok(key) = slot.current(clock::now()) {
        metrics.set_key_expiry(slot.name(), key.expiration().map(jiff::Timestamp::as_second));
    }
}
