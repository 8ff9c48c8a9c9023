//! Which request of a connection is the last: when the process drains, or when the client has to authenticate again.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::exchange_guard::SharedPhase;
use super::spread;
use crate::downstream::Drain;

/// How long a connection may go on.
#[derive(Debug, Clone, Copy)]
pub enum Lifetime {
    /// Without a limit: what the client proved when it connected cannot be revoked.
    Unlimited,
    /// For this time; then the exchange in progress is the last, and the client has to authenticate again.
    AtMost(Duration),
}

/// How long a connection on which nothing happens is kept after a drain has begun. A client in the middle of its work,
/// or one that has just connected, has its next request on the way; it is answered, with `Connection: close`.
pub(in crate::downstream) const LAST_CALL: Duration = Duration::from_millis(250);

/// Says when the request that is under way is the last of its connection.
pub(super) struct LastRequest {
    over: Pin<Box<dyn Future<Output = ()>>>,
    is_over: bool,
    /// Whether `over` has been polled, and so has a task to wake.
    asked: bool,
    /// When the connection leaves before a drain: see [`super::spread`].
    place: u8,
    drain: Drain,
    draining: Rc<Cell<bool>>,
    until: Option<Instant>,
    /// From then on a response is the last: see [`announced_after`].
    announced: Option<Instant>,
}

impl LastRequest {
    /// With the drain, or at the end of the connection's lifetime. `idle` is how long the connection may be idle.
    pub(super) fn of(drain: &Drain, lifetime: Lifetime, idle: Duration, phase: &SharedPhase) -> Self {
        let now = Instant::now();
        let (until, announced) = match lifetime {
            Lifetime::Unlimited => (None, None),
            Lifetime::AtMost(lifetime) => (now.checked_add(lifetime), now.checked_add(announced_after(lifetime, idle))),
        };
        let draining = Rc::<Cell<bool>>::default();
        let last_call = last_call(drain.clone(), Rc::clone(&draining), phase.clone());
        let over: Pin<Box<dyn Future<Output = ()>>> = match until {
            None => Box::pin(last_call),
            Some(until) => Box::pin(async move {
                tokio::select! { () = last_call => {}, () = sleep_until(until) => {} }
            }),
        };
        let (place, drain) = (spread::next(), drain.clone());
        Self { over, is_over: false, asked: false, place, drain, draining, until, announced }
    }

    /// Whether the response that is about to be written is the last: no request may follow it, the connection's
    /// lifetime could end while it is idle, or the process is about to drain and it is the turn of this connection to
    /// leave.
    pub(super) fn is_last_response(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_over(cx) || self.leaves() || self.announced.is_some_and(|announced| announced <= Instant::now())
    }

    /// An idle connection does not leave by itself: its client may have sent the next request already.
    fn leaves(&self) -> bool {
        let departure = if self.drain.is_news() { self.drain.departure() } else { None };
        departure.is_some_and(|departure| departure.moment(self.place) <= Instant::now())
    }

    /// Whether the request is the last; wakes the task when that changes.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        // asked twice for each request: what waits already is left alone while nothing can have come of it
        let may_be = |last: &Self| {
            last.draining.get() || last.drain.is_news() || last.until.is_some_and(|until| until <= Instant::now())
        };
        if !self.is_over && (!self.asked || may_be(self)) {
            self.asked = true;
            self.is_over = self.over.as_mut().poll(cx).is_ready();
        }
        self.is_over
    }
}

/// After how much of its lifetime a connection's responses say `Connection: close`.
///
/// A connection is closed at the end of its lifetime in any case, because its client has to authenticate again, and a
/// request that crosses that close on its way would be lost. So a response after which the connection could be idle
/// until the end of its lifetime is the last one: after any earlier response, it is closed for being idle before its
/// lifetime ends. Half of a short lifetime can be used, so that the first response is not the last.
fn announced_after(lifetime: Duration, idle: Duration) -> Duration {
    lifetime.saturating_sub(idle).max(lifetime.checked_div(2).unwrap_or_default())
}

/// Waits for the drain, and then for a request to have come or for that time to be over.
async fn last_call(drain: Drain, draining: Rc<Cell<bool>>, phase: SharedPhase) {
    drain.begun().await;
    draining.set(true);
    let called = poll_fn(|_| if phase.is_idle() { Poll::Pending } else { Poll::Ready(()) });
    // no wake-up of its own: what a request wakes is the connection, which is polled together with this
    let _either = timeout(LAST_CALL, called).await;
}

#[cfg(test)]
mod tests {
    use super::super::tests::{CLOCKS, FORM, connect_with, paused, rest};
    use super::*;
    use crate::downstream::server::KeepAlive;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::sleep;

    const MOMENT: Duration = Duration::from_millis(1);

    /// The client's side of a connection that may go on for so long.
    fn connect_for(lifetime: Duration) -> DuplexStream {
        connect_with(1 << 16, KeepAlive::UNLIMITED, Lifetime::AtMost(lifetime))
    }

    /// Calls, and says whether the response is the last one.
    async fn is_last(client: &mut DuplexStream) -> bool {
        client.write_all(FORM.as_bytes()).await.unwrap();
        let mut response = String::new();
        while !response.ends_with("a=b") {
            response.push(char::from(client.read_u8().await.unwrap()));
        }
        response.contains("\r\nconnection: close\r\n")
    }

    #[test]
    fn a_response_after_which_the_lifetime_could_end_in_silence_is_the_last_one() {
        paused(async {
            let lifetime = CLOCKS.idle_timeout * 10;
            let mut client = connect_for(lifetime);
            let begun = Instant::now();
            while begun.elapsed() < lifetime - CLOCKS.idle_timeout {
                assert!(!is_last(&mut client).await);
                sleep(CLOCKS.idle_timeout / 2).await;
            }
            assert!(is_last(&mut client).await);
            assert_eq!(rest(&mut client).await, "");
            assert!(begun.elapsed() < lifetime, "the client heard of it before the end");
        });
    }

    #[test]
    fn no_idle_connection_is_closed_by_its_lifetime_when_that_is_longer_than_twice_the_time_to_be_idle() {
        for before_the_end in [CLOCKS.idle_timeout + MOMENT, CLOCKS.idle_timeout * 2] {
            paused(async move {
                let lifetime = CLOCKS.idle_timeout * 3;
                let mut client = connect_for(lifetime);
                let begun = Instant::now();
                let last_call = lifetime - before_the_end;
                while begun.elapsed() < last_call {
                    assert!(!is_last(&mut client).await);
                    sleep((last_call - begun.elapsed()).min(CLOCKS.idle_timeout / 2)).await;
                }
                assert!(!is_last(&mut client).await);
                let answered = Instant::now();
                assert_eq!(rest(&mut client).await, "");
                assert!(answered.elapsed() >= CLOCKS.idle_timeout, "{:?}", answered.elapsed());
            });
        }
    }

    #[test]
    fn half_of_a_short_lifetime_can_be_used_and_an_idle_connection_ends_with_it() {
        paused(async {
            let lifetime = CLOCKS.idle_timeout / 2;
            let mut client = connect_for(lifetime);
            let begun = Instant::now();
            assert!(!is_last(&mut client).await);
            sleep(lifetime / 2 - MOMENT).await;
            assert!(!is_last(&mut client).await);
            assert_eq!(rest(&mut client).await, "");
            assert!((lifetime..lifetime + MOMENT * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
            let mut client = connect_for(lifetime);
            assert!(!is_last(&mut client).await);
            sleep(lifetime / 2).await;
            assert!(is_last(&mut client).await);
        });
    }
}
