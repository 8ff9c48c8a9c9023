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
}

impl LastRequest {
    /// With the drain, or at the end of the connection's lifetime.
    pub(super) fn of(drain: &Drain, lifetime: Lifetime, phase: &SharedPhase) -> Self {
        let until = match lifetime {
            Lifetime::Unlimited => None,
            Lifetime::AtMost(lifetime) => Instant::now().checked_add(lifetime),
        };
        let draining = Rc::<Cell<bool>>::default();
        let last_call = last_call(drain.clone(), Rc::clone(&draining), phase.clone());
        let over: Pin<Box<dyn Future<Output = ()>>> = match until {
            None => Box::pin(last_call),
            Some(until) => Box::pin(async move {
                tokio::select! { () = last_call => {}, () = sleep_until(until) => {} }
            }),
        };
        Self { over, is_over: false, asked: false, place: spread::next(), drain: drain.clone(), draining, until }
    }

    /// Whether the response that is about to be written is the last: no request may follow it, or the process is about
    /// to drain and it is the turn of this connection to leave.
    pub(super) fn is_last_response(&mut self, cx: &mut Context<'_>) -> bool {
        self.is_over(cx) || self.leaves()
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

/// Waits for the drain, and then for a request to have come or for that time to be over.
async fn last_call(drain: Drain, draining: Rc<Cell<bool>>, phase: SharedPhase) {
    drain.begun().await;
    draining.set(true);
    let called = poll_fn(|_| if phase.is_idle() { Poll::Pending } else { Poll::Ready(()) });
    // no wake-up of its own: what a request wakes is the connection, which is polled together with this
    let _either = timeout(LAST_CALL, called).await;
}
