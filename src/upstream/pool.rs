//! Idle connections to one endpoint, kept by one worker: the most recently used first, none beyond its time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;

/// A worker's idle connections to one endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    /// Each with the end of its time; the one used last is at the back.
    idle: Rc<RefCell<VecDeque<(Connection, Instant)>>>,
    limit: usize,
    idle_timeout: Duration,
}

impl Pool {
    /// Keeps at most `limit` connections, each unused for at most `idle_timeout`.
    #[must_use]
    pub fn new(limit: usize, idle_timeout: Duration) -> Self {
        Self { idle: Rc::default(), limit, idle_timeout }
    }

    /// Takes the connection used last, so that the others grow old and are closed when load falls. One whose time is over at
    /// `now`, that the endpoint has closed, or sent something on that nobody asked for, is dropped and the next one looked at.
    #[must_use]
    pub fn take(&self, now: Instant) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some((mut connection, until)) = idle.pop_back() {
            if now < until && connection.is_fit() {
                return Some(connection);
            }
        }
        None
    }

    /// Gives a connection back after its answer was read to the end; it may wait for `keep` at most, and no longer than any
    /// other. One too many is dropped.
    pub fn put(&self, mut connection: Connection, keep: Option<Duration>) {
        let (now, keep) = (Instant::now(), keep.unwrap_or(self.idle_timeout).min(self.idle_timeout));
        let mut idle = self.idle.borrow_mut();
        // those that were used longest ago; whatever is not over in this order is closed by `close_expired`
        while idle.front().is_some_and(|(_, until)| *until <= now) {
            idle.pop_front();
        }
        let until = now.checked_add(keep).unwrap_or(now);
        if idle.len() < self.limit && now < until {
            connection.rest();
            idle.push_back((connection, until));
        }
    }

    /// Whether a connection waits in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty()
    }

    /// Drops the connections that lead elsewhere than to `addresses`, and says how many they were.
    pub fn keep_only(&self, addresses: &[SocketAddr]) -> usize {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain(|(connection, _)| addresses.contains(&connection.address));
        before.saturating_sub(idle.len())
    }

    /// Drops what nobody used in time, and what the endpoint has closed. Called by a timer of the worker, so that an idle proxy
    /// holds nothing: it looks at every connection.
    pub fn close_expired(&self) {
        let now = Instant::now();
        self.idle.borrow_mut().retain_mut(|(connection, until)| now < *until && connection.is_fit());
    }
}
