//! The record of a sampled exchange on its way to the exporter of spans.

use std::sync::Arc;

use tokio::time::Instant;

use super::ExchangeRecord;
use crate::telemetry::audit::Decision;
use crate::telemetry::refusals::Treatment;
use crate::telemetry::trace::{ExchangeTrace, Recorded};

/// Hands the exchange, which ended then, over to the exporter if its trace is sampled. A refusal that is one of a flood
/// has no spans, as it has no line.
pub(super) fn hand_over(record: &ExchangeRecord, mut trace: ExchangeTrace, ended: Instant) {
    if record.treatment == Some(Treatment::Counted) || !trace.is_sampled() {
        return;
    }
    let flags = trace.flags();
    let ExchangeTrace { tracer, trace_id, span_id, parent, method, version, holder, steps, .. } = trace;
    let Some(spans) = &tracer.spans else { return };
    let route = record.route.as_ref().and_then(|route| tracer.routes.get(route.name()));
    let record = Recorded {
        trace_id,
        span_id,
        parent: parent.map(|parent| parent.span_id),
        flags,
        method,
        version,
        began: record.started,
        ended,
        steps,
        listener: Arc::clone(&tracer.listener),
        listener_name: record.listener.shared_name(),
        route: route.map(Arc::clone),
        addresses: record.peer.addresses(),
        request_id: record.request_id,
        client: record.client.clone(),
        action: record.called_action().map(Into::into),
        decision: record.decision.map(Decision::as_str),
        rule: record.rule.clone(),
        key_id: record.key_id.clone(),
        outcome: record.outcome.as_str(),
        status: record.status,
        code: record.code,
        reason: record.log_reason.map(|log| log.reason),
        received: record.received,
        returned: record.returned,
        place: None,
    };
    spans.put(record, holder);
}
