//! Clients before a request of theirs is authenticated: what log, metrics and audit hear of those that are refused.

use super::credential::evidence_of;
use crate::authorize::Callers;
use crate::downstream::{DescribedCertificate, HandshakeFault, Origin, PeerEvidence, TurnedAway};
use crate::error_chain::causes;
use crate::faults::Severity;
use crate::telemetry::peer::{Addresses, CertificateText, Peer, Source};
use crate::telemetry::refusals::RefusedHandshake;
use crate::telemetry::{AuditLog, ExchangeRecord, ListenerMetrics};

impl Peer for PeerEvidence {
    fn source(&self) -> Source {
        match self.origin() {
            Origin::Address(address) => Source::of(address),
            Origin::User(uid) => Source::User(uid),
        }
    }

    fn addresses(&self) -> Addresses {
        Addresses { client: self.client_address(), peer: self.peer_address() }
    }

    fn certificate(&self) -> Option<CertificateText<'_>> {
        self.certificate().map(text_of)
    }
}

fn text_of(certificate: &DescribedCertificate) -> CertificateText<'_> {
    let DescribedCertificate { serial, subject, names } = certificate;
    CertificateText { serial, subject, names }
}

/// Counts, logs and audits a client that was turned away.
pub(super) fn note(listener: &ListenerMetrics, audit: &AuditLog, refused: &TurnedAway<'_>) {
    let TurnedAway { peer, fault, error, certificate } = refused;
    RefusedHandshake {
        peer: *peer,
        fault: fault.as_str(),
        severity: severity(*fault),
        error,
        certificate: certificate.map(text_of),
        audit: if fault.is_about_who() { audit.clone() } else { AuditLog::off() },
    }
    .note(listener);
}

/// Notes a client whose certificate is valid and belongs to no client: each of its requests will be refused, and it may
/// never send one.
pub(super) fn check(callers: &Callers, listener: &ListenerMetrics, audit: &AuditLog, peer: &PeerEvidence) {
    if let Err(error) = callers.check_certificate(&evidence_of(peer)) {
        let (fault, certificate) = (HandshakeFault::UnknownClient, peer.certificate());
        note(listener, audit, &TurnedAway { peer, fault, error: causes(&error), certificate });
    }
}

/// Whether a client on a Unix socket may send requests. It is noted when it may not.
pub(super) fn admit(callers: &Callers, listener: &ListenerMetrics, audit: &AuditLog, peer: &PeerEvidence) -> bool {
    match callers.check_user(&evidence_of(peer)) {
        Ok(()) => true,
        Err(error) => {
            let fault = HandshakeFault::UnknownUid;
            note(listener, audit, &TurnedAway { peer, fault, error: causes(&error), certificate: None });
            false
        }
    }
}

/// Notes in the record of a refused request whose it is, where the connection says so: the request may have been
/// refused before it was authenticated, and the refusals of a known client are never sampled. Requests that are served
/// are authenticated by themselves, so only refused ones pay for this.
pub(super) fn note_known(callers: &Callers, peer: &PeerEvidence, record: &mut ExchangeRecord) {
    if let Some((client, method)) = callers.known_by_connection(&evidence_of(peer)) {
        record.client = Some(client.name.as_str().into());
        record.client_tenant = client.tenant.as_deref().map(Into::into);
        record.identified_by = Some(method.as_str());
    }
}

/// A closed connection is what a check of the port looks like.
const fn severity(fault: HandshakeFault) -> Severity {
    match fault {
        HandshakeFault::Closed => Severity::Info,
        HandshakeFault::NoCertificate
        | HandshakeFault::UnknownAuthority
        | HandshakeFault::BadSignature
        | HandshakeFault::Expired
        | HandshakeFault::NotYetValid
        | HandshakeFault::Revoked
        | HandshakeFault::RevocationUnknown
        | HandshakeFault::BadCertificate
        | HandshakeFault::UnusableNames
        | HandshakeFault::UnknownClient
        | HandshakeFault::UnknownUid
        | HandshakeFault::NoProxyHeader
        | HandshakeFault::BadProxyHeader
        | HandshakeFault::Alert
        | HandshakeFault::Protocol
        | HandshakeFault::Timeout => Severity::Warn,
    }
}
