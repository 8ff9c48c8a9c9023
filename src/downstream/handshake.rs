//! What happens on a connection before HTTP: the header of a load balancer, the TLS handshake, and gathering the
//! evidence of who the peer is.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::drain::Drain;
use super::eviction::Resident;
use super::peer::certificate::{self, CertificateError};
use super::peer::evidence::{PeerEvidence, PeerFacts, Way};
use super::peer::tls::ReloadableTls;
use super::peer::{DescribedCertificate, HandshakeFault, TurnedAway, loopback, presented};
use super::relay::header::HeaderFault;
use super::relay::receive::{NoHeader, receive};
use super::relay::{Relays, UnixRelays};
use super::server::{Current, Handler, LAST_CALL, Lifetime, Metered, Service, serve};
use super::socket::bound::{Accepted, OwnerLookup};
use super::socket::listener::{Security, tls_on_unix_socket};

/// From accept to the end of the TLS handshake. A client needs two round trips; a slower one would hold a connection
/// that others could use.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection ended before its first request.
#[derive(Debug, Error)]
pub(super) enum HandshakeError {
    /// The socket is already closed, or the kernel does not say who is at its other end.
    #[error("nothing is known of the peer: {0}")]
    Socket(#[source] io::Error),
    /// The client did not speak TLS, or its certificate is missing, wrong or revoked.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] io::Error),
    /// The handshake did not end within [`HANDSHAKE_TIMEOUT`].
    #[error("the TLS handshake took more than {HANDSHAKE_TIMEOUT:?}")]
    Slow,
    /// A load balancer did not begin with a header of the PROXY protocol.
    #[error(transparent)]
    Header(HeaderFault),
    /// A load balancer closed the connection before its header was complete.
    #[error("the connection ended before its header of the PROXY protocol: {0}")]
    HeaderCut(#[source] io::Error),
    /// The header was not complete in time.
    #[error("the header of the PROXY protocol took more than {0:?} (`limits.head_timeout`)")]
    SlowHeader(Duration),
    /// The user at the other end of a Unix socket belongs to no client.
    #[error("the user belongs to no client of this listener")]
    UnknownUser,
    /// The process drains, and the handshake was not complete soon after that had begun.
    #[error("the handshake was under way when the process began to drain")]
    Draining,
    /// The certificate was verified, but its names cannot be trusted.
    #[error("the client certificate cannot identify a client: {0}")]
    Certificate(#[source] CertificateError),
}

impl HandshakeError {
    fn fault(&self) -> HandshakeFault {
        match self {
            Self::Socket(_) | Self::HeaderCut(_) | Self::Draining => HandshakeFault::Closed,
            Self::Header(fault) => (*fault).into(),
            Self::UnknownUser => HandshakeFault::UnknownUid,
            Self::Handshake(error) => HandshakeFault::of(error),
            Self::Slow | Self::SlowHeader(_) => HandshakeFault::Timeout,
            Self::Certificate(error) => error.into(),
        }
    }
}

/// Gathers the evidence about a connection that `service` requires, then serves the connection to its end. The handler
/// hears of a client that is turned away.
pub(super) async fn serve_authenticated<H: Handler>(
    mut accepted: Accepted,
    service: &Service<H>,
    current: Rc<Current<H>>,
    resident: Rc<Resident>,
) -> Result<(), HandshakeError> {
    let (clocks, drain) = (service.limits.clocks, service.drain.clone());
    let way = match &service.relays {
        // boxed, like the TLS handshake below
        Some(relays) if is_relay(relays, &accepted) => Box::pin(relayed(&mut accepted, service, &drain)).await?,
        Some(_) | None => Way::Direct,
    };
    match (accepted, &service.security) {
        (Accepted::Tcp { stream, address }, Security::Plain(owner)) => {
            set_nodelay(&stream)?;
            let owner = match (owner, way) {
                (OwnerLookup::Ask, Way::Direct) => loopback::owner(&stream),
                // whoever runs the load balancer is none of its clients
                (OwnerLookup::Ask, Way::Relayed(_)) | (OwnerLookup::Skip, _) => None,
            };
            let peer = Rc::new(PeerEvidence::new(PeerFacts::Tcp { address, owner }, way));
            serve(stream, peer, clocks, Lifetime::Unlimited, current, &drain, resident).await;
        }
        (Accepted::Unix(stream), Security::Plain(_nothing_to_ask)) => {
            let peer = Rc::new(PeerEvidence::new(credentials(&stream)?, way));
            if !service.handler.admits(&peer) {
                return Err(HandshakeError::UnknownUser);
            }
            serve(stream, peer, clocks, Lifetime::Unlimited, current, &drain, resident).await;
        }
        (Accepted::Unix(_), Security::Tls(_)) => return Err(HandshakeError::Socket(tls_on_unix_socket())),
        // boxed, so that plain connections do not reserve memory for a TLS handshake
        (Accepted::Tcp { stream, address }, Security::Tls(tls)) => {
            Box::pin(serve_tls(stream, (address, way), tls, service, current, drain, resident)).await?;
        }
    }
    Ok(())
}

/// Whether a connection comes from a load balancer, by what the kernel says of its other end.
fn is_relay(relays: &Relays, accepted: &Accepted) -> bool {
    match accepted {
        Accepted::Tcp { stream: _, address } => relays.contain(address.ip()),
        Accepted::Unix(_) => relays.unix == UnixRelays::All,
    }
}

/// Receives the header that a load balancer has to send. The handler hears of one that does not.
async fn relayed<H: Handler>(
    accepted: &mut Accepted,
    service: &Service<H>,
    drain: &Drain,
) -> Result<Way, HandshakeError> {
    let limit = service.limits.clocks.head_timeout;
    let receiving = async {
        match accepted {
            Accepted::Tcp { stream, address: _ } => receive(stream).await,
            Accepted::Unix(stream) => receive(stream).await,
        }
    };
    let received = tokio::select! {
        received = timeout(limit, receiving) => received,
        () = last_call(drain) => return Err(HandshakeError::Draining),
    };
    let error = match received {
        Ok(Ok(client)) => return Ok(Way::Relayed(client)),
        Ok(Err(NoHeader::Fault(fault))) => HandshakeError::Header(fault),
        Ok(Err(NoHeader::Socket(error))) => HandshakeError::HeaderCut(error),
        Err(_elapsed) => HandshakeError::SlowHeader(limit),
    };
    let facts = match accepted {
        Accepted::Tcp { stream: _, address } => PeerFacts::Tcp { address: *address, owner: None },
        Accepted::Unix(stream) => credentials(stream)?,
    };
    let (fault, peer) = (error.fault(), PeerEvidence::new(facts, Way::Relayed(None)));
    service.handler.turn_away(&TurnedAway { peer: &peer, fault, error: error.to_string(), certificate: None });
    Err(error)
}

async fn serve_tls<H: Handler>(
    stream: TcpStream,
    (address, way): (SocketAddr, Way),
    tls: &ReloadableTls,
    service: &Service<H>,
    current: Rc<Current<H>>,
    drain: Drain,
    resident: Rc<Resident>,
) -> Result<(), HandshakeError> {
    let (agreed, presented) = presented::during(handshake(stream, tls, &drain)).await;
    let certificate = presented.as_ref().map(DescribedCertificate::of).map(Box::new);
    let (stream, names) = match agreed.and_then(|stream| Ok((names(&stream)?, stream))) {
        Ok((names, stream)) => (stream, names),
        Err(HandshakeError::Draining) => return Err(HandshakeError::Draining), // that is not the client's doing
        Err(error) => {
            let facts = PeerFacts::Tls { address, names: certificate::Names::default(), certificate: None };
            let peer = PeerEvidence::new(facts, way);
            service.handler.turn_away(&TurnedAway {
                peer: &peer,
                fault: error.fault(),
                error: error.to_string(),
                certificate: certificate.as_deref(),
            });
            return Err(error);
        }
    };
    let peer = Rc::new(PeerEvidence::new(PeerFacts::Tls { address, names, certificate }, way));
    service.handler.greet(&peer);
    let lifetime = Lifetime::AtMost(tls.session_lifetime());
    serve(stream, peer, service.limits.clocks, lifetime, current, &drain, resident).await;
    Ok(())
}

fn names(stream: &TlsStream<Metered>) -> Result<certificate::Names, HandshakeError> {
    let leaf = stream.get_ref().1.peer_certificates().and_then(<[CertificateDer<'_>]>::first);
    leaf.map_or_else(|| Ok(certificate::Names::default()), certificate::names).map_err(HandshakeError::Certificate)
}

/// Responses are written whole, so that waiting for more data (Nagle) would only add delay.
fn set_nodelay(stream: &TcpStream) -> Result<(), HandshakeError> {
    stream.set_nodelay(true).map_err(HandshakeError::Socket)
}

fn credentials(stream: &UnixStream) -> Result<PeerFacts, HandshakeError> {
    let peer = stream.peer_cred().map_err(HandshakeError::Socket)?;
    // the kernel writes 0 for a process that our PID namespace cannot see
    let pid = peer.pid().filter(|pid| *pid > 0);
    Ok(PeerFacts::Unix { uid: peer.uid(), gid: peer.gid(), pid })
}

async fn handshake(
    stream: TcpStream,
    tls: &ReloadableTls,
    drain: &Drain,
) -> Result<TlsStream<Metered>, HandshakeError> {
    set_nodelay(&stream)?;
    let accepting = TlsAcceptor::from(tls.current()).accept(Metered::new(stream));
    tokio::select! {
        agreed = timeout(HANDSHAKE_TIMEOUT, accepting) => match agreed {
            Ok(agreed) => agreed.map_err(HandshakeError::Handshake),
            Err(_elapsed) => Err(HandshakeError::Slow),
        },
        // the request of a client that is about to have one may still come, as on any connection
        () = last_call(drain) => Err(HandshakeError::Draining),
    }
}

async fn last_call(drain: &Drain) {
    drain.begun().await;
    sleep(LAST_CALL).await;
}
