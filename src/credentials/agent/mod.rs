//! Stores that have a process of their own, because what they need would open the process that faces the network: to start
//! programs, to load libraries, to reach other hosts.
//!
//! [`AgentStore`] starts the process (this very executable, `countersign key-agent`) before the program confines itself and before
//! it has a second thread, with next to no environment, and hands it an [`Order`]: which store to be. From then on the two share
//! nothing but a socket of messages (`message`), over which the one asks for the key and the other answers with its JSON, or
//! with what is the matter. What the order says cannot be changed later: whoever takes the network-facing process over can ask
//! for the key, which it has anyway, and for nothing else. The agent ends when its socket does, that is with its parent.
//!
//! A store whose libraries leave secrets behind, or may hang, has another process for each time it is asked: see [`errand`].
//!
//! The agent starts no threads of its own unless its store does, and prints nothing.

mod client;
pub mod errand;
mod message;
pub(in crate::credentials) mod order;
mod serve;

pub use client::{Agent, AgentError, AgentStore, packet_sockets};
pub use order::{ORDER, Order, OrderError, RemoteStore};
pub use serve::{Fetch, ServeError, serve};
