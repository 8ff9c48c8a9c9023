//! The way to a connection to an endpoint: name lookup, the race of addresses, TCP, TLS.

pub(in crate::upstream) mod addresses;
pub mod connect;
mod eyeballs;
pub mod next_hop;
