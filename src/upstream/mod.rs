//! The endpoint's side: connecting, TLS, pooled connections, sending a signed request at most once, streaming the answer.
//!
//! HTTP/1.1 is spoken here by a client of our own, of as much as one POST needs: `request` writes, [`crate::http1`] judges what
//! comes back and finds the end of the body, `connection` does both at once on one socket. With hyper's client a connection is a task with more than 10 KB, an exchange
//! goes through a channel to that task and back, and costs reads that find nothing and a wake-up by eventfd; here it is one
//! look at the socket, one write and one read, in the task that waits for it. And whether a byte of a request was written is
//! known here by construction.
//!
//! Each worker has a [`Client`] per route, with connections of its own. Workers share one thing, the [`Breaker`] of a route, whose
//! lock nobody takes while all is well.

pub mod answer;
pub mod attempts;
pub mod breaker;
mod budget;
pub mod call_settings;
pub mod client;
mod connection;
pub mod destination;
pub mod dial;
pub mod error;
pub mod pool;
mod request;
mod socket;

pub use answer::AnswerBody;
pub use attempts::{Attempts, Repetition};
pub use breaker::{Breaker, BreakerLimits, Outage};
pub use call_settings::{CallSettings, EndpointSettings, PoolLimits, Timeouts, Trust};
pub use client::{Client, Sent};
pub use destination::{Destination, DestinationError};
pub use dial::connect::{Endpoint, Security};
pub use dial::{connect, tls};
pub use error::{Delivery, SendError};
