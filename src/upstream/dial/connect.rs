//! Making a connection: name lookup, TCP, TLS. Nothing of a request is written before the certificate is verified.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::addresses::Addresses;
use super::eyeballs::race;
use crate::upstream::connection::Connection;
use crate::upstream::error::SendError;
use crate::upstream::socket::{Socket, Watched};

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

impl Endpoint {
    /// Opens a connection to one of `addresses` before `deadline`.
    ///
    /// # Errors
    /// The variants of [`SendError`] that mean nothing was sent.
    pub(in crate::upstream) async fn connect(
        &self,
        addresses: &Addresses,
        deadline: Instant,
    ) -> Result<Box<Connection>, SendError> {
        timeout_at(deadline, self.connect_unbounded(addresses)).await.unwrap_or(Err(SendError::ConnectTimeout))
    }

    async fn connect_unbounded(&self, addresses: &Addresses) -> Result<Box<Connection>, SendError> {
        let candidates = addresses.get().await.map_err(SendError::Resolve)?;
        let won = race(&candidates, TcpStream::connect).await.map_err(SendError::Connect)?;
        won.slower.iter().for_each(|address| addresses.avoid(*address));
        won.stream.set_nodelay(true).map_err(SendError::Connect)?;
        let secured = self.secure(won.stream).await;
        let connected = secured.map(|socket| Connection::new(socket, won.address));
        connected.inspect_err(|_| addresses.avoid(won.address))
    }

    async fn secure(&self, tcp: TcpStream) -> Result<Socket, SendError> {
        let tcp = Watched::new(tcp);
        match &self.security {
            Security::Tls(config, name) => {
                let connector = TlsConnector::from(Arc::clone(config));
                Ok(Socket::Tls(Box::new(connector.connect(name.clone(), tcp).await.map_err(tls_error)?)))
            }
            Security::Plaintext => Ok(Socket::Plain(tcp)),
        }
    }
}

/// A TLS error would repeat itself; a connection that broke off may succeed the next time.
fn tls_error(error: io::Error) -> SendError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => SendError::Certificate(error),
        Some(_) => SendError::Tls(error),
        None => SendError::HandshakeCut(error),
    }
}
