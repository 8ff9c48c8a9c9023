//! A TCP connection that is watched while it carries HTTP, with TLS or without: how much left on it, and whether it is still
//! fit to use.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A TCP connection, and what is known of it.
pub(super) struct Watched {
    tcp: TcpStream,
    written: u64,
    refused: bool,
}

impl Watched {
    /// Watches `tcp`.
    pub(super) const fn new(tcp: TcpStream) -> Self {
        Self { tcp, written: 0, refused: false }
    }

    /// Whether nothing waits to be read: neither an end, nor an error, nor bytes that nobody asked for. This asks the kernel:
    /// while a connection is idle nobody reads from it.
    fn is_quiet(&self) -> bool {
        let mut peeked = [0_u8; 1];
        !self.refused
            && recv(&self.tcp, &mut peeked[..], RecvFlags::PEEK | RecvFlags::DONTWAIT).err()
                == Some(rustix::io::Errno::AGAIN)
    }

    /// An endpoint may answer and close before it has read all of a request. Its answer is then still to be read, and an error
    /// about the rest of the request must not go before it: from the first refusal on, what is written goes nowhere, and the
    /// reading side decides. The kernel tells of a reset only once, so that its end is never taken for an end in order.
    fn after_writing(&mut self, wrote: io::Result<usize>, offered: usize) -> io::Result<usize> {
        match wrote {
            Ok(bytes) => {
                self.written = self.written.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
                Ok(bytes)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                self.refused = true;
                Ok(offered)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buf);
        let ended = matches!(polled, Poll::Ready(Ok(()))) && buf.filled().len() == before && buf.remaining() > 0;
        if ended && self.refused {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.refused {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut self.tcp).poll_write(cx, buf);
        polled.map(|wrote| self.after_writing(wrote, buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = bufs.iter().fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        if self.refused {
            return Poll::Ready(Ok(offered));
        }
        let polled = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        polled.map(|wrote| self.after_writing(wrote, offered))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// With TLS or without.
pub(super) enum Socket {
    Tls(Box<TlsStream<Watched>>),
    Plain(Watched),
}

impl Socket {
    /// Bytes that the kernel has taken so far. While this number stands still, nothing was sent: what the kernel refused it
    /// did not keep, and what TLS holds back is not sent.
    pub(super) fn written(&self) -> u64 {
        match self {
            Self::Tls(tls) => tls.get_ref().0.written,
            Self::Plain(tcp) => tcp.written,
        }
    }

    /// Whether the endpoint has neither closed the connection nor said anything since its last answer.
    pub(super) fn is_quiet(&mut self) -> bool {
        match self {
            Self::Tls(tls) => is_quiet_in_tls(tls),
            Self::Plain(tcp) => tcp.is_quiet(),
        }
    }
}

/// TLS itself may speak at any time: a session ticket or a new key is taken in, and asks for no answer.
fn is_quiet_in_tls(tls: &mut TlsStream<Watched>) -> bool {
    if !tls.get_ref().0.is_quiet() {
        let (mut byte, mut nobody) = ([0; 1], Context::from_waker(Waker::noop()));
        let data_or_end = Pin::new(&mut *tls).poll_read(&mut nobody, &mut ReadBuf::new(&mut byte)).is_ready();
        if data_or_end || !tls.get_ref().0.is_quiet() {
            return false;
        }
    }
    let (_, session) = tls.get_mut();
    session.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed())
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
