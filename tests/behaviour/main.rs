//! countersign as clients, endpoints and operators meet it: the real program, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)] // a test fails by panicking
#![allow(unreachable_pub)] // one program: everything in it is

#[path = "../harness/mod.rs"]
mod harness;

mod addresses;
mod admin;
mod age_plugins;
mod audit;
mod client_certificates;
mod clock;
mod clouds;
mod conf_d;
mod configured;
mod confined;
mod cut_answers;
mod dialect_errors;
mod dialect_keys;
mod dialect_policy;
mod dialects;
mod echoes;
mod egress;
mod expiry;
mod failover;
mod failover_keys;
mod failover_lost_packets;
mod faults;
mod forwarded;
mod guarded_files;
mod hidden_routes;
mod issued_keys;
mod keep_alive;
mod key_stores;
mod keys;
mod leaving;
mod limits;
mod load;
mod metrics;
mod named_clients;
mod names;
mod next_hops;
mod outages;
mod placing;
mod pool;
mod probe;
mod query_strings;
mod rate_limit_fields;
mod readiness;
mod refused_forms;
mod refused_heads;
mod refused_starts;
mod relayed;
mod reload;
mod reload_routes;
mod reuse;
mod rolling;
mod rotation;
mod routes;
mod scrape;
mod secrecy;
mod signals;
mod signatures;
mod spellings;
mod spiffe;
mod stopping;
mod streaming;
mod traces;
mod unavailable;
mod untrusted;
mod warm;
