//! One connection to an endpoint: name lookup, TCP, TLS, HTTP/1.1. Nothing of a request is written before the certificate is
//! verified.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::SendError;
use super::socket::{Line, Socket};

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
    pub(super) sender: SendRequest<Full<Bytes>>,
    line: Line,
    driver: AbortHandle,
}

impl Connection {
    /// Bytes written on it so far, as far as the kernel has taken them.
    pub(super) fn written(&self) -> u64 {
        self.line.written()
    }

    /// Whether the next request can go on it: the last one is written and its answer read, each to the end, and the endpoint
    /// has neither closed it nor sent anything since.
    pub(super) fn is_fit(&self) -> bool {
        self.sender.is_ready() && self.line.is_quiet()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Endpoint {
    /// Opens a connection before `deadline`.
    ///
    /// # Errors
    /// The variants of [`SendError`] that mean nothing was sent.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Connection, SendError> {
        timeout_at(deadline, self.connect_unbounded()).await.unwrap_or(Err(SendError::ConnectTimeout))
    }

    async fn connect_unbounded(&self) -> Result<Connection, SendError> {
        let (line, tcp) = Line::watch(self.connect_tcp().await?);
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
        Ok(Connection { sender, line, driver: driver.abort_handle() })
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
