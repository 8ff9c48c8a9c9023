//! What the connection itself proves about a client, before a byte of its request is believed.

use std::fmt;
use std::net::SocketAddr;

/// Facts about the other end of a connection that its owner cannot choose freely. Gathered once per connection, before its
/// first request; requests share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvidence {
    /// A TCP connection.
    Tcp {
        /// The peer's address, as the kernel reports it.
        address: SocketAddr,
        /// The uid of the process that opened the other end, on listeners that ask ([`super::loopback`]). `None` is no
        /// evidence: not asked, not loopback, or the kernel gave no certain answer.
        owner: Option<u32>,
    },
    /// A Unix socket: what the kernel noted when the peer called `connect`.
    Unix {
        /// The peer's effective user.
        uid: u32,
        /// The peer's effective group. Its supplementary groups are not told.
        gid: u32,
        /// For logs only: a process may end and its number be given to another. `None` from outside our PID namespace.
        pid: Option<i32>,
    },
    /// TLS on TCP. Without client certificates on the listener, there are no names.
    Tls {
        /// The peer's address, as the kernel reports it.
        address: SocketAddr,
        /// The SPIFFE ID of the verified client certificate, when it is an X.509-SVID.
        spiffe_id: Option<String>,
        /// The DNS names of the verified client certificate, in lower case, those with a wildcard left out.
        dns_names: Vec<String>,
    },
}

impl fmt::Display for PeerEvidence {
    /// One word for a log line: an address, or `unix:uid=1000`. Names are left to whoever identifies the client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, owner: None } => write!(f, "{address}"),
            Self::Tcp { address, owner: Some(uid) } => write!(f, "{address},uid={uid}"),
            Self::Unix { uid, gid: _, pid: None } => write!(f, "unix:uid={uid}"),
            Self::Unix { uid, gid: _, pid: Some(pid) } => write!(f, "unix:uid={uid},pid={pid}"),
            Self::Tls { address, spiffe_id: _, dns_names: _ } => write!(f, "tls:{address}"),
        }
    }
}
