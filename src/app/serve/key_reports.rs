//! How the loading of keys is reported: in the log, in metrics and in readiness.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::build::graph::Graph;
use crate::clock;
use crate::credentials::{
    ActiveKey, KeySlot, KeyUnavailable, KeyWatcher, LoadError, Protection, RefreshOutcome, Report, SigningError,
    WatchError, WatchedKey,
};
use crate::error_chain::causes;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::LoadResult;

/// Keeps `keys` fresh from now on.
pub(crate) fn watch(graph: &Graph, keys: Vec<WatchedKey>) -> Result<KeyWatcher, WatchError> {
    let metrics = Arc::clone(&graph.metrics);
    // those that have expired already were told of at the start
    let told = keys.iter().filter(|key| has_expired(&key.slot)).map(|key| key.slot.name().to_owned()).collect();
    let told = Mutex::new(told);
    let report: Report = Arc::new(move |slot, outcome| {
        report(&metrics, slot, outcome);
        tell_expiry(&told, slot);
    });
    let watcher = KeyWatcher::start(keys, &report, clock::now)?;
    if let Some(error) = watcher.blind() {
        tracing::warn!(error = causes(error), "key files are polled");
    }
    Ok(watcher)
}

/// Logs which key is in use, when it expires and how its memory is protected; warns when it may be swapped.
pub(crate) fn in_use(name: &str, key: &ActiveKey, message: &str) {
    let expires = key.expiration().map(|expiration| expiration.to_string());
    let memory = key.protection();
    tracing::info!(
        key = name,
        key_id = key.id().as_str(),
        expires,
        memory = memory.map(Protection::as_str),
        "{message}"
    );
    match memory {
        None | Some(Protection::MemfdSecret | Protection::Locked) => {}
        Some(Protection::Unlocked) => tracing::warn!(
            key = name,
            "the key is in memory that may be swapped. Either the limit of locked memory leaves no room \
             (RLIMIT_MEMLOCK; LimitMEMLOCK= of systemd, --ulimit memlock of container engines): 64 KiB are enough for \
             a few keys. Or a filter of system calls forbids mlock, as that of systemd-nspawn does"
        ),
    }
}

/// Why no request can be signed with a key; `None` when it is usable.
#[must_use]
pub(crate) fn unusable(slot: &KeySlot) -> Option<String> {
    let error = why_unusable(slot)?;
    Some(match slot.trouble() {
        Some(trouble) => format!("key.{}: {error}: {trouble}", slot.name()),
        None => format!("key.{}: {error}", slot.name()),
    })
}

/// The same without the key's name and its store's trouble.
#[must_use]
pub(crate) fn why_unusable(slot: &KeySlot) -> Option<String> {
    match slot.current(clock::now()) {
        Err(error) => Some(error.to_string()),
        Ok(key) => key.signing_key().is_away().then(|| SigningError::Away.to_string()),
    }
}

/// What is wrong with the store of a key that is still usable.
#[must_use]
pub(crate) fn degraded(slot: &KeySlot) -> Option<String> {
    let trouble = slot.trouble().filter(|_| unusable(slot).is_none())?;
    Some(format!("key.{}: the last good key is in use: {trouble}", slot.name()))
}

fn report(metrics: &Metrics, slot: &KeySlot, outcome: Result<RefreshOutcome, LoadError>) {
    let key = slot.name();
    let (result, trouble) = match outcome {
        Ok(RefreshOutcome::Unchanged) => (LoadResult::Unchanged, None),
        Ok(RefreshOutcome::Changed) => (LoadResult::Changed, None),
        Ok(RefreshOutcome::Waiting(waiting)) => (LoadResult::Waiting, Some(causes(&waiting))),
        Err(error) => (LoadResult::Failed, Some(causes(&error))),
    };
    // before the log tells: whoever reads it there may ask for readiness at once
    slot.set_trouble(trouble.clone());
    metrics.keys.count_load(key, result);
    match (&trouble, unusable(slot)) {
        (None, _) if result == LoadResult::Changed => {
            if let Ok(active) = slot.current(clock::now()) {
                in_use(key, &active, "a changed key is in use");
            }
        }
        (None, _) => {}
        (Some(error), None) if result == LoadResult::Waiting => {
            tracing::warn!(key, error, "the new key cannot be used yet; the last good one stays in use");
        }
        (Some(error), None) => {
            tracing::warn!(key, error, "the key cannot be loaded; the last good one stays in use");
        }
        (Some(error), Some(_)) => {
            tracing::error!(key, error, "there is no usable key: requests are answered with 503");
        }
    }
}

/// Logs once that a key has expired while it was served.
fn tell_expiry(told: &Mutex<BTreeSet<String>>, slot: &KeySlot) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if !has_expired(slot) {
        told.remove(slot.name());
    } else if told.insert(slot.name().to_owned()) {
        let expired_at = slot.expiration().map(|at| at.to_string());
        tracing::error!(
            key = slot.name(),
            expired_at,
            "the key has expired, and its store has no newer one: requests are answered with 503"
        );
    }
}

fn has_expired(slot: &KeySlot) -> bool {
    slot.check(clock::now()) == Err(KeyUnavailable::Expired)
}
