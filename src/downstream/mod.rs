//! The client's side: listeners, accepting, peer evidence, reading bodies within limits, draining.
//!
//! Knows HTTP framing and nothing of signing: what happens with a request is a [`Handler`]'s business.

pub mod accept;
pub mod body;
pub mod capacity;
pub mod connection;
pub mod evidence;
pub mod listener;
pub mod stream;

pub use accept::{Drain, accept};
pub use body::{BodyError, BodyLimits};
pub use capacity::{Capacity, Permit};
pub use connection::{Handler, Limits};
pub use evidence::PeerEvidence;
