//! Key stores in a process of their own, because they need rights that the network-facing process must not have: to
//! start programs, to load libraries, to reach other hosts.
//!
//! [`AgentStore`] starts the process (our own executable, as `countersign key-agent`) before the program confines
//! itself and before it has a second thread, with almost no environment, and gives it an [`Order`] that says which
//! store to be. From then on the two processes share only a packet socket (`message`): the parent asks for the key, and
//! the agent answers with its JSON or an error. The order cannot be changed later: an attacker in the network-facing
//! process can ask for the key, which that process has anyway, and for nothing else. The agent ends when its socket is
//! closed, that is, with its parent.
//!
//! A store whose libraries leave secrets in memory, or may hang, uses a further process for each load: see
//! [`one_shot`].
//!
//! The agent knows no store: a store implements [`RemoteStore`] for the parent and [`Fetch`] for the agent. The agent
//! starts no threads of its own, and prints nothing.

mod client;
mod message;
pub mod one_shot;
pub(in crate::credentials) mod order;
mod serve;

pub use client::{Agent, AgentError, AgentStore, packet_sockets};
pub use order::{ORDER, Order, OrderError, RemoteStore};
pub use serve::{Fetch, ServeError, serve};
