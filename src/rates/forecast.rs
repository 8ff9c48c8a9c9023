//! Decides how many tokens a replica leases, so that its calls find one until it asks again, and which it gives back.
//!
//! The thread of the store has one of these for each client. It is pure: time is an argument.

use super::allowance::{Allowance, Limit, Needs};
use super::limits::{Terms, saturated};

/// The store is asked again after so long, even if it said that a token comes later: another replica may have given
/// some back, and a store that lies must not silence a client for long. In nanoseconds.
const LONGEST_SILENCE: u64 = 1_000_000_000;

/// A client that has not called for so long has no tokens in reserve. In nanoseconds.
const KEEP_RESERVE: u64 = 10_000_000_000;

/// What the store is asked for one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    /// Tokens wanted.
    pub(super) wanted: u32,
    /// Tokens given back.
    pub(super) returned: u32,
    /// Calls made without a token.
    pub(super) owed: u32,
}

impl Question {
    /// Whether there is nothing to ask.
    pub(super) const fn is_empty(self) -> bool {
        self.wanted == 0 && self.returned == 0 && self.owed == 0
    }
}

/// The reply of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// Tokens granted, not more than were wanted.
    pub(super) granted: u32,
    /// Tokens that it has left.
    pub(super) left: u64,
    /// Microseconds until it has the next one.
    pub(super) wait: u64,
    /// Calls of this day.
    pub(super) used: u64,
    /// Milliseconds that are left of this day.
    pub(super) day_left: u64,
}

/// The recent calls of one client at this replica.
#[derive(Debug)]
pub(super) struct Forecast {
    /// For how long tokens are leased, in nanoseconds.
    ahead: u64,
    /// Calls in a second, as of `asked_at`.
    per_second: f64,
    asked_at: u64,
    called_at: u64,
    /// Tokens in hand after the last question.
    tokens: u32,
    /// The number of the connection on which the store was asked last.
    connection: u32,
}

impl Forecast {
    /// Without any call yet. `ahead` is in nanoseconds.
    pub(super) fn new(ahead: u64) -> Self {
        Self { ahead, per_second: 0.0, asked_at: 0, called_at: 0, tokens: 0, connection: 0 }
    }

    /// What to ask the store at `now`. `replicas` is the number of replicas that share the rate; 0 if it is not known.
    pub(super) fn question(&mut self, allowance: &Allowance, terms: Terms, replicas: u32, now: u64) -> Question {
        let Needs { tokens, missed, waiting } = allowance.read_needs();
        let used = self.tokens.saturating_sub(tokens).saturating_add(missed);
        self.count(used, now);
        let need = self.tokens_for(self.per_second).min(terms.bucket());
        let reserve = self.reserve(terms, replicas, now);
        let target = need.max(reserve).saturating_add(waiting);
        let returned = allowance.take_out(tokens.saturating_sub(target));
        let wanted = if returned > 0 { 0 } else { target.saturating_sub(tokens) };
        // half of them are for the calls that come before the reply; to ask for each token costs a question a call
        allowance.ask_below(need.max(reserve).div_ceil(2));
        self.tokens = tokens.saturating_sub(returned);
        Question { wanted, returned, owed: allowance.take_owed() }
    }

    /// Whether the store was asked on this connection before. What was called before it was there is an outage's, in
    /// which the rates of replicas were their own.
    pub(super) const fn is_known_on(&mut self, connection: u32) -> bool {
        let is_known = self.connection == connection;
        self.connection = connection;
        is_known
    }

    /// Uses the reply to a question.
    pub(super) fn heard(&mut self, allowance: &Allowance, terms: Terms, asked: Question, reply: Reply, now: u64) {
        allowance.note_used(reply.used, now.saturating_add(reply.day_left.saturating_mul(1_000_000)));
        allowance.add(reply.granted);
        self.tokens = self.tokens.saturating_add(reply.granted);
        if reply.granted >= asked.wanted {
            allowance.may_ask();
            return;
        }
        let is_quota = terms.quota > 0 && reply.used >= terms.quota;
        let (limit, wait) = if is_quota {
            (Limit::Quota, reply.day_left.saturating_mul(1_000_000))
        } else {
            // a store that lies must not have clients told to wait for years
            (Limit::Rate, reply.wait.min(terms.longest_wait()).saturating_mul(1000))
        };
        let silence = wait.max(self.ahead / 2).min(LONGEST_SILENCE);
        allowance.nothing_until(now.saturating_add(silence), now.saturating_add(wait), limit);
    }

    /// Whether there is something to give back or to settle although nobody asks.
    pub(super) fn has_news(&self, allowance: &Allowance, terms: Terms, replicas: u32, now: u64) -> bool {
        let elapsed = now.saturating_sub(self.asked_at);
        let tokens = allowance.tokens();
        let rate = self.rate_with(self.tokens.saturating_sub(tokens), elapsed);
        let kept = self.tokens_for(rate).max(self.reserve(terms, replicas, now));
        // within the time of the lease, tokens that are not used yet are no surplus
        allowance.is_owing() || (elapsed >= self.ahead && tokens > kept)
    }

    /// Whether there is nothing to settle before the client's next question.
    pub(super) fn is_over(&self, allowance: &Allowance) -> bool {
        allowance.tokens() == 0 && !allowance.is_owing()
    }

    fn count(&mut self, used: u32, now: u64) {
        self.per_second = self.rate_with(used, now.saturating_sub(self.asked_at));
        self.asked_at = now;
        if used > 0 {
            self.called_at = now;
        }
    }

    /// Calls in a second: those of the last lease and those since then, over the time of both.
    fn rate_with(&self, used: u32, elapsed: u64) -> f64 {
        let ahead = seconds(self.ahead);
        (self.per_second * ahead + f64::from(used)) / (ahead + seconds(elapsed))
    }

    /// The tokens for the calls of a lease at this rate. Less than a fifth of a call is not worth a token that another
    /// replica could use.
    fn tokens_for(&self, per_second: f64) -> u32 {
        saturated((per_second * seconds(self.ahead) + 0.8).floor())
    }

    /// Tokens that are kept for a client that calls now and then, so that its calls wait for nobody. All replicas
    /// together keep half a bucket at most.
    fn reserve(&self, terms: Terms, replicas: u32, now: u64) -> u32 {
        if replicas == 0 || self.called_at == 0 || now.saturating_sub(self.called_at) > KEEP_RESERVE {
            return 0;
        }
        let part = terms.bucket().checked_div(replicas.saturating_mul(2)).unwrap_or(0);
        // a second's calls, and one that comes unexpected
        part.min(saturated(self.per_second).saturating_add(1))
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rates::allowance::Found;
    use crate::rates::limits::{SharedLimits, SharedRate};

    #[test]
    fn a_store_that_lies_has_no_client_told_to_wait_longer_than_its_rate_can_ask() {
        let rate = SharedRate { calls: 10, period: Duration::from_secs(1), burst: 5 };
        let terms = SharedLimits { rate: Some(rate), quota: None }.terms(Duration::from_millis(100));
        let (allowance, mut forecast) = (Allowance::default(), Forecast::new(100_000_000));
        let asked = Question { wanted: 1, returned: 0, owed: 0 };
        let reply = Reply { granted: 0, left: 0, wait: u64::MAX, used: 0, day_left: 0 };
        forecast.heard(&allowance, terms, asked, reply, 0);
        assert_eq!(allowance.take(0), Found::Nothing(Limit::Rate, Duration::from_millis(600)));
    }
}
