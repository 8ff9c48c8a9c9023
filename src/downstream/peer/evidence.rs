//! What the connection itself proves about a client, before a byte of its request is believed.

use std::net::{IpAddr, SocketAddr};

use super::certificate::Names;
use super::described::DescribedCertificate;

/// What the kernel writes for users and groups that do not exist in our user namespace (`PrivateUsers=` of systemd, a
/// container's own): it stands for all of them, and so proves nothing. (The number can be changed with
/// `kernel.overflowuid` and `kernel.overflowgid`, which is hardly ever done.)
pub const OVERFLOW_ID: u32 = 65534;

/// Facts about the other end of a connection that its owner cannot choose freely. Gathered once per connection, before
/// its first request; requests share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEvidence {
    facts: PeerFacts,
    way: Way,
    shown: Box<str>,
}

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the peer, which is the client as far as is known.
    Direct,
    /// Through a load balancer that the configuration names, which is the peer. What it says of the client's address is
    /// shown, and proves nothing.
    Relayed(Option<SocketAddr>),
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
    /// The evidence about a connection that came this way.
    #[must_use]
    pub fn new(facts: PeerFacts, way: Way) -> Self {
        let shown = shown(&facts, way).into();
        Self { facts, way, shown }
    }

    /// Whether the other end is a load balancer: what the kernel says of it holds for none of its clients.
    #[must_use]
    pub const fn is_relayed(&self) -> bool {
        match self.way {
            Way::Direct => false,
            Way::Relayed(_) => true,
        }
    }

    /// The address of the other end; `None` on a Unix socket.
    #[must_use]
    pub const fn peer_address(&self) -> Option<SocketAddr> {
        match &self.facts {
            PeerFacts::Tcp { address, owner: _ } | PeerFacts::Tls { address, names: _, certificate: _ } => {
                Some(*address)
            }
            PeerFacts::Unix { uid: _, gid: _, pid: _ } => None,
        }
    }

    /// The client's address, as the load balancer in front says or the kernel.
    #[must_use]
    pub const fn client_address(&self) -> Option<SocketAddr> {
        match self.way {
            Way::Relayed(Some(client)) => Some(client),
            Way::Relayed(None) | Way::Direct => self.peer_address(),
        }
    }

    /// The facts, by the kind of connection.
    #[must_use]
    pub const fn facts(&self) -> &PeerFacts {
        &self.facts
    }

    /// Whether the connection came on a Unix socket.
    #[must_use]
    pub const fn is_unix(&self) -> bool {
        match &self.facts {
            PeerFacts::Unix { uid: _, gid: _, pid: _ } => true,
            PeerFacts::Tcp { address: _, owner: _ } | PeerFacts::Tls { address: _, names: _, certificate: _ } => false,
        }
    }

    /// Who stands behind the connection. Only refusals are counted by it: it may be what a load balancer says.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        if let Way::Relayed(Some(client)) = self.way {
            return Origin::Address(client.ip());
        }
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
        Self::new(facts, Way::Direct)
    }
}

fn shown(facts: &PeerFacts, way: Way) -> String {
    match (way, facts) {
        (Way::Relayed(Some(client)), PeerFacts::Tcp { address, owner: _ }) => format!("{client},via={address}"),
        (Way::Relayed(Some(client)), PeerFacts::Tls { address, names: _, certificate: _ }) => {
            format!("tls:{client},via={address}")
        }
        (Way::Relayed(Some(client)), PeerFacts::Unix { .. }) => format!("{client},via={}", shown(facts, Way::Direct)),
        (_, PeerFacts::Tcp { address, owner: None }) => address.to_string(),
        (_, PeerFacts::Tcp { address, owner: Some(uid) }) => format!("{address},uid={uid}"),
        (_, PeerFacts::Unix { uid, gid: _, pid: None }) => format!("unix:uid={uid}"),
        (_, PeerFacts::Unix { uid, gid: _, pid: Some(pid) }) => format!("unix:uid={uid},pid={pid}"),
        (_, PeerFacts::Tls { address, names: _, certificate: _ }) => format!("tls:{address}"),
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

    #[test]
    fn a_relayed_client_is_shown_with_the_load_balancer_it_came_through() {
        let (address, client) = ("10.0.0.5:49152".parse().unwrap(), "192.0.2.1:7".parse().unwrap());
        let names = Names::default();
        for (facts, shown) in [
            (PeerFacts::Tcp { address, owner: None }, "192.0.2.1:7,via=10.0.0.5:49152"),
            (PeerFacts::Unix { uid: 7, gid: 8, pid: Some(9) }, "192.0.2.1:7,via=unix:uid=7,pid=9"),
            (PeerFacts::Tls { address, names, certificate: None }, "tls:192.0.2.1:7,via=10.0.0.5:49152"),
        ] {
            let unknown = PeerEvidence::new(facts.clone(), Way::Relayed(None));
            assert_eq!(unknown.as_ref(), PeerEvidence::from(facts.clone()).as_ref());
            let relayed = PeerEvidence::new(facts, Way::Relayed(Some(client)));
            assert_eq!(relayed.as_ref(), shown);
            assert_eq!((relayed.client_address(), relayed.origin()), (Some(client), Origin::Address(client.ip())));
            assert!(relayed.is_relayed() && unknown.is_relayed());
        }
    }
}
