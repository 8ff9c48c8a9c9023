//! Serving a graph: workers, the admin listener, and the threads that keep keys and certificates fresh.

pub(crate) mod error;
pub(crate) mod key_reports;
mod refresh;
pub(crate) mod running;
pub(crate) mod serving;
mod token_keys;
mod worker;
