//! Building and running the live program from [`crate::config::settings::Settings`]: the only place that names every module.
//!
//! `graph` turns settings into what all workers share (keys, TLS, counters), `worker` makes one thread's part of it (routes with
//! connections of their own) and serves, `running` starts and drains them all.

pub mod graph;
pub mod running;
pub mod worker;

pub use graph::{BuildError, Graph};
pub use running::{Bound, Drained, Running, StartError};
