//! The other end of a connection, as log and audit show it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The other end of a connection. Its `AsRef<str>` is one word for log and audit: an address, or `unix:uid=1000`.
pub(crate) trait Peer: AsRef<str> {
    /// Whose refusals are counted together.
    fn source(&self) -> Source;

    /// The addresses that spans show.
    fn addresses(&self) -> Addresses;

    /// The verified client certificate of the connection.
    fn certificate(&self) -> Option<CertificateText<'_>>;
}

/// Where a client is, and who passed its connection on, if there is somebody in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "otlp"), allow(dead_code))] // the exporter alone reads it
pub(crate) struct Addresses {
    /// The client's.
    pub(crate) client: Option<SocketAddr>,
    /// That of the other end of the connection; `None` on a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
}

/// A client certificate, as far as log and audit show it: escaped and short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CertificateText<'a> {
    pub(crate) serial: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) names: &'a [String],
}

/// Whose refusals are counted together: those of one user, one address, or one network of which every host can have
/// any number of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A user of this host.
    User(u32),
    /// A host with IPv4, or all of 127.0.0.0/8.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address.
    V6(Ipv6Addr),
    /// Sources beyond the size of the table, counted together.
    Many,
}

impl Source {
    /// The source that an address belongs to.
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) if address.is_loopback() => Self::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) if address.is_loopback() => Self::V6(address),
            IpAddr::V6(address) => Self::V6(Ipv6Addr::from_bits((address.to_bits() >> 64) << 64)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(f, "uid={uid}"),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) if address.is_loopback() => write!(f, "{address}"),
            Self::V6(network) => write!(f, "{network}/64"),
            Self::Many => f.write_str("many"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A peer of an address, for tests of what is written about one.
    pub(crate) struct Somebody(pub(crate) &'static str);

    impl AsRef<str> for Somebody {
        fn as_ref(&self) -> &str {
            self.0
        }
    }

    impl Peer for Somebody {
        fn source(&self) -> Source {
            Source::of(IpAddr::V4(Ipv4Addr::LOCALHOST))
        }

        fn addresses(&self) -> Addresses {
            Addresses { client: None, peer: None }
        }

        fn certificate(&self) -> Option<CertificateText<'_>> {
            None
        }
    }

    #[test]
    fn one_host_is_one_source_whatever_addresses_it_takes() {
        let shown = |address: &str| Source::of(address.parse().unwrap()).to_string();
        assert_eq!(shown("192.0.2.1"), "192.0.2.1");
        assert_eq!((shown("127.91.7.3"), shown("::ffff:127.0.0.9")), ("127.0.0.1".into(), "127.0.0.1".into()));
        assert_eq!((shown("2001:db8:1:2:3:4:5:6"), shown("::1")), ("2001:db8:1:2::/64".into(), "::1".into()));
        assert_eq!(Source::User(7).to_string(), "uid=7");
    }
}
