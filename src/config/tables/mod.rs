//! One reader for each table of the configuration.

pub(crate) mod admin;
pub(crate) mod callers;
pub(crate) mod client;
pub(crate) mod conf_d;
pub(crate) mod egress;
pub(crate) mod endpoint;
pub(crate) mod endpoint_tls;
pub(crate) mod fallback;
pub(crate) mod key;
pub(crate) mod listener;
pub(crate) mod listener_tls;
pub(crate) mod only_v6;
pub(crate) mod process;
pub(crate) mod profile;
pub(crate) mod rates;
pub(crate) mod relays;
pub(crate) mod route;
pub(crate) mod rules;
pub(crate) mod trace;
