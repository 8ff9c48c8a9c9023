//! A connection to an endpoint that carries nothing: each step of the way there by itself, with its time. For
//! `countersign check --online`.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};

use super::destination::Destination;
use super::egress_error::EgressError;
use super::error::SendError;
use super::socket::Socket;

/// One step, and how long it took.
pub struct Step<T> {
    /// From its begin to its end.
    pub took: Duration,
    /// What it came to.
    pub outcome: Result<T, SendError>,
}

/// The steps that were taken. A step that fails is the last one.
pub struct Trial {
    /// The name was looked up; `None` when there is none to look up.
    pub lookup: Option<Step<Vec<SocketAddr>>>,
    /// A stream was opened to the endpoint, or to what stands in front of it.
    pub stream: Option<Step<()>>,
    /// TLS was agreed on; `None` without TLS.
    pub tls: Option<Step<Option<Verified>>>,
}

impl Trial {
    /// Why there is no connection, if there is none.
    #[must_use]
    pub fn failure(&self) -> Option<&SendError> {
        let lookup = self.lookup.as_ref().and_then(|step| step.outcome.as_ref().err());
        let stream = self.stream.as_ref().and_then(|step| step.outcome.as_ref().err());
        lookup.or(stream).or_else(|| self.tls.as_ref().and_then(|step| step.outcome.as_ref().err()))
    }
}

/// What is known of an endpoint whose certificate was verified.
pub struct Verified {
    /// The version of TLS.
    pub version: &'static str,
    /// Its own certificate.
    pub certificate: Option<CertificateDer<'static>>,
}

impl Destination {
    /// Takes the steps of a call's connection, in the time that a call has for it but at most `limit`, and closes the
    /// connection. Nothing is written on it except TLS's own messages.
    pub async fn try_out(&self, limit: Duration) -> Trial {
        let begun = Instant::now();
        let deadline = begun.checked_add(self.settings().timeouts.connect.min(limit)).unwrap_or(begun);
        let mut trial = Trial { lookup: None, stream: None, tls: None };
        if self.settings().endpoint.next_hop.is_name()
            && let Some(addresses) = self.endpoint.addresses()
        {
            // of the endpoint, or of the proxy on the way
            let through_proxy = self.settings().endpoint.tunnel.is_some();
            let unresolved = |error| {
                if through_proxy { EgressError::Resolve(error).into() } else { SendError::Resolve(error) }
            };
            let step = taken(deadline, async { addresses.get(deadline).await.map_err(unresolved) }).await;
            let failed = step.outcome.is_err();
            trial.lookup = Some(step);
            if failed {
                return trial;
            }
        }
        let opened = taken(deadline, self.endpoint.open(deadline)).await;
        let Step { took, outcome } = opened;
        let opened = match outcome {
            Ok(opened) => opened,
            Err(error) => {
                trial.stream = Some(Step { took, outcome: Err(error) });
                return trial;
            }
        };
        trial.stream = Some(Step { took, outcome: Ok(()) });
        let secured = taken(deadline, self.endpoint.secure(opened.stream)).await;
        trial.tls = Some(Step { took: secured.took, outcome: secured.outcome.map(|socket| verified(&socket)) });
        trial
    }
}

async fn taken<T>(deadline: Instant, step: impl Future<Output = Result<T, SendError>>) -> Step<T> {
    let begun = Instant::now();
    let outcome = timeout_at(deadline, step).await.unwrap_or(Err(SendError::ConnectTimeout));
    Step { took: begun.elapsed(), outcome }
}

fn verified(socket: &Socket) -> Option<Verified> {
    let tls = match socket {
        Socket::Tls(tls) => tls.get_ref().1,
        Socket::Plain(_) => return None,
    };
    let version = match tls.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        Some(_) | None => "unknown",
    };
    let certificate = tls.peer_certificates().and_then(|chain| chain.first()).map(|own| own.clone().into_owned());
    Some(Verified { version, certificate })
}
