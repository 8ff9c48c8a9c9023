//! The steps of an exchange as its trace knows them, and what an endpoint is told of the trace.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::Instant;

use super::fault::{ExchangeError, error_type};
use crate::http1::Fields;
use crate::http1::trace_context::SpanId;
use crate::telemetry::ExchangeRecord;
use crate::telemetry::trace::{Step, StepKind, new_span_id};
use crate::upstream::attempts::Ready;
use crate::upstream::{Delivery, SendError, Sent};

/// One call of an exchange that is traced.
pub(super) struct TracedCall {
    span_id: SpanId,
    /// The fields that the endpoint gets, if it is told of the trace.
    told: Option<Fields>,
}

impl TracedCall {
    /// A call that is about to be made; `None` if the exchange is not traced.
    pub(super) fn begin(record: &mut ExchangeRecord, forwarded: &Fields) -> Option<Self> {
        let trace = record.trace.as_mut()?;
        let span_id = new_span_id();
        Some(Self { span_id, told: trace.told(span_id, forwarded) })
    }

    /// The fields that the endpoint gets beside those of every request.
    pub(super) const fn told(&self) -> Option<&Fields> {
        self.told.as_ref()
    }

    /// Notes what came of it.
    pub(super) fn end(
        self,
        record: &mut ExchangeRecord,
        began: Instant,
        sent: &Result<ControlFlow<Sent, Delivery>, SendError>,
    ) {
        let (status, ended, failed) = match sent {
            Ok(ControlFlow::Break(sent)) => (Some(sent.status.as_u16()), sent.answered_at, None),
            // what is tried again was lost with its connection
            Ok(ControlFlow::Continue(Delivery::NotSent)) => (None, Instant::now(), Some("connection_terminated")),
            Ok(ControlFlow::Continue(Delivery::MaybeSent)) => (None, Instant::now(), Some("http_response_incomplete")),
            Err(error) => (None, Instant::now(), Some(error_type(error))),
        };
        let resends = record.attempts.saturating_sub(1);
        let kind = StepKind::Call { span_id: self.span_id, status, resends };
        note(record, kind, (began, ended), failed);
    }
}

/// Notes that a connection was made in this time, or could not be.
pub(super) fn note_connecting(record: &mut ExchangeRecord, time: Duration, connected: &Result<Ready, SendError>) {
    record.note_connecting(time);
    if record.trace.is_some() {
        let ended = connected.as_ref().map_or_else(|_| Instant::now(), Ready::since);
        let began = ended.checked_sub(time).unwrap_or(ended);
        let failed = connected.as_ref().err().map(error_type);
        note(record, StepKind::Connect, (began, ended), failed);
    }
}

/// Notes that a request was signed, or could not be.
pub(super) fn note_signing(record: &mut ExchangeRecord, began: Instant, ended: Instant) {
    note(record, StepKind::Sign, (began, ended), None);
}

/// Notes that a request could not be signed.
pub(super) fn note_unsigned(record: &mut ExchangeRecord, began: Instant, error: &ExchangeError) {
    if record.trace.is_some() {
        let failed = Some(error.log_reason().reason);
        note(record, StepKind::Sign, (began, Instant::now()), failed);
    }
}

fn note(record: &mut ExchangeRecord, kind: StepKind, (began, ended): (Instant, Instant), failed: Option<&'static str>) {
    if let Some(trace) = &mut record.trace {
        let endpoint = record.endpoint.as_ref().map_or(0, |endpoint| endpoint.number);
        trace.note(Step { kind, endpoint, began, ended, failed });
    }
}
