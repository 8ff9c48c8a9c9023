//! The first moments of a connection: what it proves is gathered, TLS agreed on, and only then HTTP spoken.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::drain::Drain;
use super::peer::certificate::{self, CertificateError};
use super::peer::evidence::{PeerEvidence, PeerFacts};
use super::peer::loopback;
use super::peer::tls::ReloadableTls;
use super::server::{Clocks, Current, Handler, Lifetime, Service, serve};
use super::socket::bound::{OwnerLookup, Stranger};
use super::socket::listener::{Security, tls_on_unix_socket};

/// From accept to the end of the TLS handshake. A client needs two round trips; one that is slower holds a place of those
/// who are not.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection ended before its first request.
#[derive(Debug, Error)]
pub(super) enum GreetingError {
    /// The socket is gone already, or the kernel does not say who is at its other end.
    #[error("nothing is known of the peer: {0}")]
    Socket(#[source] io::Error),
    /// No TLS, no or the wrong certificate, a revoked one.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] io::Error),
    /// No end of the handshake within [`HANDSHAKE_TIMEOUT`].
    #[error("the TLS handshake took more than {HANDSHAKE_TIMEOUT:?}")]
    Slow,
    /// A verified certificate whose names are not to be trusted.
    #[error("the client certificate cannot identify anybody: {0}")]
    Certificate(#[source] CertificateError),
}

/// Gets to know `stranger` as `service` wants it, then serves its connection to the end.
pub(super) async fn greet<H: Handler>(
    stranger: Stranger,
    service: &Service<H>,
    current: Rc<Current<H>>,
) -> Result<(), GreetingError> {
    let (clocks, drain) = (service.limits.clocks, service.drain.clone());
    match (stranger, &service.security) {
        (Stranger::Tcp { stream, address }, Security::Plain(owner)) => {
            set_nodelay(&stream)?;
            let owner = match owner {
                OwnerLookup::Ask => loopback::owner(&stream),
                OwnerLookup::Skip => None,
            };
            let peer = Rc::new(PeerFacts::Tcp { address, owner }.into());
            serve(stream, peer, clocks, Lifetime::Unlimited, current, drain).await;
        }
        (Stranger::Unix(stream), Security::Plain(_nothing_to_ask)) => {
            let peer = Rc::new(credentials(&stream)?);
            serve(stream, peer, clocks, Lifetime::Unlimited, current, drain).await;
        }
        (Stranger::Unix(_), Security::Tls(_)) => return Err(GreetingError::Socket(tls_on_unix_socket())),
        // in a box, or every plain connection would have room for it
        (Stranger::Tcp { stream, address }, Security::Tls(tls)) => {
            Box::pin(greet_tls(stream, address, tls, clocks, current, drain)).await?;
        }
    }
    Ok(())
}

async fn greet_tls<H: Handler>(
    stream: TcpStream,
    address: SocketAddr,
    tls: &ReloadableTls,
    clocks: Clocks,
    current: Rc<Current<H>>,
    drain: Drain,
) -> Result<(), GreetingError> {
    set_nodelay(&stream)?;
    let stream = handshake(stream, tls).await?;
    let names = match stream.get_ref().1.peer_certificates().and_then(<[_]>::first) {
        Some(leaf) => certificate::names(leaf).map_err(GreetingError::Certificate)?,
        None => certificate::Names::default(),
    };
    let certificate::Names { spiffe_id, dns_names } = names;
    let peer = Rc::new(PeerFacts::Tls { address, spiffe_id, dns_names }.into());
    let lifetime = Lifetime::AtMost(tls.session_lifetime());
    serve(stream, peer, clocks, lifetime, current, drain).await;
    Ok(())
}

/// Answers are written whole: waiting for more (Nagle) only adds delay.
fn set_nodelay(stream: &TcpStream) -> Result<(), GreetingError> {
    stream.set_nodelay(true).map_err(GreetingError::Socket)
}

fn credentials(stream: &UnixStream) -> Result<PeerEvidence, GreetingError> {
    let peer = stream.peer_cred().map_err(GreetingError::Socket)?;
    // the kernel writes 0 for a process that our PID namespace cannot see
    let pid = peer.pid().filter(|pid| *pid > 0);
    Ok(PeerFacts::Unix { uid: peer.uid(), gid: peer.gid(), pid }.into())
}

async fn handshake(stream: TcpStream, tls: &ReloadableTls) -> Result<TlsStream<TcpStream>, GreetingError> {
    match timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls.current()).accept(stream)).await {
        Ok(agreed) => agreed.map_err(GreetingError::Handshake),
        Err(_elapsed) => Err(GreetingError::Slow),
    }
}
