//! The endpoint's side: connecting, TLS, pooled connections, sending a signed request at most once, streaming the
//! response.
//!
//! The HTTP/1.1 client is our own, and has what one POST needs: `request` writes, [`crate::http1`] checks the response
//! and finds the end of its body, and `connection` does both at once on one socket. In hyper's client a connection is a
//! task with more than 10 KB, an exchange goes through a channel to that task and back, and costs reads that find
//! nothing and a wake-up by eventfd. Here an exchange is one check of the socket, one write and one read, in the task
//! that waits for it; and whether a byte of a request was written is known by construction.
//!
//! Each worker has a [`Client`] per endpoint of a route, with its own connections. Workers share the [`Breaker`] of an
//! endpoint, whose lock nobody takes while there are no failures, and the addresses of its name, which only a new
//! connection asks for. Which endpoint of a route gets a call is decided in `proxy`, by
//! [`SendError::leaves_call_to_others`].

pub mod answer;
pub mod attempts;
pub mod breaker;
mod budget;
pub mod call_settings;
pub mod client;
mod connection;
pub mod destination;
pub mod dial;
pub mod egress_error;
pub mod endpoint_name;
pub mod error;
mod idle_connections;
pub mod pool;
pub mod repetition;
mod request;
mod socket;
mod stream;
pub mod trial;

pub use answer::AnswerBody;
pub use attempts::Attempts;
pub use breaker::{Breaker, BreakerLimits, Outage, WayOut};
pub use call_settings::{CallSettings, EndpointSettings, PoolLimits, Timeouts, Trust, TunnelSettings};
pub use client::{Client, Sent};
pub use destination::{Destination, DestinationError};
pub use dial::connect;
pub use dial::connect::{Endpoint, Security};
pub use dial::next_hop::NextHop;
pub use dial::proxy_credentials::{NotCredentials, ProxyCredentials};
pub use egress_error::EgressError;
pub use endpoint_name::EndpointName;
pub use error::{Delivery, SendError};
pub use repetition::Repetition;
pub use trial::{Step, Trial};

/// What endpoints and egress proxies are told which program calls.
const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
