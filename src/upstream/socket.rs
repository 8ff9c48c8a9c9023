//! A connection to an endpoint, with TLS or without, that knows how many bytes were written and whether it can
//! still be used.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::stream::Stream;

/// A stream that counts what is written.
pub(super) struct Watched {
    stream: Stream,
    written: u64,
    refused: bool,
}

impl Watched {
    /// Watches `stream`.
    pub(super) fn new(stream: impl Into<Stream>) -> Self {
        Self { stream: stream.into(), written: 0, refused: false }
    }

    /// Whether something can be read, as [`Stream::peek`] sees it. Nobody reads from a connection while it is idle.
    fn look(&self) -> Look {
        match self.stream.peek() {
            _ if self.refused => Look::Ended,
            Ok(0) => Look::Ended,
            Ok(_more) => Look::Spoken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Look::Quiet,
            Err(_reset) => Look::Ended,
        }
    }

    /// An endpoint may respond and close before it has read the whole request. Its response must then still be read,
    /// and an error from writing the rest of the request must not hide it: after the first refused write, further bytes
    /// are discarded, and the reading side decides. The kernel reports a reset only once, so the end of such a
    /// connection never counts as an orderly end.
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
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
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
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
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
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        polled.map(|wrote| self.after_writing(wrote, offered))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What an endpoint has done while nothing was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing.
    Quiet,
    /// It has sent something, which may be application data.
    Spoken,
    /// It has closed the connection, or reset it.
    Ended,
}

/// With TLS or without.
pub(super) enum Socket {
    Tls(Box<TlsStream<Watched>>),
    Plain(Watched),
}

impl Socket {
    /// How many bytes the kernel has taken so far. While this number does not change, nothing was sent: the kernel
    /// keeps nothing that it refused, and what TLS buffers is not sent.
    pub(super) fn written(&self) -> u64 {
        match self {
            Self::Tls(tls) => tls.get_ref().0.written,
            Self::Plain(tcp) => tcp.written,
        }
    }

    /// What the endpoint has done since its last answer.
    pub(super) fn look(&mut self) -> Look {
        match self {
            Self::Tls(tls) => look_into(tls),
            Self::Plain(tcp) => tcp.look(),
        }
    }
}

/// TLS itself may send messages at any time: session tickets and key updates are processed, and need no response.
fn look_into(tls: &mut TlsStream<Watched>) -> Look {
    let mut look = tls.get_ref().0.look();
    if look == Look::Spoken {
        let (mut byte, mut nobody) = ([0; 1], Context::from_waker(Waker::noop()));
        if Pin::new(&mut *tls).poll_read(&mut nobody, &mut ReadBuf::new(&mut byte)).is_ready() {
            return Look::Ended; // a byte of application data may be lost now, so the connection cannot be used
        }
        look = tls.get_ref().0.look();
    }
    match tls.get_mut().1.process_new_packets() {
        Ok(state) if state.peer_has_closed() => Look::Ended,
        Ok(state) if state.plaintext_bytes_to_read() > 0 => Look::Spoken,
        Ok(_) => look,
        Err(_) => Look::Ended,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{Anchors, ClientTls, client_config, provider};
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;

    type Endpoint = StreamOwned<ServerConnection, std::net::TcpStream>;

    /// A connection over TLS whose endpoint has answered "a", and whose client has read that.
    async fn connected() -> (Socket, Endpoint) {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key);
        let server = Arc::new(server.unwrap());
        let anchors = Anchors::usable([cert.der().clone()]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            let mut endpoint = StreamOwned::new(ServerConnection::new(server).unwrap(), tcp);
            endpoint.write_all(b"a").unwrap();
            endpoint.flush().unwrap();
            endpoint
        });
        let connector = TlsConnector::from(client_config(Arc::new(anchors), &ClientTls::PLAIN).unwrap());
        let tcp = Watched::new(TcpStream::connect(address).await.unwrap());
        let tls = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
        let mut socket = Socket::Tls(Box::new(tls));
        assert_eq!(socket.read_u8().await.unwrap(), b'a');
        (socket, serving.join().unwrap())
    }

    /// Waits until the runtime, too, knows that something has come.
    async fn has_come(socket: &Socket) {
        let Socket::Tls(tls) = socket else { panic!("it is over TLS") };
        tls.get_ref().0.stream.readable().await.unwrap();
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn what_tls_says_to_tls_is_taken_in_and_what_it_carries_is_not() {
        run(async {
            let (mut socket, mut endpoint) = connected().await;
            assert_eq!(socket.look(), Look::Quiet, "its session tickets came before the answer");
            endpoint.conn.refresh_traffic_keys().unwrap();
            endpoint.flush().unwrap();
            has_come(&socket).await;
            assert_eq!(socket.look(), Look::Quiet);
            endpoint.write_all(b"b").unwrap();
            endpoint.flush().unwrap();
            has_come(&socket).await;
            assert_ne!(socket.look(), Look::Quiet);
        });
    }

    #[test]
    fn what_was_decrypted_and_not_read_is_seen() {
        run(async {
            let (mut socket, mut endpoint) = connected().await;
            endpoint.write_all(b"bc").unwrap();
            endpoint.flush().unwrap();
            assert_eq!(socket.read_u8().await.unwrap(), b'b');
            assert_eq!(socket.look(), Look::Spoken);
        });
    }

    #[test]
    fn an_end_is_seen_whether_tls_announces_it_or_not() {
        for announced in [true, false] {
            run(async {
                let (mut socket, mut endpoint) = connected().await;
                if announced {
                    endpoint.conn.send_close_notify();
                    endpoint.flush().unwrap();
                } else {
                    endpoint.sock.shutdown(std::net::Shutdown::Write).unwrap();
                }
                has_come(&socket).await;
                assert_eq!(socket.look(), Look::Ended);
                drop(socket);
                assert!(!endpoint.read(&mut [0; 1]).is_ok_and(|read| read > 0), "nothing was written");
            });
        }
    }
}
