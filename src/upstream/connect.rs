//! One connection to an endpoint: name lookup, TCP, TLS, HTTP/1.1. Nothing of a request is written before the certificate is
//! verified.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::addresses::Addresses;
use super::error::SendError;
use super::eyeballs::race;
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
    /// The other end.
    pub(super) address: SocketAddr,
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
    /// Opens a connection to one of `addresses` before `deadline`.
    ///
    /// # Errors
    /// The variants of [`SendError`] that mean nothing was sent.
    pub(super) async fn connect(&self, addresses: &Addresses, deadline: Instant) -> Result<Connection, SendError> {
        timeout_at(deadline, self.connect_unbounded(addresses)).await.unwrap_or(Err(SendError::ConnectTimeout))
    }

    async fn connect_unbounded(&self, addresses: &Addresses) -> Result<Connection, SendError> {
        let candidates = addresses.get().await.map_err(SendError::Resolve)?;
        let won = race(&candidates, TcpStream::connect).await.map_err(SendError::Connect)?;
        won.slower.iter().for_each(|address| addresses.avoid(*address));
        won.stream.set_nodelay(true).map_err(SendError::Connect)?;
        let secured = self.secure(won.stream).await;
        secured.map(|established| established.at(won.address)).inspect_err(|_| addresses.avoid(won.address))
    }

    async fn secure(&self, tcp: TcpStream) -> Result<Established, SendError> {
        let (line, tcp) = Line::watch(tcp);
        let socket = match &self.security {
            Security::Tls(config, name) => {
                let connector = TlsConnector::from(Arc::clone(config));
                Socket::Tls(Box::new(connector.connect(name.clone(), tcp).await.map_err(tls_error)?))
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
        Ok(Established { sender, line, driver: driver.abort_handle() })
    }
}

/// A connection that does not yet know where it leads.
struct Established {
    sender: SendRequest<Full<Bytes>>,
    line: Line,
    driver: AbortHandle,
}

impl Established {
    fn at(self, address: SocketAddr) -> Connection {
        Connection { sender: self.sender, address, line: self.line, driver: self.driver }
    }
}

/// What TLS says of the other side stays as it is; a connection that broke off may be better the next time.
fn tls_error(error: io::Error) -> SendError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => SendError::Certificate(error),
        Some(_) => SendError::Tls(error),
        None => SendError::HandshakeCut(error),
    }
}
