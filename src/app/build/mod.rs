//! From settings to what all workers share: routes, listeners, keys, clients. All of it can be checked without serving.

pub(crate) mod clients;
pub(crate) mod destination;
pub(crate) mod egress;
pub(crate) mod endpoint_calls;
pub(crate) mod error;
pub(crate) mod graph;
mod issued_keys;
mod key_needs;
pub(crate) mod key_stores;
pub(crate) mod probe;
mod proofs;
pub(crate) mod rate_store;
pub(crate) mod route_files;
pub(crate) mod share_summary;
mod shared_key;
pub(crate) mod shared_listener;
pub(crate) mod shared_route;
pub(crate) mod shares;
mod span_export;
pub(crate) mod span_places;
pub(crate) mod without_keys;
