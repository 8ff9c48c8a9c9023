//! `[admin]` as the program uses it.

use std::fmt;

use super::listener::ListenOn;
use crate::downstream::TcpSocket;
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

/// Who gets the page and the report of the process: `/` and `/status`. Anybody else is answered with 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPage {
    /// `status = true`: whoever reaches the admin listener.
    Everybody,
    /// Without a `status` line: who calls from this host, by a loopback address or a Unix socket.
    ThisHost,
    /// `status = false`: nobody.
    Nobody,
}

impl StatusPage {
    /// Who gets it, in words.
    #[must_use]
    pub const fn audience(self) -> &'static str {
        match self {
            Self::Everybody => "whoever reaches this address",
            Self::ThisHost => "callers on this host",
            Self::Nobody => "nobody",
        }
    }
}

/// Where health and metrics are served. Addresses beyond loopback are allowed: nothing secret is served there, and the
/// kubelet calls the pod's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// `IP:PORT`; port 0 takes any free one. `only_v6` says whether `[::]` serves IPv4 too.
    Tcp(TcpSocket),
    /// `unix:/path`, and who may connect to it.
    Unix(UnixSocket),
}

impl AdminAddress {
    /// The same address as one of a listener.
    #[must_use]
    pub fn listen_on(&self) -> ListenOn {
        match self {
            Self::Tcp(socket) => ListenOn::Tcp(*socket),
            Self::Unix(socket) => ListenOn::Unix(socket.clone()),
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(socket) => write!(f, "{}", socket.address),
            Self::Unix(socket) => write!(f, "unix:{}", socket.path.display()),
        }
    }
}
