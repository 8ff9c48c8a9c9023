//! A client that shares its rate and its quota with the other replicas: the part that each call uses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, timeout_at};

use super::allowance::{Allowance, Found, Limit};
use super::forecast::Forecast;
use super::limits::{SharedLimits, Terms};
use super::state::{Health, StoreState, WhenUnavailable};

/// A call waits for the store no longer than this.
pub const LONGEST_WAIT: Duration = Duration::from_millis(5);
/// When a waiting call gives up. The runtime's timers end up to a millisecond late, never early.
const GIVE_UP_AFTER: Duration = Duration::from_millis(4);

/// A call that may not be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotNow {
    /// The client's rate over all replicas is exceeded.
    #[error("Rate exceeded")]
    Rate(Duration),
    /// The client's quota over all replicas is used.
    #[error("the quota of {0} calls a day is used")]
    Quota(u64, Duration),
    /// The store is away, and calls are refused meanwhile.
    #[error("the store of rates cannot be asked")]
    StoreAway,
}

/// What a call finds without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtOnce {
    /// It may be made.
    Taken,
    /// It may not.
    Refused(NotNow),
    /// The store may have a token: see [`SharedClient::wait`].
    Wait,
}

/// The queue of clients for which the store's thread has to ask. A client is in it at most once, so it cannot grow
/// beyond the number of clients.
pub(super) type Questions = UnboundedSender<Arc<SharedClient>>;

/// One client, its tokens, and the queue in which it waits to be asked for.
#[derive(Debug)]
pub struct SharedClient {
    /// The name of its key in the store.
    #[cfg_attr(not(feature = "valkey"), allow(dead_code))] // there is no store then
    pub(super) key: String,
    limits: SharedLimits,
    pub(super) terms: Terms,
    pub(super) allowance: Allowance,
    /// Only the store's thread takes this lock.
    #[cfg_attr(not(feature = "valkey"), allow(dead_code))]
    pub(super) forecast: Mutex<Forecast>,
    /// Wakes the calls that wait, when the store has replied.
    pub(super) answered: Notify,
    state: Arc<StoreState>,
    when_unavailable: WhenUnavailable,
    questions: Questions,
}

