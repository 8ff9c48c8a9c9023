//! What is known of a name: the addresses found last, whether a lookup runs, and since when lookups fail. Time is an
//! argument.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How long a lookup is reused, and how long the next one waits after one that failed. The system's resolver does not
/// tell the time to live, so this is short: long enough for a burst of connections, shorter than anybody waits when a
/// name has changed.
pub(super) const KEPT: Duration = Duration::from_secs(5);
/// How long the addresses found last are used while lookups fail: the shortest of what RFC 8767 section 5 suggests.
pub(super) const SERVED: Duration = Duration::from_secs(24 * 60 * 60);
/// A lookup that has run for longer does not keep the next one from beginning: a module of the C library hangs.
const LOST: Duration = Duration::from_secs(120);

/// Whether addresses found earlier serve while lookups fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum LastKnown {
    /// They do: the certificate tells whether the endpoint still is there.
    Serve,
    /// They do not: whoever has got such an address since would be sent what is signed, and nothing would tell.
    Refuse,
}

/// The lookups of one name.
pub(super) struct Lookups {
    last_known: LastKnown,
    found: Option<Found>,
    /// When the lookup that runs has begun.
    running: Option<Instant>,
    /// The last lookup, if it failed.
    failed: Option<Failed>,
}

struct Found {
    addresses: Arc<[SocketAddr]>,
    at: Instant,
}

struct Failed {
    error: Arc<io::Error>,
    at: Instant,
}

/// What can be used now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Addresses as good as new.
    Fresh(Arc<[SocketAddr]>),
    /// Older ones; the last lookup has failed.
    Last(Arc<[SocketAddr]>),
    /// Older ones, for when the lookup that runs takes long.
    Old(Arc<[SocketAddr]>),
    /// None.
    Nothing,
}

/// What the end of a lookup has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing to tell.
    None,
    /// From now on the addresses found last are used.
    ServesLast,
    /// The name can be looked up again.
    Recovered,
}

/// Whether the caller has to begin a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Yes,
    No,
}

impl Lookups {
    pub(super) const fn new(last_known: LastKnown) -> Self {
        Self { last_known, found: None, running: None, failed: None }
    }

    /// What is known now, where a lookup less than `age` ago is as good as a new one. If there has to be a new one, the
    /// caller begins it.
    pub(super) fn ask(&mut self, now: Instant, age: Duration) -> (Known, Begin) {
        let known = match (self.usable(now), &self.failed) {
            _ if self.is_fresh(now, age) => return (self.fresh(), Begin::No),
            (Some(addresses), None) => Known::Old(addresses),
            (Some(addresses), Some(failed)) if now.saturating_duration_since(failed.at) < KEPT => {
                return (Known::Last(addresses), Begin::No);
            }
            (Some(addresses), Some(_)) => Known::Last(addresses),
            (None, _) => Known::Nothing,
        };
        (known, self.begin(now))
    }

    /// Takes the result of the lookup that ran.
    pub(super) fn ended(&mut self, now: Instant, found: io::Result<Vec<SocketAddr>>) -> Change {
        self.running = None;
        let before = self.failed.take();
        match found {
            Ok(addresses) => {
                let told = before.is_some() && self.usable(now).is_some();
                self.found = Some(Found { addresses: addresses.into(), at: now });
                if told { Change::Recovered } else { Change::None }
            }
            Err(error) => {
                self.failed = Some(Failed { error: Arc::new(error), at: now });
                let first = before.is_none() && self.usable(now).is_some();
                if first { Change::ServesLast } else { Change::None }
            }
        }
    }

    /// The result of the last lookup, or what serves in its place.
    pub(super) fn outcome(&self, now: Instant) -> Result<Arc<[SocketAddr]>, Arc<io::Error>> {
        match (&self.failed, &self.found) {
            (None, Some(found)) => Ok(Arc::clone(&found.addresses)),
            (Some(failed), _) => self.usable(now).ok_or_else(|| Arc::clone(&failed.error)),
            (None, None) => Err(Arc::new(io::ErrorKind::NotFound.into())),
        }
    }

    /// How old the addresses are that serve because the name cannot be looked up.
    pub(super) fn serves_last(&self, now: Instant) -> Option<Duration> {
        let found = self.found.as_ref().filter(|_| self.failed.is_some() && self.usable(now).is_some())?;
        Some(now.saturating_duration_since(found.at))
    }

    fn begin(&mut self, now: Instant) -> Begin {
        if self.running.is_some_and(|begun| now.saturating_duration_since(begun) < LOST) {
            return Begin::No;
        }
        self.running = Some(now);
        Begin::Yes
    }

    fn is_fresh(&self, now: Instant, age: Duration) -> bool {
        self.found.as_ref().is_some_and(|found| now.saturating_duration_since(found.at) < age)
            && (self.failed.is_none() || age <= KEPT)
    }

    fn fresh(&self) -> Known {
        self.found.as_ref().map_or(Known::Nothing, |found| Known::Fresh(Arc::clone(&found.addresses)))
    }

