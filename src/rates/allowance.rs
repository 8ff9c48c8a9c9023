//! The tokens of one client that the store has leased to this replica. They are atomic numbers that all workers share.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// The limit that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// The rate.
    Rate,
    /// The quota of the day.
    Quota,
}

/// The result of looking for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A token, which is taken.
    Token,
    /// A token, which is taken. Few are left, and this caller has to have the store asked for more.
    LastTokens,
    /// No token. The store will not have one either before this time has passed.
    Nothing(Limit, Duration),
    /// No token here. Whether the store has one is not known.
    Unknown,
}

/// The tokens of one client in this process. Times are nanoseconds of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    tokens: AtomicU32,
    /// When no more tokens than this are left, the store is asked for more.
    low: AtomicU32,
    /// The store has no tokens, and is not asked before this time.
    ask_again_at: AtomicU64,
    /// When the store will have a token, as callers are told while it is not asked.
    token_at: AtomicU64,
    /// Whether it is the quota that is used up, and not the rate.
    quota_is_used: AtomicBool,
    /// Whether the store is being asked, or about to be.
    asked: AtomicBool,
    /// Calls that found no token since the store was asked last.
    missed: AtomicU32,
    /// Calls that wait for a token.
    waiting: AtomicU32,
    /// Calls that were let through without a token, and of which the store knows nothing yet.
    owed: AtomicU32,
    /// What the store has counted in this day.
    quota_used: AtomicU64,
    /// When that day ends.
    day_ends_at: AtomicU64,
    /// Whether the store has answered yet.
    heard: AtomicU8,
}

/// What the next question to the store depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) tokens: u32,
    pub(super) missed: u32,
    pub(super) waiting: u32,
}

