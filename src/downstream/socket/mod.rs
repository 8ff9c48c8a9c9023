//! Listening sockets: bound by us or inherited, TCP or Unix, and what a worker accepts from.

pub mod bound;
mod canonical;
pub mod inherited;
pub mod listener;
pub mod unix_socket;

pub use canonical::canonical;
