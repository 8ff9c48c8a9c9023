//! `[admin]` as the program uses it.

use std::fmt;
use std::net::SocketAddr;

use crate::downstream::unix_socket::UnixSocket;

/// `[admin]`: `/livez`, `/readyz`, `/metrics`, and the status page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `address`: one or several.
    pub addresses: Vec<AdminAddress>,
    /// `hosts`: values of `Host` that are accepted besides IP addresses and `localhost`. Lower case.
    pub hosts: Vec<String>,
    /// `status`.
    pub status: StatusPage,
}

/// Whether the admin listener has a page and a report of the process: `/` and `/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPage {
    /// It has.
    Served,
    /// `status = false`: both are answered with 404.
    Off,
}

/// Where health and metrics are served. Addresses beyond loopback are allowed: nothing secret is served, and the
/// kubelet calls the pod's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// `IP:PORT`; port 0 takes any free one.
    Tcp(SocketAddr),
    /// `unix:/path`, and who may connect to it.
    Unix(UnixSocket),
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(socket) => write!(f, "unix:{}", socket.path.display()),
        }
    }
}
