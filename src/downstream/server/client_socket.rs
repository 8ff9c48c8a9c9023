//! What carries a client's bytes: TCP, TLS on TCP, or a Unix socket.

use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::metered::Metered;

/// What is known of the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Nothing says that it has closed anything.
    Open,
    /// It will send nothing more. It may be gone, or still read: the two cannot be distinguished.
    HalfClosed,
    /// It reads nothing more: it has reset the connection, or closed it completely.
    Gone,
}

/// What carries a client's bytes.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// The most bytes that are written at once.
    const MOST_AT_ONCE: usize = usize::MAX;

    /// Tries to write a part of `bytes` although the kernel has not said that it takes any: it says so late. Nothing is
    /// woken when it takes none.
    fn write_unasked(&self, _bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    /// Pending as long as there is nothing to read, where that can be known without trying.
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// What is known of the other end, even while there are unread bytes.
    fn peer(&self) -> Peer {
        Peer::Open
    }

    /// How many bytes the kernel has taken, of the `written` ones or of what was made of them.
    fn taken(&self, written: u64) -> u64 {
        written
    }

    /// Makes the close that follows look like a failure to the other end, and discards what it has not received yet.
    fn reset_on_close(&self);
}

impl Socket for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(drop)
    }

    fn peer(&self) -> Peer {
        look_at(self)
    }

    fn reset_on_close(&self) {
        // should it fail, the close is an ordinary one, and the framing alone says that the response was cut
        let _best_effort = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Socket for TlsStream<Metered> {
    fn peer(&self) -> Peer {
        look_at(self.get_ref().0.tcp())
    }

    /// TLS buffers what it has encrypted: what it has accepted says nothing of what has left.
    fn taken(&self, _: u64) -> u64 {
        self.get_ref().0.taken()
    }

    fn reset_on_close(&self) {
        self.get_ref().0.tcp().reset_on_close();
    }
}

impl Socket for UnixStream {
    /// The kernel frees what was written at once when the client has read all of it: this is the step in which it can
    /// be seen to read.
    const MOST_AT_ONCE: usize = 16 * 1024;

    /// The kernel says that it takes more when three quarters of 208 KiB have been read, and takes more as soon as
    /// anything is freed.
    fn write_unasked(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        write_at_once(self, bytes)
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(drop)
    }

    fn peer(&self) -> Peer {
        look_at(self)
    }

    /// Unix sockets have no reset: only the framing shows that the response was cut.
    fn reset_on_close(&self) {}
}

fn write_at_once(socket: impl AsFd, bytes: &[u8]) -> Poll<io::Result<usize>> {
    match send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN) => Poll::Pending,
        written => Poll::Ready(written.map_err(io::Error::from)),
    }
}

/// Asks the kernel. A TCP socket hangs up when it was reset, a Unix socket when the other end was closed; a FIN, or the
/// other end's shutdown for writing, is the end of what it sends.
fn look_at(socket: impl AsFd) -> Peer {
    let mut looked = [PollFd::new(&socket, PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut looked, Some(&at_once)).is_err() {
        return Peer::Open;
    }
    let [looked] = &looked;
    let seen = looked.revents();
    if seen.intersects(PollFlags::HUP | PollFlags::ERR) {
        Peer::Gone
    } else if seen.contains(PollFlags::RDHUP) {
        Peer::HalfClosed
    } else {
        Peer::Open
    }
}
