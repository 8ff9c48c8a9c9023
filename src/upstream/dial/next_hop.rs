//! Where the connections for an endpoint are made to: the endpoint itself, or what stands in front of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The other end of a connection, which need not be the endpoint: a tunnel or a proxy may stand there that passes the
/// connection on. The name of the certificate and the Host that is signed are the endpoint's in every case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextHop {
    /// A host and a port.
    Tcp {
        /// A name, with its trailing dot if it has one, or an address, IPv6 without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A Unix socket with an absolute path.
    Unix(PathBuf),
}

impl NextHop {
    /// Whether nothing that is sent there leaves this machine. The text alone decides: a name that only resolves to a
    /// loopback address does not count, except `localhost`.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Tcp { host, port: _ } => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }

    /// Whether a name has to be resolved to get there.
    #[must_use]
    pub fn is_name(&self) -> bool {
        match self {
            Self::Tcp { host, port: _ } => host.parse::<IpAddr>().is_err(),
            Self::Unix(_) => false,
        }
    }

    /// The TCP port, if it has one.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { host: _, port } => Some(*port),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => match host.parse::<IpAddr>() {
                Ok(address) => SocketAddr::new(address, *port).fmt(f),
                Err(_) => write!(f, "{host}:{port}"),
            },
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str) -> NextHop {
        NextHop::Tcp { host: host.to_owned(), port: 443 }
    }

    #[test]
    fn only_what_the_text_says_is_on_this_machine() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "::1"] {
            assert!(tcp(host).is_on_this_machine(), "{host}");
        }
        for host in ["localhost.", "localhost.example.com", "10.0.0.1", "::", "::ffff:127.0.0.1", "sidecar"] {
            assert!(!tcp(host).is_on_this_machine(), "{host}");
        }
        assert!(NextHop::Unix("/run/envoy.sock".into()).is_on_this_machine());
    }

    #[test]
    fn it_is_written_as_in_the_configuration() {
        for (hop, text) in [
            (tcp("::1"), "[::1]:443"),
            (tcp("127.0.0.1"), "127.0.0.1:443"),
            (tcp("envoy.example."), "envoy.example.:443"),
            (NextHop::Unix("/run/envoy.sock".into()), "unix:/run/envoy.sock"),
        ] {
            assert_eq!(hop.to_string(), text);
        }
    }

    #[test]
    fn only_names_are_resolved() {
        assert!(tcp("localhost").is_name() && tcp("a.example.").is_name());
        assert!(!tcp("::1").is_name() && !tcp("192.0.2.1").is_name());
        assert!(!NextHop::Unix("/run/envoy.sock".into()).is_name());
    }
}
