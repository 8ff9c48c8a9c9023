//! The client's side: listeners, accepting, peer evidence, reading bodies within limits, draining.
//!
//! Knows HTTP framing and nothing of signing: what happens with a request is a [`Handler`]'s business.
//!
//! A socket is bound ([`listener`], [`unix_socket`]) or inherited ([`inherited`]) before there are workers; each worker makes a
//! [`Bound`] of its share and [`accept()`]s from it. `greeting` gathers the [`PeerEvidence`] (asking [`loopback`], or
//! [`certificate`] after [`tls`]), then `connection` speaks HTTP. `stream` keeps the clocks of its socket, and [`request_head`]
//! judges what comes (`head_line` has the grammar of a head, [`crate::chunks`] that of a chunked body). Usual requests (`usual`)
//! are served by `direct`: the `shared_stream` is read by it and by the [`RequestBody`], and `answering` writes. All others are
//! hyper's, which `tap` shows only heads that have been judged.

pub mod accept;
mod answer_head;
mod answering;
pub mod body;
pub mod bound;
pub mod budget;
pub mod capacity;
pub mod certificate;
mod chunks;
pub mod connection;
mod direct;
pub mod drain;
mod ending;
pub mod evidence;
mod greeting;
mod head_line;
pub mod inherited;
mod jwks;
pub mod listener;
pub mod loopback;
pub mod message;
pub mod pem;
pub mod request_body;
pub mod request_head;
pub mod service;
pub mod service_account;
mod shared_stream;
pub mod stream;
mod tap;
pub mod tls;
pub mod unix_socket;
mod usual;

pub use accept::accept;
pub use body::{BodyError, BodyLimits};
pub use bound::{Bound, OwnerLookup};
pub use budget::{ByteBudget, Held};
pub use capacity::{Capacity, Permit};
pub use connection::{Handler, Limits};
pub use drain::Drain;
pub use evidence::{PeerEvidence, PeerFacts};
pub use jwks::{JwksError, TokenAlgorithm};
pub use listener::{ListenAddress, ListenerSocket};
pub use message::{Reply, RequestHead};
pub use request_body::RequestBody;
pub use request_head::HeadFault;
pub use service::{Current, Service};
