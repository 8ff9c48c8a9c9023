//! The client's side: listeners, accepting, peer evidence, reading bodies within limits, draining.
//!
//! Knows HTTP framing and nothing of signing: what happens with a request is a [`Handler`]'s business.
//!
//! A socket is bound ([`listener`], [`unix_socket`]) or inherited ([`inherited`]) before there are workers; each worker makes a
//! [`Bound`] of its share and [`accept()`]s from it. `greeting` gathers the [`PeerEvidence`] (asking [`loopback`], or
//! [`certificate`] after [`tls`]), then `connection` speaks HTTP. `stream` keeps the clocks of its socket, and [`crate::http1`]
//! judges what comes. Usual requests (`usual`)
//! are served by `direct`: the `shared_stream` is read by it and by the [`RequestBody`], and `answering` writes. All others are
//! hyper's, which `tap` shows only heads that have been judged.

pub mod accept;
mod answering;
pub mod body;
pub mod budget;
pub mod capacity;
pub mod connection;
mod direct;
pub mod drain;
mod ending;
mod greeting;
pub mod message;
pub mod peer;
pub mod request_body;
pub mod service;
mod shared_stream;
pub mod socket;
pub mod stream;
mod tap;
mod usual;

pub use crate::http1::{HeadFault, RequestHead};
pub use accept::accept;
pub use body::{BodyError, BodyLimits};
pub use budget::{ByteBudget, Held};
pub use capacity::{Capacity, Permit};
pub use connection::{Handler, Limits};
pub use drain::Drain;
pub use message::Reply;
pub use peer::evidence::{PeerEvidence, PeerFacts};
pub use peer::{JwksError, TokenAlgorithm, loopback, service_account, tls};
pub use request_body::RequestBody;
pub use service::{Current, Service};
pub use socket::bound::{Bound, OwnerLookup};
pub use socket::listener::{ListenAddress, ListenerSocket};
pub use socket::{inherited, listener, unix_socket};
