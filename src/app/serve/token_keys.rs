//! The thread that fetches the keys of token issuers: at its start, every few minutes, and soon after a token names an
//! unknown key.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::downstream::JwksError;
use crate::downstream::service_account::Verifier;
use crate::downstream::tls::Reloaded;
use crate::error_chain::causes;
use crate::fetch::{FetchError, Source};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::LoadResult;
use crate::waits;

/// The time between two successful fetches. A key that was withdrawn is trusted that much longer.
const PERIOD: Duration = Duration::from_secs(300);

/// The pause after the first failure. It doubles with each further one, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The time from one fetch to the next that a token with an unknown key can cause. Whoever can reach the listener can
/// send such tokens, and must not decide how often the issuer is asked.
const COOLDOWN: Duration = Duration::from_secs(10);

/// A verifier, and where its keys come from.
pub(crate) struct FetchedKeys {
    pub(crate) listener: String,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) source: Arc<Source>,
    /// The URL, for the log.
    pub(crate) url: String,
}

/// Lets the thread be asked to fetch at once. It ends when this is dropped.
pub(crate) struct KeyFetcher {
    pokes: watch::Sender<()>,
}

/// Why the keys were not replaced.
#[derive(Debug, Error)]
enum KeysError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Document(#[from] JwksError),
}

impl KeyFetcher {
    /// Starts the thread, if there is anything to fetch.
    pub(crate) fn start(all: Vec<FetchedKeys>, metrics: &Arc<Metrics>) -> io::Result<Option<Self>> {
        if all.is_empty() {
            return Ok(None);
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let metrics = Arc::clone(metrics);
        let (pokes, poked) = watch::channel(());
        thread::Builder::new().name("token-keys".to_owned()).spawn(move || serve(&runtime, all, &metrics, &poked))?;
        Ok(Some(Self { pokes }))
    }

    /// Has everything fetched now.
    pub(crate) fn poke(&self) {
        self.pokes.send_replace(());
    }
}

fn serve(runtime: &Runtime, all: Vec<FetchedKeys>, metrics: &Arc<Metrics>, poked: &watch::Receiver<()>) {
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for keys in all {
            let (metrics, poked) = (Arc::clone(metrics), poked.clone());
            tasks.spawn(async move { keep(&keys, &metrics, poked).await });
        }
        // a fetch under way is cancelled too: it must not end after one of our successor and replace newer keys
        let mut end = poked.clone();
        while end.changed().await.is_ok() {}
        tasks.shutdown().await;
    });
}

async fn keep(keys: &FetchedKeys, metrics: &Metrics, mut poked: watch::Receiver<()>) {
    let mut failures = 0_u32;
    loop {
        let fetched = fetch(keys).await;
        failures = if fetched.is_ok() { 0 } else { failures.saturating_add(1) };
        report(keys, metrics, fetched);
        let missed = async {
            sleep(COOLDOWN).await;
            keys.verifier.missed().await;
        };
        select! {
            () = sleep(spread(pause(failures))) => {}
            () = missed => {}
            _poked_or_ending = poked.changed() => {}
        }
    }
}

async fn fetch(keys: &FetchedKeys) -> Result<Reloaded, KeysError> {
    let _wait = waits::begin(format!("the token keys of listener.{} ({})", keys.listener, keys.url));
    let document = keys.source.get().await?;
    Ok(keys.verifier.adopt(&document, &keys.url)?)
}

fn report(keys: &FetchedKeys, metrics: &Metrics, fetched: Result<Reloaded, KeysError>) {
    let FetchedKeys { listener, verifier, source: _, url } = keys;
    let result = match fetched {
        Ok(Reloaded::Unchanged) => LoadResult::Unchanged,
        Ok(Reloaded::Changed) => {
            tracing::info!(listener, url, "fetched token keys are in use");
            LoadResult::Changed
        }
        Err(error) => {
            let error = causes(&error);
            if verifier.has_keys() {
                tracing::warn!(listener, url, error, "token keys cannot be fetched; the last good ones stay in use");
            } else {
                tracing::warn!(listener, url, error, "token keys cannot be fetched; until they are, tokens get a 503");
            }
            LoadResult::Failed
        }
    };
    metrics.listeners.count_token_key_load(listener, result);
}

/// How long to wait for the next fetch after so many failures in a row.
fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => PERIOD,
        Some(doublings) => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE),
    }
}

/// 90 to 110 % of `pause`, so that processes that were started together do not ask together.
fn spread(pause: Duration) -> Duration {
    // seeded by the system; nothing depends on the quality of the randomness
    let share = f64::from(u16::try_from(RandomState::new().hash_one(()) % 1000).unwrap_or_default()) / 1000.0;
    pause.mul_f64(share.mul_add(0.2, 0.9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_after_each_failure_up_to_a_minute() {
        assert_eq!([0, 1, 2, 3, 6, 7, 8, u32::MAX].map(|n| pause(n).as_secs()), [300, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn fetches_of_many_processes_are_spread_around_the_period() {
        let all: Vec<_> = (0..1000).map(|_| spread(PERIOD).as_secs()).collect();
        assert!(all.iter().all(|seconds| (270..=330).contains(seconds)));
        assert!(all.iter().any(|seconds| *seconds != all[0]));
    }
}
