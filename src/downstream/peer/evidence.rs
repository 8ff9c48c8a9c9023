//! What the connection itself proves about a client, before a byte of its request is believed.

use std::net::{IpAddr, SocketAddr};

use super::certificate::Names;
use super::described::DescribedCertificate;

/// Facts about the other end of a connection that its owner cannot choose freely. Gathered once per connection, before
/// its first request; requests share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEvidence {
    facts: PeerFacts,
    shown: Box<str>,
}

/// The facts of [`PeerEvidence`], by the kind of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerFacts {
    /// A TCP connection.
    Tcp {
        /// The peer's address, as the kernel reports it.
        address: SocketAddr,
        /// The uid of the process that opened the other end, on listeners that ask ([`super::loopback`]). `None` proves
        /// nothing: it was not asked for, the peer is not on loopback, or the kernel gave no certain answer.
        owner: Option<u32>,
    },
    /// A Unix socket: what the kernel noted when the peer called `connect`.
    Unix {
        /// The peer's effective user.
        uid: u32,
        /// The peer's effective group. The kernel does not report supplementary groups here.
        gid: u32,
        /// For logs only: the number may be reused after the process has ended. `None` from outside our PID namespace.
        pid: Option<i32>,
    },
    /// TLS on TCP. Without client certificates on the listener, there are no names.
    Tls {
        /// The peer's address, as the kernel reports it.
        address: SocketAddr,
        /// The names in the verified client certificate.
        names: Names,
        /// The verified client certificate, as log and audit show it.
        certificate: Option<Box<DescribedCertificate>>,
    },
}

/// Who stands behind a connection as far as the kernel knows: what two connections of one program have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An address, without the port.
    Address(IpAddr),
    /// A user of this host.
    User(u32),
}

impl PeerEvidence {
    /// The facts, by the kind of connection.
    #[must_use]
    pub const fn facts(&self) -> &PeerFacts {
        &self.facts
    }

    /// Who stands behind the connection.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        match &self.facts {
            PeerFacts::Unix { uid, gid: _, pid: _ } => Origin::User(*uid),
            PeerFacts::Tcp { address: _, owner: Some(uid) } => Origin::User(*uid),
            PeerFacts::Tcp { address, owner: None } | PeerFacts::Tls { address, names: _, certificate: _ } => {
                Origin::Address(address.ip())
            }
        }
    }

    /// The verified client certificate, as log and audit show it.
    #[must_use]
    pub fn certificate(&self) -> Option<&DescribedCertificate> {
        match &self.facts {
            PeerFacts::Tls { address: _, names: _, certificate } => certificate.as_deref(),
            PeerFacts::Tcp { .. } | PeerFacts::Unix { .. } => None,
        }
    }
}

impl From<PeerFacts> for PeerEvidence {
    fn from(facts: PeerFacts) -> Self {
        let shown = match &facts {
            PeerFacts::Tcp { address, owner: None } => address.to_string(),
            PeerFacts::Tcp { address, owner: Some(uid) } => format!("{address},uid={uid}"),
            PeerFacts::Unix { uid, gid: _, pid: None } => format!("unix:uid={uid}"),
            PeerFacts::Unix { uid, gid: _, pid: Some(pid) } => format!("unix:uid={uid},pid={pid}"),
            PeerFacts::Tls { address, names: _, certificate: _ } => format!("tls:{address}"),
        };
        Self { facts, shown: shown.into() }
    }
}

impl AsRef<str> for PeerEvidence {
    /// One word for log lines: an address, or `unix:uid=1000`. Names are left to whoever identifies the client.
    fn as_ref(&self) -> &str {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_shown_as_one_word() {
        let address = "[::1]:49152".parse().unwrap();
        let names = Names { spiffe_id: Some("spiffe://a/b".to_owned()), ..Names::default() };
        for (facts, shown) in [
            (PeerFacts::Tcp { address, owner: None }, "[::1]:49152"),
            (PeerFacts::Tcp { address, owner: Some(7) }, "[::1]:49152,uid=7"),
            (PeerFacts::Unix { uid: 7, gid: 8, pid: None }, "unix:uid=7"),
            (PeerFacts::Unix { uid: 7, gid: 8, pid: Some(9) }, "unix:uid=7,pid=9"),
            (PeerFacts::Tls { address, names, certificate: None }, "tls:[::1]:49152"),
        ] {
            assert_eq!(PeerEvidence::from(facts).as_ref(), shown);
        }
    }
}
