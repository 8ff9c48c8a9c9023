//! Building and running the live program from [`crate::config::settings::Settings`]: the only place that names every module.
//!
//! `clients` puts the configured clients into the words of the policy, `graph` turns settings into what all workers share (keys,
//! TLS, counters; `key_stores` makes the stores of the keys, `key_reports` says what becomes of them, `probe` proves new ones),
//! `worker` makes one thread's part of it (routes with connections of their own) and serves, `running` starts and drains them all;
//! `listening` binds, `refresh` keeps listeners' certificates fresh, `token_keys` fetches the keys of token issuers. `confinement`
//! says what of the system they need.

pub mod clients;
pub mod confinement;
pub mod graph;
pub mod key_reports;
pub mod key_stores;
pub mod listening;
mod probe;
mod refresh;
pub mod running;
mod token_keys;
pub mod worker;

pub use confinement::confinement;
pub use graph::{BuildError, Graph};
pub use running::{Bound, Drained, Running, StartError};
