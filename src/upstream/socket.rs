//! A TCP connection that is watched while hyper and rustls drive it: how much left on it, and whether it is still fit to use.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What the driver of a socket and the owner of its connection both know. All of a worker runs on one thread: no borrow of
/// the stream lasts longer than one call.
#[derive(Clone)]
pub(super) struct Line(Rc<Shared>);

struct Shared {
    tcp: RefCell<TcpStream>,
    written: Cell<u64>,
    refused: Cell<bool>,
}

impl Line {
    /// Watches `tcp`; the second half is what reads and writes.
    pub(super) fn watch(tcp: TcpStream) -> (Self, Watched) {
        let shared = Rc::new(Shared { tcp: RefCell::new(tcp), written: Cell::new(0), refused: Cell::new(false) });
        (Self(Rc::clone(&shared)), Watched(shared))
    }

    /// Bytes that the kernel has taken so far. While this number stands still, nothing was sent: what the kernel refused it
    /// did not keep.
    pub(super) fn written(&self) -> u64 {
        self.0.written.get()
    }

    /// Whether nothing waits to be read: neither an end, nor an error, nor bytes that nobody asked for. This asks the kernel
    /// and not hyper, which learns of them only when its task is next polled.
    pub(super) fn is_quiet(&self) -> bool {
        let mut peeked = [0_u8; 1];
        let tcp = self.0.tcp.borrow();
        let peek = recv(&*tcp, &mut peeked[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !self.0.refused.get() && peek.err() == Some(rustix::io::Errno::AGAIN)
    }
}

/// The half that reads and writes.
pub(super) struct Watched(Rc<Shared>);

impl Watched {
    /// An endpoint may answer and close before it has read all of a request. Its answer is then still to be read, and an error
    /// about the rest of the request must not go before it: from the first refusal on, what is written goes nowhere, and the
    /// reading side decides. The kernel tells of a reset only once, so that its end is never taken for an end in order.
    fn after_writing(&self, wrote: io::Result<usize>, offered: usize) -> io::Result<usize> {
        match wrote {
            Ok(bytes) => {
                let bytes_more = u64::try_from(bytes).unwrap_or(u64::MAX);
                self.0.written.set(self.0.written.get().saturating_add(bytes_more));
                Ok(bytes)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                self.0.refused.set(true);
                Ok(offered)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_read(cx, buf);
        let ended = matches!(polled, Poll::Ready(Ok(()))) && buf.filled().len() == before && buf.remaining() > 0;
        if ended && self.0.refused.get() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.0.refused.get() {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write(cx, buf);
        polled.map(|wrote| self.after_writing(wrote, buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = bufs.iter().fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        if self.0.refused.get() {
            return Poll::Ready(Ok(offered));
        }
        let polled = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write_vectored(cx, bufs);
        polled.map(|wrote| self.after_writing(wrote, offered))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.tcp.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_shutdown(cx)
    }
}

/// With TLS or without.
pub(super) enum Socket {
    Tls(Box<TlsStream<Watched>>),
    Plain(Watched),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tls(tls) => tls.is_write_vectored(),
            Self::Plain(tcp) => tcp.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
        }
    }
}
