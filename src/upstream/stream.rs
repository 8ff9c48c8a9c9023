//! The byte stream that a connection to an endpoint begins with: TCP, a Unix socket, or TLS with a proxy, which passes
//! on what goes through it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A stream as the kernel has it, or as it comes out of the TLS with a proxy.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// What is inside is the endpoint's own TLS: two layers, of which the outer one ends at the proxy.
    Proxied(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Looks at the next byte without taking it, as of the runtime's last poll of all sockets: the kernel is asked
    /// about this one only when the runtime has seen an event. 0 when the other end has closed it.
    pub(super) fn peek(&self) -> io::Result<usize> {
        const FLAGS: RecvFlags = RecvFlags::PEEK.union(RecvFlags::DONTWAIT);
        let mut peeked = [0_u8; 1];
        let (_, there) = match self {
            Self::Tcp(tcp) => tcp.try_io(Interest::READABLE, || Ok(recv(tcp, &mut peeked[..], FLAGS)?)),
            Self::Unix(unix) => unix.try_io(Interest::READABLE, || Ok(recv(unix, &mut peeked[..], FLAGS)?)),
            Self::Proxied(tls) => {
                let (tcp, session) = tls.get_ref();
                // it does not want to read more while it has bytes to hand out, or has seen the end
                if !session.wants_read() {
                    return Ok(1);
                }
                tcp.try_io(Interest::READABLE, || Ok(recv(tcp, &mut peeked[..], FLAGS)?))
            }
        }?;
        Ok(there)
    }

    /// Waits until the runtime knows that something has come.
    #[cfg(test)]
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.readable().await,
            Self::Unix(unix) => unix.readable().await,
            Self::Proxied(tls) => tls.get_ref().0.readable().await,
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Tcp(tcp)
    }
}

impl From<UnixStream> for Stream {
    fn from(unix: UnixStream) -> Self {
        Self::Unix(unix)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
            Self::Proxied(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, buf),
            Self::Proxied(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Unix(unix) => Pin::new(unix).poll_write_vectored(cx, bufs),
            Self::Proxied(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            Self::Unix(unix) => unix.is_write_vectored(),
            Self::Proxied(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Unix(unix) => Pin::new(unix).poll_flush(cx),
            Self::Proxied(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
            Self::Proxied(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
