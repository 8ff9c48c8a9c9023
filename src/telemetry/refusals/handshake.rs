//! A client that is turned away before its first request: counted, logged, and audited if it was turned away for its
//! identity.

use std::time::Instant;

use super::{Kind, Treatment, judge};
use crate::faults::{AuditReason, LogReason, Severity};
use crate::telemetry::audit::{AuditLog, Entry, Reservation};
use crate::telemetry::incidents::Incident;
use crate::telemetry::metrics::ListenerMetrics;
use crate::telemetry::peer::{CertificateText, Peer};

/// A client that is turned away.
pub(crate) struct RefusedHandshake<'a> {
    pub(crate) peer: &'a dyn Peer,
    /// Why: one of a fixed set of words.
    pub(crate) fault: &'static str,
    pub(crate) severity: Severity,
    /// The error in words.
    pub(crate) error: &'a str,
    /// The certificate that it presented, verified or not.
    pub(crate) certificate: Option<CertificateText<'a>>,
    pub(crate) audit: AuditLog,
}

impl RefusedHandshake<'_> {
    /// Counts it and writes its lines, as far as it is not one of a flood. It has a line in `audit`, unless that is
    /// off.
    pub(crate) fn note(&self, listener: &ListenerMetrics) {
        listener.count_refused_handshake(self.fault);
        let kind = Kind {
            listener: listener.shared_name(),
            code: None,
            log: LogReason { severity: self.severity, reason: "handshake" },
            audit: AuditReason::Unauthenticated,
            cause: "A client was turned away before its first request.",
            handshake: Some(self.fault),
        };
        listener.incidents().add_refusal(self.incident(listener, kind.cause));
        let treatment = judge(kind, self.peer.source(), self.audit.clone());
        self.log(listener.name(), treatment);
        match treatment {
            Treatment::Listed => self.write_audit(listener.name()),
            Treatment::Counted => {}
        }
    }

    fn incident(&self, listener: &ListenerMetrics, cause: &'static str) -> Incident {
        Incident {
            at: Instant::now(),
            times: 1,
            listener: listener.shared_name(),
            client: None,
            route: None,
            action: None,
            peer: self.peer.as_ref().into(),
            status: None,
            code: None,
            reason: self.fault,
            cause,
            remedy: "The log says what is wrong, in a line of `countersign::handshake`: its `error` and `subject`.",
            error: None,
            request_id: None,
            trace_id: None,
        }
    }

    fn log(&self, listener: &str, treatment: Treatment) {
        let peer: &str = self.peer.as_ref();
        let subject = self.certificate.map(|certificate| certificate.subject);
        let serial = self.certificate.map(|certificate| certificate.serial);
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: "countersign::handshake",
                    tracing::Level::$level,
                    listener,
                    peer,
                    reason = self.fault,
                    subject,
                    names = self.certificate.map(|certificate| certificate.names.join(" ")),
                    serial,
                    error = self.error,
                    "a client was turned away before its first request"
                )
            };
        }
        match (treatment, self.severity) {
            (Treatment::Counted, _) => event!(DEBUG),
            (Treatment::Listed, Severity::Error) => event!(ERROR),
            (Treatment::Listed, Severity::Warn) => event!(WARN),
            (Treatment::Listed, Severity::Info) => event!(INFO),
        }
    }

    fn write_audit(&self, listener: &str) {
        match self.audit.reserve() {
            Reservation::NotNeeded | Reservation::Later(_) | Reservation::Refused => {}
            Reservation::Reserved(place) => place.write(&Entry {
                certificate: self.certificate,
                reason: Some(AuditReason::Unauthenticated.as_str()),
                handshake: Some(self.fault),
                ..Entry::of_refused_stranger(listener, self.peer.as_ref())
            }),
        }
    }
}
