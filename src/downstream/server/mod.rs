//! The one server towards clients: HTTP/1.1 and HTTP/1.0 on one connection, one request at a time, within limits.
//!
//! `connection` has the loop: await a request, have a [`Handler`] answer it, write the response, and close so that the
//! client sees it. `incoming` reads heads and bodies, and notices when a client is gone while its response is awaited;
//! the `stream` below it has the clocks of the connection, and the [`Socket`] below that carries the bytes. The handler
//! reads a [`RequestBody`], most easily by [`body::read`]; `response` writes what it replies. `lifetime` and
//! `keep_alive` say which request is the last.

pub mod body;
mod client_socket;
mod connection;
mod exchange_guard;
mod handler;
mod incoming;
mod keep_alive;
mod lifetime;
mod limits;
mod metered;
mod pace;
mod request_body;
mod response;
mod service;
mod spread;
mod stream;

pub use body::{BodyError, BodyLimits};
pub use client_socket::{Peer, Socket};
pub use connection::serve;
pub use exchange_guard::ExchangeGuard;
pub use handler::{Handler, Reply};
pub use keep_alive::KeepAlive;
pub(in crate::downstream) use lifetime::LAST_CALL;
pub use lifetime::Lifetime;
pub use limits::{Clocks, Limits};
pub use metered::Metered;
pub use pace::{MinimumRate, TooSlow};
pub use request_body::{BrokenBody, RequestBody};
pub use service::{Current, Service};

#[cfg(test)]
mod slow_tests;
#[cfg(test)]
mod tests;