impl Allowance {
    /// Takes a token at `now`.
    pub(super) fn take(&self, now: u64) -> Found {
        // Relaxed is enough: no other memory depends on these numbers
        let taken = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(1));
        let asks_at = self.ask_again_at.load(Ordering::Relaxed);
        match taken {
            Ok(before) if before > self.low.load(Ordering::Relaxed) || now < asks_at => Found::Token,
            Ok(_) if self.begin_asking() => Found::LastTokens,
            Ok(_) => Found::Token,
            Err(_) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                self.without_token(now).map_or(Found::Unknown, |(limit, wait)| Found::Nothing(limit, wait))
            }
        }
    }

    /// Which limit is used up at `now` and for how long, if it is known that there is no token. Takes none.
    pub(super) fn nothing_left(&self, now: u64) -> Option<(Limit, Duration)> {
        if self.tokens() == 0 { self.without_token(now) } else { None }
    }

    /// What the store said of the time without a token in hand; `None` if it may have one by now.
    fn without_token(&self, now: u64) -> Option<(Limit, Duration)> {
        if now >= self.ask_again_at.load(Ordering::Relaxed) {
            return None;
        }
        let limit = if self.quota_is_used.load(Ordering::Relaxed) { Limit::Quota } else { Limit::Rate };
        let wait = self.token_at.load(Ordering::Relaxed).saturating_sub(now);
        Some((limit, Duration::from_nanos(wait)))
    }

    /// Gives back a token of a call that was refused for another reason.
    pub(super) fn put_back(&self) {
        self.tokens.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a call that was let through without a token.
    pub(super) fn owe(&self) {
        self.owed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the caller is the one to have the store asked: it is asked once at a time.
    pub(super) fn begin_asking(&self) -> bool {
        !self.asked.load(Ordering::Relaxed) && !self.asked.swap(true, Ordering::AcqRel)
    }

    /// Whether the store is being asked, or about to be.
    #[cfg(test)]
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// From now on the store may be asked again.
    pub(super) fn end_asking(&self) {
        self.asked.store(false, Ordering::Release);
    }

    /// A call begins, or ends, to wait for a token.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// What the next question to the store depends on.
    pub(super) fn read_needs(&self) -> Needs {
        Needs {
            tokens: self.tokens.load(Ordering::Relaxed),
            missed: self.missed.swap(0, Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Takes out as many tokens as are not needed here, at most `surplus`, and says how many.
    pub(super) fn take_out(&self, surplus: u32) -> u32 {
        let taken = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| Some(tokens.saturating_sub(surplus)));
        taken.unwrap_or_default().min(surplus)
    }

    /// The calls that the store is to be told of; from now on they count as told.
    pub(super) fn take_owed(&self) -> u32 {
        self.owed.swap(0, Ordering::Relaxed)
    }

    /// The store was not told of them after all.
    pub(super) fn still_owed(&self, calls: u32) {
        self.owed.fetch_add(calls, Ordering::Relaxed);
    }

    /// Whether the store is to be told of calls.
    pub(super) fn is_owing(&self) -> bool {
        self.owed.load(Ordering::Relaxed) > 0
    }

    /// Adds tokens that the store has leased.
    pub(super) fn add(&self, tokens: u32) {
        let _always = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| Some(before.saturating_add(tokens)));
    }

    /// With fewer tokens than `low`, more are asked for.
    pub(super) fn ask_below(&self, low: u32) {
        self.low.store(low, Ordering::Relaxed);
    }

    /// The store has no tokens: it is not asked before `ask_again_at`, and callers are told to come back at `token_at`.
    pub(super) fn nothing_until(&self, ask_again_at: u64, token_at: u64, limit: Limit) {
        self.quota_is_used.store(limit == Limit::Quota, Ordering::Relaxed);
        self.token_at.store(token_at, Ordering::Relaxed);
        self.ask_again_at.store(ask_again_at, Ordering::Relaxed);
    }

    /// The store may have tokens.
    pub(super) fn may_ask(&self) {
        self.ask_again_at.store(0, Ordering::Relaxed);
    }

    /// Notes what the store has counted in this day, and when the day ends.
    pub(super) fn note_used(&self, calls: u64, day_ends_at: u64) {
        self.quota_used.store(calls, Ordering::Relaxed);
        self.day_ends_at.store(day_ends_at, Ordering::Relaxed);
        self.heard.store(1, Ordering::Relaxed);
    }

    /// What the store has counted in this day when it was asked last, with what it has not been told yet; `None`
    /// before it has answered.
    pub(super) fn used(&self) -> Option<u64> {
        let used = self.quota_used.load(Ordering::Relaxed);
        let untold = u64::from(self.owed.load(Ordering::Relaxed));
        // tokens in hand are counted there, and have not been used
        let in_hand = u64::from(self.tokens());
        (self.heard.load(Ordering::Relaxed) == 1).then(|| used.saturating_add(untold).saturating_sub(in_hand))
    }

    /// The same, as long as the day that the store spoke of lasts, and how long that is.
    pub(super) fn used_in_day_of(&self, now: u64) -> Option<(u64, Duration)> {
        let left = self.day_ends_at.load(Ordering::Relaxed).checked_sub(now).filter(|left| *left > 0)?;
        Some((self.used()?, Duration::from_nanos(left)))
    }

    /// How long a quota is known to be used up, by what the store said last and what was let through since then.
    pub(super) fn used_up_for(&self, quota: u64, now: u64) -> Option<Duration> {
        let (used, left) = self.used_in_day_of(now)?;
        (quota > 0 && used >= quota).then_some(left)
    }

    /// The tokens in hand.
    pub(super) fn tokens(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }
}

/// A call that waits. It stops when this is dropped.
pub(super) struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_one_by_one_and_one_caller_is_told_when_few_are_left() {
        let allowance = Allowance::default();
        assert_eq!(allowance.take(5), Found::Unknown);
        allowance.add(4);
        allowance.ask_below(2);
        let found: Vec<_> = (0..5).map(|_| allowance.take(5)).collect();
        let expected = [Found::Token, Found::Token, Found::LastTokens, Found::Token, Found::Unknown];
        assert_eq!(found, expected, "the store is asked once at a time");
        assert_eq!(allowance.read_needs(), Needs { tokens: 0, missed: 2, waiting: 0 });
        assert_eq!(allowance.read_needs().missed, 0);
    }

    #[test]
    fn while_the_store_has_nothing_it_is_not_asked() {
        let allowance = Allowance::default();
        allowance.nothing_until(100, 170, Limit::Quota);
        assert_eq!(allowance.take(70), Found::Nothing(Limit::Quota, Duration::from_nanos(100)));
        assert_eq!(allowance.nothing_left(70), Some((Limit::Quota, Duration::from_nanos(100))));
        assert_eq!(allowance.nothing_left(100), None);
        allowance.add(1);
        assert_eq!(allowance.nothing_left(70), None);
        allowance.ask_below(5);
        assert_eq!(allowance.take(70), Found::Token);
        assert_eq!(allowance.take(100), Found::Unknown, "nobody knows what it has from then on");
        allowance.may_ask();
        assert_eq!(allowance.take(70), Found::Unknown);
    }

    #[test]
    fn what_is_not_needed_is_taken_out_and_no_more() {
        let allowance = Allowance::default();
        allowance.add(3);
        assert_eq!((allowance.take_out(2), allowance.take_out(5), allowance.take_out(1)), (2, 1, 0));
        allowance.put_back();
        assert_eq!((allowance.take(0), allowance.take(0)), (Found::Token, Found::Unknown));
    }

    #[test]
    fn the_use_of_a_day_has_what_the_store_was_not_told_and_not_what_is_in_hand() {
        let allowance = Allowance::default();
        allowance.owe();
        assert_eq!(allowance.used(), None);
        allowance.note_used(10, 100);
        allowance.add(3);
        assert_eq!(allowance.used(), Some(8));
        assert_eq!((allowance.take_owed(), allowance.take_owed(), allowance.used()), (1, 0, Some(7)));
        allowance.still_owed(2);
        assert_eq!(allowance.used(), Some(9));
        assert_eq!(
            (allowance.used_up_for(9, 40), allowance.used_up_for(10, 40)),
            (Some(Duration::from_nanos(60)), None)
        );
        assert_eq!((allowance.used_up_for(0, 40), allowance.used_up_for(9, 100)), (None, None), "the day is over");
    }

    #[test]
    fn workers_never_take_a_token_twice() {
        let allowance = Allowance::default();
        allowance.add(1000);
        let count = || (0..1000).filter(|_| allowance.take(0) != Found::Unknown).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 1000);
    }
}
