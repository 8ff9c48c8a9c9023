//! How long a connection is used: after so many requests or so much time, a response is the last one and says so.
//!
//! The connection is never closed for these limits without a response that says `Connection: close`, so no request can
//! cross the close on its way (RFC 9112 section 9.6). A connection without a request is left to `idle_timeout`.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// How much a connection may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// After how many requests the connection is closed; `None`: after any number.
    pub requests: Option<usize>,
    /// The longest time after which a response is the last one; each connection has a time of its own between half of
    /// it and all of it.
    pub lifetime: Option<Duration>,
}

impl KeepAlive {
    /// The client decides.
    pub const UNLIMITED: Self = Self { requests: None, lifetime: None };
}

/// How much one connection has been used.
pub(super) struct Usage {
    begun: Instant,
    requests: usize,
    /// Which part of the lifetime this connection has, in 1024ths; made when it is asked for.
    part: Option<u32>,
}

/// The part of a lifetime, in 1024ths, that is all of it.
const WHOLE: u32 = 1024;

impl Usage {
    /// A new connection, not used yet.
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), requests: 0, part: None }
    }

    /// Counts a request, and says whether its response is the last one. The limits are those of the request: a reload
    /// holds for open connections, too.
    pub(super) fn is_last(&mut self, limits: KeepAlive) -> bool {
        self.requests = self.requests.saturating_add(1);
        limits.requests.is_some_and(|most| self.requests >= most)
            || limits.lifetime.is_some_and(|lifetime| self.begun.elapsed() >= self.own_part(lifetime))
    }

    /// Clients that connected at the same moment, such as after a restart, do not all come back at the same moment.
    fn own_part(&mut self, lifetime: Duration) -> Duration {
        let part = *self.part.get_or_insert_with(random_part);
        lifetime.checked_mul(part).unwrap_or(Duration::MAX).checked_div(WHOLE).unwrap_or(lifetime)
    }
}

/// Between half and the whole, from the randomness of the standard library's hash maps.
fn random_part() -> u32 {
    let half = WHOLE / 2;
    let random = RandomState::new().build_hasher().finish().checked_rem(u64::from(half.saturating_add(1)));
    half.saturating_add(random.and_then(|random| u32::try_from(random).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::lifetime::Lifetime;
    use super::super::tests::{CLOCKS, FORM, closing, connect_with, ok, paused, rest};
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::sleep;

    #[test]
    fn the_last_request_is_the_one_that_reaches_the_limit_of_its_own_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut usage = Usage::new();
            let three = KeepAlive { requests: Some(3), lifetime: None };
            assert_eq!([(); 4].map(|()| usage.is_last(three)), [false, false, true, true]);
            assert!(!usage.is_last(KeepAlive::UNLIMITED), "a reload took the limit away");
        });
    }

    #[test]
    fn each_connection_has_a_lifetime_of_its_own_between_half_of_it_and_all_of_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let limits = KeepAlive { requests: None, lifetime: Some(Duration::from_secs(1024)) };
            let mut connections: Vec<Usage> = (0..1000).map(|_| Usage::new()).collect();
            let last = |connections: &mut Vec<Usage>| {
                connections.iter_mut().filter_map(|one| one.is_last(limits).then_some(())).count()
            };
            tokio::time::advance(Duration::from_secs(511)).await;
            assert_eq!(last(&mut connections), 0);
            tokio::time::advance(Duration::from_secs(257)).await;
            let at_three_quarters = last(&mut connections);
            assert!((350..650).contains(&at_three_quarters), "{at_three_quarters}");
            assert_eq!(last(&mut connections), at_three_quarters, "its time is drawn once");
            tokio::time::advance(Duration::from_secs(256)).await;
            assert_eq!(last(&mut connections), 1000);
        });
    }

    #[test]
    fn a_connection_waits_beyond_its_lifetime_and_ends_with_its_next_response() {
        paused(async {
            let lifetime = CLOCKS.idle_timeout / 2;
            let mut client =
                connect_with(1 << 16, KeepAlive { requests: None, lifetime: Some(lifetime) }, Lifetime::Unlimited);
            client.write_all(FORM.as_bytes()).await.unwrap();
            sleep(lifetime + Duration::from_millis(1)).await;
            client.write_all(FORM.as_bytes()).await.unwrap();
            assert_eq!(rest(&mut client).await, [ok("a=b"), closing("200 OK", "a=b")].concat());
        });
    }
}
