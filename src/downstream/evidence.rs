//! What the socket itself proves about a client, before a byte of its request is believed.

use std::net::SocketAddr;

/// Facts about the other end of a connection that its owner cannot choose freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerEvidence {
    /// A TCP connection: the peer's address.
    Tcp {
        /// As the kernel reports it.
        address: SocketAddr,
    },
}
