//! The endpoint's side: connecting, TLS, pooled connections, sending a signed request at most once, streaming the answer.
//!
//! Each worker has a [`Client`] per route, with connections of its own. Workers share one thing, the [`Breaker`] of a route, whose
//! lock nobody takes while all is well.

mod addresses;
pub mod answer;
pub mod answer_head;
pub mod attempts;
pub mod breaker;
mod budget;
mod chunked;
pub mod client;
pub mod connect;
mod connection;
pub mod error;
mod eyeballs;
mod framing;
pub mod pool;
mod request;
mod socket;
pub mod tls;

pub use answer::AnswerBody;
pub use attempts::{Attempts, Repetition};
pub use breaker::{Breaker, BreakerLimits, Outage};
pub use client::{Client, Sent, Timeouts};
pub use connect::{Endpoint, Security};
pub use error::{Delivery, SendError};
