//! What is kept of an exchange that was refused or failed, for people who look at the process now.

use tokio::time::Instant;

use super::ExchangeRecord;
use crate::faults::{AuditReason, LogReason, endpoint};
use crate::telemetry::incidents::Incident;

/// Keeps an exchange that has ended with a reason in the log.
#[cold]
pub(super) fn note(record: &ExchangeRecord, log: LogReason, ended: Instant) {
    let incidents = record.listener.incidents();
    let Some(refusal) = record.refusal else {
        if log == endpoint::RESPONSE_CUT {
            let (cause, remedy) = (endpoint::RESPONSE_CUT_CAUSE, endpoint::RESPONSE_CUT_REMEDY);
            incidents.add_failure(failure(record, Incident { cause, remedy, ..incident(record, log.reason, ended) }));
        }
        return;
    };
    let incident = Incident { cause: refusal.cause, remedy: refusal.remedy, ..incident(record, log.reason, ended) };
    // calls that the breaker refuses would hide why it is open
    if is_failure(refusal.audit) && log != endpoint::DOWN.log {
        incidents.add_failure(failure(record, incident.clone()));
    }
    incidents.add_refusal(incident);
}

impl ExchangeRecord {
    /// Keeps that the endpoint refuses the signature. `cause` is one of a fixed set.
    pub(crate) fn note_refused_signature(&self, cause: &'static str, remedy: &'static str) {
        let incident = incident(self, cause, Instant::now());
        let cause = "The endpoint refuses the signature.";
        self.listener.incidents().add_failure(Incident { cause, remedy, ..incident });
    }
}

fn incident(record: &ExchangeRecord, reason: &'static str, at: Instant) -> Incident {
    Incident {
        at: at.into_std(),
        times: 1,
        listener: record.listener.shared_name(),
        client: record.client.clone(),
        route: record.route.as_ref().map(|route| route.name().into()),
        action: record.called_action().map(Into::into),
        peer: (*record.peer).as_ref().into(),
        status: record.status,
        code: record.code,
        reason,
        cause: "",
        remedy: "",
        error: None,
        request_id: Some(record.request_id.as_str().into()),
        trace_id: record.trace_id.as_ref().map(|id| id.as_str().into()),
    }
}

fn failure(record: &ExchangeRecord, incident: Incident) -> Incident {
    Incident { error: record.error.as_deref().map(Into::into), ..incident }
}

/// Whether a refusal is no fault of its client.
const fn is_failure(reason: AuditReason) -> bool {
    match reason {
        AuditReason::Overloaded
        | AuditReason::Unavailable
        | AuditReason::Unreachable
        | AuditReason::Unanswered
        | AuditReason::Failed => true,
        AuditReason::Unauthenticated
        | AuditReason::Denied
        | AuditReason::Throttled
        | AuditReason::Share
        | AuditReason::Malformed
        | AuditReason::TooLarge
        | AuditReason::Slow
        | AuditReason::Abandoned => false,
    }
}
