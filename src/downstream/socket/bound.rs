//! One worker's share of a listening socket, TCP or Unix, and the connections it accepts.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{self, SocketAddr};
use std::os::unix;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::canonical::canonical;

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

/// All sockets of a listener in one worker.
pub(in crate::downstream) struct Sockets {
    all: Vec<Bound>,
    /// Which is asked first, so that no address waits for another.
    first: Cell<usize>,
}

impl Sockets {
    pub(in crate::downstream) const fn new(all: Vec<Bound>) -> Self {
        Self { all, first: Cell::new(0) }
    }

    pub(in crate::downstream) async fn accept(&self) -> io::Result<Accepted> {
        poll_fn(|cx| {
            let (earlier, later) = self.all.split_at(self.first.get().min(self.all.len()));
            for socket in later.iter().chain(earlier) {
                let next = self.first.get().saturating_add(1);
                self.first.set(if next < self.all.len() { next } else { 0 });
                if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Bound {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Self::Tcp(listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, address)| Accepted::Tcp { stream, address: canonical(address) }),
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(|(stream, _unnamed)| Accepted::Unix(stream)),
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
