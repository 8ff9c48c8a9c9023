//! Making a connection: name lookup, TCP or a Unix socket, TLS. Nothing of a request is written before the certificate is verified.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::addresses::Addresses;
use super::eyeballs::race;
use super::next_hop::NextHop;
use crate::trust::told;
use crate::upstream::connection::Connection;
use crate::upstream::error::SendError;
use crate::upstream::socket::{Socket, Watched};
use crate::upstream::stream::Stream;

/// Where a route's requests go: from configuration, never from a request.
pub struct Endpoint {
    /// Its name or address, for the log.
    pub(in crate::upstream) name: String,
    way: Way,
    security: Security,
}

/// How it is reached: [`NextHop`] brought to life.
enum Way {
    /// By TCP, to one of these addresses.
    Tcp(Addresses),
    Unix(PathBuf),
}

/// A stream to the endpoint, on which nothing was written yet.
struct Opened {
    stream: Stream,
    /// Which of the addresses it leads to, if there is a choice.
    address: Option<SocketAddr>,
}

/// How the connection is protected.
#[derive(Debug, Clone)]
pub enum Security {
    /// TLS, with the name the certificate must be for.
    Tls(Arc<ClientConfig>, ServerName<'static>),
    /// Nothing: loopback, or allowed explicitly.
    Plaintext,
}

impl Endpoint {
    /// The endpoint called `name`, which is reached by `next_hop`.
    pub(in crate::upstream) fn new(name: &str, next_hop: &NextHop, security: Security) -> Self {
        let way = match next_hop {
            NextHop::Tcp { host, port } => Way::Tcp(Addresses::of(host, *port)),
            NextHop::Unix(path) => Way::Unix(path.clone()),
        };
        Self { name: name.to_owned(), way, security }
    }

    /// The addresses that connections are made to, if any are.
    pub(in crate::upstream) const fn addresses(&self) -> Option<&Addresses> {
        match &self.way {
            Way::Tcp(addresses) => Some(addresses),
            Way::Unix(_) => None,
        }
    }

    /// Opens a connection before `deadline`.
    ///
    /// # Errors
    /// The variants of [`SendError`] that mean nothing was sent.
    pub(in crate::upstream) async fn connect(&self, deadline: Instant) -> Result<Box<Connection>, SendError> {
        timeout_at(deadline, self.connect_unbounded()).await.unwrap_or(Err(SendError::ConnectTimeout))
    }

    async fn connect_unbounded(&self) -> Result<Box<Connection>, SendError> {
        let Opened { stream, address } = self.open().await?;
        let secured = self.secure(stream).await;
        if let (Err(_), Some(addresses), Some(address)) = (&secured, self.addresses(), address) {
            addresses.avoid(address);
        }
        secured.map(|socket| Connection::new(socket, address))
    }

    async fn open(&self) -> Result<Opened, SendError> {
        match &self.way {
            Way::Tcp(addresses) => {
                let candidates = addresses.get().await.map_err(SendError::Resolve)?;
                let won = race(&candidates, TcpStream::connect).await.map_err(SendError::Connect)?;
                won.slower.iter().for_each(|address| addresses.avoid(*address));
                won.stream.set_nodelay(true).map_err(SendError::Connect)?;
                Ok(Opened { stream: won.stream.into(), address: Some(won.address) })
            }
            Way::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(SendError::Connect)?;
                Ok(Opened { stream: stream.into(), address: None })
            }
        }
    }

    async fn secure(&self, stream: Stream) -> Result<Socket, SendError> {
        let stream = Watched::new(stream);
        match &self.security {
            Security::Tls(config, name) => {
                let connector = TlsConnector::from(Arc::clone(config));
                Ok(Socket::Tls(Box::new(connector.connect(name.clone(), stream).await.map_err(tls_error)?)))
            }
            Security::Plaintext => Ok(Socket::Plain(stream)),
        }
    }
}

/// A TLS error would repeat itself; a connection that broke off may succeed the next time.
fn tls_error(error: io::Error) -> SendError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => SendError::Certificate(told(error)),
        Some(_) => SendError::Tls(error),
        None => SendError::HandshakeCut(error),
    }
}
