//! Making a connection: name lookup, TCP or a Unix socket, a tunnel if there is a proxy on the way, TLS. Nothing of a
//! request is written before the certificate is verified.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::addresses::{Addresses, LastKnown};
use super::eyeballs::race;
use super::next_hop::NextHop;
use super::tunnel::Tunnel;
use crate::trust::told;
use crate::upstream::connection::Connection;
use crate::upstream::egress_error::EgressError;
use crate::upstream::error::{SendError, is_about_our_certificate};
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
    Tcp(Arc<Addresses>),
    /// By a tunnel that a proxy at one of these addresses opens.
    Tunnel(Arc<Addresses>, Tunnel),
    Unix(PathBuf),
}

/// A stream to the endpoint, on which nothing was written yet.
pub(in crate::upstream) struct Opened {
    pub(in crate::upstream) stream: Stream,
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
    /// The endpoint of `route` that is called `name` and reached by `next_hop`, and from there by `tunnel`: the
    /// configuration has no tunnel that begins in a Unix socket.
    pub(in crate::upstream) fn new(
        route: &str,
        name: &str,
        next_hop: &NextHop,
        tunnel: Option<Tunnel>,
        security: Security,
    ) -> Self {
        let last_known = last_known(&security, tunnel.as_ref());
        let addresses = |host: &str, port| Arc::new(Addresses::of(route, host, port, last_known));
        let way = match (next_hop, tunnel) {
            (NextHop::Tcp { host, port }, None) => Way::Tcp(addresses(host, *port)),
            (NextHop::Tcp { host, port }, Some(tunnel)) => Way::Tunnel(addresses(host, *port), tunnel),
            (NextHop::Unix(path), _) => Way::Unix(path.clone()),
        };
        Self { name: name.to_owned(), way, security }
    }

    /// The same, with what is known of the way to an endpoint `before` that was reached and protected in the same way.
    pub(in crate::upstream) fn knowing(mut self, before: &Self) -> Self {
        if let (Way::Tcp(addresses) | Way::Tunnel(addresses, _), Way::Tcp(known) | Way::Tunnel(known, _)) =
            (&mut self.way, &before.way)
        {
            *addresses = Arc::clone(known);
        }
        self
    }

    /// The addresses that connections are made to, if any are.
    pub(in crate::upstream) fn addresses(&self) -> Option<&Addresses> {
        match &self.way {
            Way::Tcp(addresses) | Way::Tunnel(addresses, _) => Some(addresses),
            Way::Unix(_) => None,
        }
    }

    /// Opens a connection before `deadline`.
    ///
    /// # Errors
    /// The variants of [`SendError`] that mean nothing was sent.
    pub(in crate::upstream) async fn connect(&self, deadline: Instant) -> Result<Box<Connection>, SendError> {
        let opened = timeout_at(deadline, self.open(deadline)).await;
        let Opened { stream, address } = opened.unwrap_or_else(|_| Err(self.not_opened_in_time()))?;
        let secured = timeout_at(deadline, self.secure(stream)).await.unwrap_or(Err(SendError::ConnectTimeout));
        if let (Err(_), Some(addresses), Some(address)) = (&secured, self.addresses(), address) {
            addresses.avoid(address);
        }
        secured.map(|socket| Connection::new(socket, address))
    }

    /// Opens a stream to it, or through the proxy on the way.
    pub(in crate::upstream) async fn open(&self, deadline: Instant) -> Result<Opened, SendError> {
        match &self.way {
            Way::Tcp(addresses) => {
                let candidates = addresses.get(deadline).await.map_err(SendError::Resolve)?;
                let (tcp, address) = fastest(addresses, &candidates).await.map_err(SendError::Connect)?;
                Ok(Opened { stream: tcp.into(), address: Some(address) })
            }
            Way::Tunnel(addresses, tunnel) => {
                let candidates = addresses.get(deadline).await.map_err(EgressError::Resolve)?;
                let (tcp, address) = fastest(addresses, &candidates).await.map_err(EgressError::Connect)?;
                let opened = tunnel.open(tcp).await.inspect_err(|_| addresses.avoid(address))?;
                Ok(Opened { stream: opened, address: Some(address) })
            }
            Way::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(SendError::Connect)?;
                Ok(Opened { stream: stream.into(), address: None })
            }
        }
    }

    const fn not_opened_in_time(&self) -> SendError {
        match &self.way {
            Way::Tcp(_) | Way::Unix(_) => SendError::ConnectTimeout,
            Way::Tunnel(..) => SendError::Egress(EgressError::Timeout),
        }
    }

    /// Agrees on TLS, if the endpoint speaks it.
    pub(in crate::upstream) async fn secure(&self, stream: Stream) -> Result<Socket, SendError> {
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

/// Old addresses may serve where a certificate tells who is there, before anything that is worth having is written: the
/// request, or the password for a proxy.
const fn last_known(security: &Security, tunnel: Option<&Tunnel>) -> LastKnown {
    match (security, tunnel) {
        (Security::Tls(..), None | Some(Tunnel { tls: Some(_), .. })) => LastKnown::Serve,
        (Security::Tls(..), Some(Tunnel { tls: None, .. })) | (Security::Plaintext, _) => LastKnown::Refuse,
    }
}

/// A connection to one of `candidates`, of those in `addresses`.
async fn fastest(addresses: &Addresses, candidates: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    let won = race(candidates, TcpStream::connect).await?;
    won.slower.iter().for_each(|address| addresses.avoid(*address));
    won.stream.set_nodelay(true)?;
    Ok((won.stream, won.address))
}

/// A TLS error would repeat itself; a connection that broke off may succeed the next time.
fn tls_error(error: io::Error) -> SendError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => SendError::Certificate(told(error)),
        Some(_) if is_about_our_certificate(&error) => SendError::ClientRefused(error),
        Some(_) => SendError::Tls(error),
        None => SendError::HandshakeCut(error),
    }
}
