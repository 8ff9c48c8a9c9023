//! One worker's share of a listening socket, TCP or Unix, and the connections it accepts.

use std::io;
use std::net::{self, SocketAddr};
use std::os::unix;

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

/// An accepted connection on its way from the runtime of one worker to that of another.
pub(in crate::downstream) enum Unregistered {
    Tcp { stream: net::TcpStream, address: SocketAddr },
    Unix(unix::net::UnixStream),
}

impl Bound {
    pub(in crate::downstream) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, address)| Accepted::Tcp { stream, address }),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _unnamed)| Accepted::Unix(stream)),
        }
    }
}

impl Accepted {
    /// Takes it from this worker's runtime.
    pub(in crate::downstream) fn unregister(self) -> io::Result<Unregistered> {
        match self {
            Self::Tcp { stream, address } => stream.into_std().map(|stream| Unregistered::Tcp { stream, address }),
            Self::Unix(stream) => stream.into_std().map(Unregistered::Unix),
        }
    }
}

impl Unregistered {
    /// Registers it with this worker's runtime.
    pub(in crate::downstream) fn register(self) -> io::Result<Accepted> {
        match self {
            Self::Tcp { stream, address } => {
                TcpStream::from_std(stream).map(|stream| Accepted::Tcp { stream, address })
            }
            Self::Unix(stream) => UnixStream::from_std(stream).map(Accepted::Unix),
        }
    }
}
