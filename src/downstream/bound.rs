//! A bound socket in the hands of one worker, of whatever kind, and the connections it yields.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::tls::ReloadableTls;

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
    /// Plain HTTP on TCP.
    Tcp {
        /// The socket.
        listener: TcpListener,
        /// Whether to ask for owners.
        owner: OwnerLookup,
    },
    /// Plain HTTP on a Unix socket.
    Unix(UnixListener),
    /// HTTP in TLS on TCP.
    Tls {
        /// The socket.
        listener: TcpListener,
        /// The configuration; each handshake takes the one that is current.
        tls: Arc<ReloadableTls>,
    },
}

/// A connection that has been accepted and about which nothing has been asked yet.
pub(super) enum Stranger {
    Tcp { stream: TcpStream, address: SocketAddr, owner: OwnerLookup },
    Unix(UnixStream),
    Tls { stream: TcpStream, address: SocketAddr, tls: Arc<ReloadableTls> },
}

impl Bound {
    pub(super) async fn accept(&self) -> io::Result<Stranger> {
        match self {
            Self::Tcp { listener, owner } => {
                let (stream, address) = listener.accept().await?;
                Ok(Stranger::Tcp { stream, address, owner: *owner })
            }
            Self::Unix(listener) => listener.accept().await.map(|(stream, _unnamed)| Stranger::Unix(stream)),
            Self::Tls { listener, tls } => {
                let (stream, address) = listener.accept().await?;
                Ok(Stranger::Tls { stream, address, tls: Arc::clone(tls) })
            }
        }
    }
}
