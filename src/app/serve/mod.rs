//! Serving a graph: workers, the admin listener, and the threads that keep keys and certificates fresh.

mod admin;
pub(crate) mod bound;
pub(crate) mod error;
pub(crate) mod freed_memory;
mod hints;
pub(crate) mod key_reports;
mod live_route;
mod load;
mod occupant;
pub(crate) mod pulse;
mod readiness;
mod refresh;
pub(crate) mod rehearsal;
pub(crate) mod remedy;
mod route_clients;
pub(crate) mod running;
pub(crate) mod serving;
mod snapshot;
mod sockets;
mod token_keys;
mod tracer;
mod worker;
