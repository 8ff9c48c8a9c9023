//! The store itself: a connection of our own to a Valkey or Redis server, and the thread that asks it.

mod bounded;
mod connection;
mod replies;
#[cfg(test)]
mod tests;
mod thread;

pub use thread::{StoreThread, start, try_out};
