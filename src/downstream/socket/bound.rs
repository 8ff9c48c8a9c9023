//! A bound socket in the hands of one worker, of whatever kind, and the connections it yields.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Whether a TCP listener asks the kernel who owns the other end of its loopback connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerLookup {
    /// It asks, once per connection (two netlink messages, some ten microseconds). Needs `AF_NETLINK`, which systemd's
    /// `RestrictAddressFamilies=` must then allow; without it there is never an owner.
    Ask,
    /// It does not.
    Skip,
}

/// What one worker accepts from. Made inside the worker's runtime, from a [`super::listener::ListenerSocket`].
pub enum Bound {
    /// TCP.
    Tcp(TcpListener),
    /// Unix.
    Unix(UnixListener),
}

/// A connection that has been accepted and about which nothing has been asked yet.
pub(in crate::downstream) enum Stranger {
    Tcp { stream: TcpStream, address: SocketAddr },
    Unix(UnixStream),
}

impl Bound {
    pub(in crate::downstream) async fn accept(&self) -> io::Result<Stranger> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, address)| Stranger::Tcp { stream, address }),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _unnamed)| Stranger::Unix(stream)),
        }
    }
}
