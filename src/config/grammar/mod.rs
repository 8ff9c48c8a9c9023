//! What single values look like: addresses, hosts, paths, names of headers, Actions, identifiers of clients.

pub(crate) mod address;
pub(crate) mod call;
pub(crate) mod header;
pub(crate) mod identifier;
pub(crate) mod identity_pattern;
pub(crate) mod log_filter;
pub(crate) mod network;
pub(crate) mod never_forwarded;
pub(crate) mod no_proxy;
pub(crate) mod proxy_url;
pub(crate) mod resource;
pub(crate) mod route_choice;
pub mod token_uri;
