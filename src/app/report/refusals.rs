//! The last refusals and failures in the report.

use super::{Moment, shown};
use crate::status::{Failure, Refusal};
use crate::telemetry::incidents::Incident;

pub(super) fn refusal(incident: Incident, now: Moment) -> Refusal {
    let (at, ago_seconds) = when(&incident, now);
    Refusal {
        at,
        ago_seconds,
        times: incident.times,
        listener: incident.listener.to_string(),
        peer: incident.peer.to_string(),
        client: incident.client.map(Into::into),
        route: incident.route.map(Into::into),
        action: incident.action.map(Into::into),
        status: incident.status,
        code: incident.code.map(Into::into),
        reason: incident.reason.to_owned(),
        cause: incident.cause.to_owned(),
        remedy: incident.remedy.to_owned(),
        request_id: incident.request_id.map(Into::into),
        trace_id: incident.trace_id.map(Into::into),
    }
}

pub(super) fn failure(incident: &Incident, now: Moment) -> Failure {
    let (at, ago_seconds) = when(incident, now);
    Failure {
        at,
        ago_seconds,
        code: incident.code.map(Into::into),
        reason: incident.reason.to_owned(),
        cause: incident.cause.to_owned(),
        remedy: incident.remedy.to_owned(),
        error: incident.error.as_deref().map(Into::into),
        request_id: incident.request_id.as_deref().map(Into::into),
        trace_id: incident.trace_id.as_deref().map(Into::into),
    }
}

/// The time, and how many seconds ago that was.
fn when(incident: &Incident, now: Moment) -> (String, u64) {
    let ago = now.monotonic.saturating_duration_since(incident.at);
    let at = now.wall.checked_sub(ago).unwrap_or(now.wall);
    (shown(at), ago.as_secs())
}
