//! One worker's share of a listening socket, TCP or Unix, and the connections it accepts.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Whether a TCP listener asks the kernel who owns the other end of its loopback connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerLookup {
    /// It asks, once per connection (two netlink messages, about ten microseconds). Needs `AF_NETLINK`, which systemd's
    /// `RestrictAddressFamilies=` must then allow; without it no owner is ever found.
    Ask,
    /// It does not ask.
    Skip,
}

/// What one worker accepts from. Registered with the worker's runtime, from a [`super::listener::ListenerSocket`].
pub enum Bound {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// A connection that has been accepted. Nothing is known of its peer yet.
pub(in crate::downstream) enum Accepted {
    Tcp { stream: TcpStream, address: SocketAddr },
    Unix(UnixStream),
}

impl Bound {
    pub(in crate::downstream) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, address)| Accepted::Tcp { stream, address }),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _unnamed)| Accepted::Unix(stream)),
        }
    }
}