    /// Addresses that may serve without a new lookup.
    fn usable(&self, now: Instant) -> Option<Arc<[SocketAddr]>> {
        let found = match self.last_known {
            LastKnown::Serve => self.found.as_ref()?,
            LastKnown::Refuse => return None,
        };
        (now.saturating_duration_since(found.at) < SERVED).then(|| Arc::clone(&found.addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn some() -> Arc<[SocketAddr]> {
        Arc::new(["192.0.2.1:443".parse().unwrap()])
    }

    fn failure() -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("temporary failure"))
    }

    /// With addresses that were found at the returned time.
    fn found(last_known: LastKnown) -> (Lookups, Instant) {
        let (mut lookups, now) = (Lookups::new(last_known), Instant::now());
        assert_eq!(lookups.ask(now, KEPT), (Known::Nothing, Begin::Yes));
        assert_eq!(lookups.ended(now, Ok(some().to_vec())), Change::None);
        (lookups, now)
    }

    #[test]
    fn one_lookup_at_a_time_serves_all_who_ask() {
        let (mut lookups, now) = (Lookups::new(LastKnown::Serve), Instant::now());
        assert_eq!(lookups.ask(now, KEPT), (Known::Nothing, Begin::Yes));
        assert_eq!(lookups.ask(now + 10 * SECOND, KEPT), (Known::Nothing, Begin::No), "it runs still");
        assert_eq!(lookups.ended(now + 11 * SECOND, Ok(some().to_vec())), Change::None);
        assert_eq!(lookups.outcome(now + 11 * SECOND).unwrap(), some());
        assert_eq!(lookups.ask(now + 12 * SECOND, KEPT), (Known::Fresh(some()), Begin::No));
        assert_eq!(lookups.ask(now + 16 * SECOND, KEPT), (Known::Old(some()), Begin::Yes));
        assert_eq!(lookups.ask(now + 17 * SECOND, KEPT), (Known::Old(some()), Begin::No));
    }

    #[test]
    fn a_lookup_that_hangs_does_not_keep_the_next_one_from_beginning_for_ever() {
        let (mut lookups, now) = (Lookups::new(LastKnown::Serve), Instant::now());
        assert_eq!(lookups.ask(now, KEPT).1, Begin::Yes);
        assert_eq!(lookups.ask(now + LOST - SECOND, KEPT).1, Begin::No);
        assert_eq!(lookups.ask(now + LOST, KEPT).1, Begin::Yes);
    }

    #[test]
    fn the_last_addresses_serve_for_a_day_while_lookups_fail_and_that_is_told_once() {
        let (mut lookups, now) = found(LastKnown::Serve);
        assert_eq!(lookups.ask(now + KEPT, KEPT), (Known::Old(some()), Begin::Yes));
        assert_eq!(lookups.serves_last(now + KEPT), None);
        let failed = now + 15 * SECOND;
        assert_eq!(lookups.ended(failed, failure()), Change::ServesLast);
        assert_eq!(lookups.outcome(failed).unwrap(), some());
        assert_eq!(lookups.ask(failed, KEPT), (Known::Last(some()), Begin::No), "not again at once");
        assert_eq!(lookups.ask(failed + KEPT, KEPT), (Known::Last(some()), Begin::Yes));
        assert_eq!(lookups.ended(failed + KEPT, failure()), Change::None, "it was told");
        assert_eq!(lookups.serves_last(now + 20 * SECOND), Some(20 * SECOND));
        assert_eq!(lookups.ask(now + SERVED, KEPT), (Known::Nothing, Begin::Yes));
        assert_eq!(lookups.serves_last(now + SERVED), None);
        assert_eq!(lookups.ended(now + SERVED, failure()), Change::None);
        assert!(lookups.outcome(now + SERVED).is_err());
    }

    #[test]
    fn a_name_that_can_be_looked_up_again_is_told_once() {
        let (mut lookups, now) = found(LastKnown::Serve);
        lookups.ended(now, failure());
        assert_eq!(lookups.ended(now, Ok(some().to_vec())), Change::Recovered);
        assert_eq!(lookups.ended(now, Ok(some().to_vec())), Change::None);
        assert_eq!(lookups.ask(now, KEPT), (Known::Fresh(some()), Begin::No));
        assert_eq!(lookups.serves_last(now), None);
    }

    #[test]
    fn without_a_certificate_to_tell_old_addresses_are_not_used() {
        let (mut lookups, now) = found(LastKnown::Refuse);
        assert_eq!(lookups.ask(now + SECOND, KEPT), (Known::Fresh(some()), Begin::No));
        assert_eq!(lookups.ask(now + KEPT, KEPT), (Known::Nothing, Begin::Yes));
        assert_eq!(lookups.ended(now + KEPT, failure()), Change::None);
        assert!(lookups.outcome(now + KEPT).is_err());
        assert_eq!(lookups.ask(now + KEPT, KEPT), (Known::Nothing, Begin::Yes), "the next call tries anew");
    }

    #[test]
    fn no_connection_is_closed_by_addresses_that_could_not_be_confirmed() {
        let (mut lookups, now) = found(LastKnown::Serve);
        lookups.ended(now, failure());
        assert_eq!(lookups.ask(now + SECOND, 6 * KEPT), (Known::Last(some()), Begin::No));
    }
}
