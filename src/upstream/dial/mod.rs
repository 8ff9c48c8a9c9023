//! The way to a connection to an endpoint: name lookup, the race of addresses, TCP, a tunnel through a proxy, TLS.

pub(in crate::upstream) mod addresses;
pub mod connect;
mod eyeballs;
mod lookups;
pub mod next_hop;
pub mod proxy_credentials;
pub(in crate::upstream) mod tunnel;
