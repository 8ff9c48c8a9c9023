//! One connection to an endpoint: name lookup, TCP, TLS, HTTP/1.1. Nothing of a request is written before the certificate is
//! verified.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::SendError;

/// Largest head of an answer, and most header fields in it.
const MAX_HEAD: usize = 64 * 1024;
const MAX_FIELDS: usize = 128;

/// Where a route's requests go: from configuration, never from a request.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host name or address to connect to, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS or not.
    pub security: Security,
}

/// How the connection is protected.
#[derive(Debug, Clone)]
pub enum Security {
    /// TLS, with the name the certificate must be for.
    Tls(Arc<ClientConfig>, ServerName<'static>),
    /// Nothing: loopback, or allowed explicitly.
    Plaintext,
}

/// A connection that can carry one request at a time. Dropping it closes the socket at once, whatever is under way.
pub struct Connection {
    /// Sends requests to the task that drives the socket.
    pub sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Endpoint {
    /// Opens a connection within `limit`.
    ///
    /// # Errors
    /// The variants of [`SendError`] that mean nothing was sent.
    pub async fn connect(&self, limit: Duration) -> Result<Connection, SendError> {
        timeout(limit, self.connect_unbounded()).await.unwrap_or(Err(SendError::ConnectTimeout))
    }

    async fn connect_unbounded(&self) -> Result<Connection, SendError> {
        let tcp = self.connect_tcp().await?;
        let socket = match &self.security {
            Security::Tls(config, name) => {
                let connector = TlsConnector::from(Arc::clone(config));
                Socket::Tls(Box::new(connector.connect(name.clone(), tcp).await.map_err(SendError::Tls)?))
            }
            Security::Plaintext => Socket::Plain(tcp),
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(SendError::NeverSent)?;
        let driver = spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target: "countersign::upstream", %error, "endpoint connection ended early");
            }
        });
        Ok(Connection { sender, driver: driver.abort_handle() })
    }

    async fn connect_tcp(&self) -> Result<TcpStream, SendError> {
        let addresses = lookup_host((self.host.as_str(), self.port)).await.map_err(SendError::Resolve)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(SendError::Connect)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(SendError::Connect(last))
    }
}

/// Either kind of socket.
enum Socket {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
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
