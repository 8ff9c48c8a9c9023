//! Idle connections to one endpoint, kept by one worker: the most recently used first, none beyond its time.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::connect::Connection;

/// A worker's idle connections to one endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    /// Each with the end of its time.
    idle: Rc<RefCell<Vec<(Connection, Instant)>>>,
    limit: usize,
    idle_timeout: Duration,
}

impl Pool {
    /// Keeps at most `limit` connections, each unused for at most `idle_timeout`.
    #[must_use]
    pub fn new(limit: usize, idle_timeout: Duration) -> Self {
        Self { idle: Rc::default(), limit, idle_timeout }
    }

    /// Takes the connection used last, so that the others grow old and are closed when load falls. One that the endpoint has
    /// closed, or sent something on that nobody asked for, is dropped and the next one looked at.
    #[must_use]
    pub fn take(&self) -> Option<Connection> {
        self.close_expired();
        let mut idle = self.idle.borrow_mut();
        while let Some((connection, _)) = idle.pop() {
            if connection.is_fit() {
                return Some(connection);
            }
        }
        None
    }

    /// Gives a connection back after its answer was read to the end; it may wait for `keep` at most, and no longer than any
    /// other. One that is closed, still busy, or one too many is dropped: an endpoint that answers before it has read all of a
    /// request leaves one that is busy with the rest.
    pub fn put(&self, connection: Connection, keep: Option<Duration>) {
        self.close_expired();
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.limit && connection.sender.is_ready() {
            let (now, keep) = (Instant::now(), keep.unwrap_or(self.idle_timeout).min(self.idle_timeout));
            idle.push((connection, now.checked_add(keep).unwrap_or(now)));
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

    /// Drops what nobody used in time. Called on every use and by a timer of the worker, so that an idle proxy holds nothing.
    pub fn close_expired(&self) {
        let now = Instant::now();
        self.idle.borrow_mut().retain(|(connection, until)| !connection.sender.is_closed() && now < *until);
    }
}
