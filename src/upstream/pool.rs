//! Idle connections to one endpoint, kept by one worker: the most recently used first, none beyond its time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::connect::Connection;

/// A worker's idle connections to one endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
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

    /// Takes the connection used last, so that the others grow old and are closed when load falls.
    #[must_use]
    pub fn take(&self) -> Option<Connection> {
        self.close_expired();
        self.idle.borrow_mut().pop().map(|(connection, _)| connection)
    }

    /// Gives a connection back after its answer was read to the end. A closed one, or one too many, is dropped.
    pub fn put(&self, connection: Connection) {
        self.close_expired();
        let mut idle = self.idle.borrow_mut();
        if !connection.sender.is_closed() && idle.len() < self.limit {
            idle.push((connection, Instant::now()));
        }
    }

    /// Drops what nobody used in time. Called on every use and by a timer of the worker, so that an idle proxy holds nothing.
    pub fn close_expired(&self) {
        let now = Instant::now();
        let timeout = self.idle_timeout;
        self.idle.borrow_mut().retain(|(connection, since)| {
            !connection.sender.is_closed() && now.saturating_duration_since(*since) < timeout
        });
    }
}
