//! The limits of a listener's connections.

use std::time::Duration;

use super::keep_alive::KeepAlive;
use super::pace::MinimumRate;

/// The limits of a listener's connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Timeouts between and within heads.
    pub clocks: Clocks,
    /// Connections at once, over all workers.
    pub connections: usize,
    /// How much a connection is used; read for each request.
    pub keep_alive: KeepAlive,
}

/// The clocks of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// From the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// A connection without a request; also how long a client may refuse to take a byte of a response.
    pub idle_timeout: Duration,
    /// How slowly a client may send a body or take a response.
    pub slowest: MinimumRate,
}