impl SharedClient {
    pub(super) fn new(
        key: String,
        limits: SharedLimits,
        ahead: Duration,
        (state, when_unavailable): (Arc<StoreState>, WhenUnavailable),
        questions: Questions,
    ) -> Self {
        let nanos = u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX);
        Self {
            key,
            limits,
            terms: limits.terms(ahead),
            allowance: Allowance::default(),
            forecast: Mutex::new(Forecast::new(nanos)),
            answered: Notify::new(),
            state,
            when_unavailable,
            questions,
        }
    }

    /// Its rate and quota.
    #[must_use]
    pub const fn limits(&self) -> SharedLimits {
        self.limits
    }

    /// The calls of this day over all replicas, as of the last answer of the store; `None` before the first one.
    #[must_use]
    pub fn used(&self) -> Option<u64> {
        self.allowance.used()
    }

    /// The calls of this day over all replicas, if the store has spoken of the day of `now`.
    #[must_use]
    pub fn used_today(&self, now: u64) -> Option<u64> {
        self.allowance.used_in_day_of(now).map(|(used, _)| used)
    }

    /// Why a call at `now` would be refused, if that is known. Takes no token.
    #[must_use]
    pub fn refusal(&self, now: u64) -> Option<NotNow> {
        let (limit, wait) = self.allowance.nothing_left(now)?;
        Some(match limit {
            Limit::Rate => NotNow::Rate(wait),
            Limit::Quota => NotNow::Quota(self.terms.quota, wait),
        })
    }

    /// Takes a token at `now`, if it is known whether there is one.
    pub fn try_take(self: &Arc<Self>, now: u64) -> AtOnce {
        match self.allowance.take(now) {
            Found::Token => AtOnce::Taken,
            Found::LastTokens => {
                self.ask();
                AtOnce::Taken
            }
            // while nobody answers, what was said last is not known to hold any more
            Found::Nothing(..) | Found::Unknown if self.state.health() != Health::Up => {
                self.without_store(now).map_or_else(AtOnce::Refused, |()| AtOnce::Taken)
            }
            Found::Nothing(Limit::Rate, wait) => AtOnce::Refused(NotNow::Rate(wait)),
            Found::Nothing(Limit::Quota, wait) => AtOnce::Refused(NotNow::Quota(self.terms.quota, wait)),
            Found::Unknown => AtOnce::Wait,
        }
    }

    /// Waits for the store to lease a token, at most [`LONGEST_WAIT`]. `now` reads the clock of [`Self::try_take`].
    ///
    /// # Errors
    /// [`NotNow`].
    pub async fn wait(self: &Arc<Self>, now: impl Fn() -> u64) -> Result<(), NotNow> {
        let begun = Instant::now();
        let until = begun.checked_add(GIVE_UP_AFTER).unwrap_or(begun);
        let _waiting = self.allowance.wait();
        self.state.count_wait();
        let mut is_answered = false;
        loop {
            // listens before it asks, so that no answer is missed
            let answered = self.answered.notified();
            if self.allowance.begin_asking() {
                self.ask();
            }
            if timeout_at(until, answered).await.is_err() {
                // if the store answers and this client's other calls take the tokens, calls of other clients wait on
                if !is_answered {
                    self.state.is_late();
                }
                return self.without_store(now());
            }
            is_answered = true;
            match self.try_take(now()) {
                AtOnce::Taken => return Ok(()),
                AtOnce::Refused(why) => return Err(why),
                AtOnce::Wait => {}
            }
        }
    }

    /// Gives back the token of a call that is refused for another reason.
    pub fn put_back(&self) {
        self.allowance.put_back();
    }

    /// Decides without a token: the limits of this process have let the call pass.
    fn without_store(&self, now: u64) -> Result<(), NotNow> {
        if let Some(wait) = self.allowance.used_up_for(self.terms.quota, now) {
            return Err(NotNow::Quota(self.terms.quota, wait));
        }
        match self.when_unavailable {
            WhenUnavailable::Local => {
                self.allowance.owe();
                Ok(())
            }
            WhenUnavailable::Refuse => Err(NotNow::StoreAway),
        }
    }

    /// Has the store asked. The caller has begun to ask.
    fn ask(self: &Arc<Self>) {
        if self.questions.send(Arc::clone(self)).is_err() {
            // the process ends
            self.allowance.end_asking();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;
    use tokio::sync::mpsc;
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::sleep;

    use super::*;

    /// What the store counts as when a call has waited in vain, and it has answered every so often meanwhile.
    fn health_after_a_wait(answers: Option<Duration>) -> Health {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (questions, _inbox) = mpsc::unbounded_channel();
            let state = Arc::new(StoreState::default());
            state.answered(Duration::ZERO);
            let limits = SharedLimits { rate: None, quota: Some(5) };
            let how = (Arc::clone(&state), WhenUnavailable::Refuse);
            let client =
                Arc::new(SharedClient::new("k".to_owned(), limits, Duration::from_millis(100), how, questions));
            let store = Arc::clone(&client);
            if let Some(pause) = answers {
                spawn_local(async move {
                    loop {
                        sleep(pause).await;
                        store.allowance.end_asking();
                        store.answered.notify_waiters();
                    }
                });
            }
            // not at the beginning of a millisecond of the runtime's timers
            sleep(Duration::from_millis(3)).await;
            tokio::time::advance(Duration::from_micros(1)).await;
            let begun = Instant::now();
            assert_eq!(client.wait(|| 0).await, Err(NotNow::StoreAway));
            assert!(begun.elapsed() <= LONGEST_WAIT, "{:?}", begun.elapsed());
            state.health()
        })
    }

    #[test]
    fn a_client_whose_own_calls_take_its_tokens_does_not_have_the_store_count_as_late_for_others() {
        assert_eq!(health_after_a_wait(Some(Duration::from_millis(2))), Health::Up);
        assert_eq!(health_after_a_wait(None), Health::Late);
    }
}
