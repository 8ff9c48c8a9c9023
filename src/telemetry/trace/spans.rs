//! From the record of an exchange to its spans, with attributes by the semantic conventions of HTTP.
//!
//! A span has what the log line has, in other words, and nothing that a client could fill with a value: the path is the
//! route's, the host is the endpoint's, the method is one that HTTP knows.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::SystemTime;

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::time::Instant;

use super::exchange_trace::new_span_id;
use super::facts::EndpointFacts;
use super::recorded::Recorded;
use super::step::{Step, StepKind};
use crate::http1::trace_context;
use crate::telemetry::outcome::Outcome;

/// Both clocks, read together: spans have times of the wall clock, and exchanges those of the monotonic one.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    instant: Instant,
    wall: SystemTime,
}

impl Clocks {
    pub(super) fn read(now: fn() -> Timestamp) -> Self {
        Self { instant: Instant::now(), wall: SystemTime::from(now()) }
    }

    fn wall(self, instant: Instant) -> SystemTime {
        let age = self.instant.saturating_duration_since(instant);
        self.wall.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// Makes the spans of exchanges.
pub(super) struct SpanMaker {
    scope: InstrumentationScope,
}

impl SpanMaker {
    pub(super) fn new() -> Self {
        let scope = InstrumentationScope::builder("countersign").with_version(env!("CARGO_PKG_VERSION"));
        Self { scope: scope.build() }
    }

    /// The span of the exchange and those of its steps.
    pub(super) fn spans(&self, record: &Recorded, clocks: Clocks) -> Vec<SpanData> {
        let steps = record.steps.iter().map(|step| self.step(record, step, clocks));
        std::iter::once(self.exchange(record, clocks)).chain(steps).collect()
    }

    fn exchange(&self, record: &Recorded, clocks: Clocks) -> SpanData {
        let name = match (&record.route, record.method) {
            (_, "_OTHER") => Cow::Borrowed("HTTP"),
            (Some(route), method) => format!("{method} {}", route.path).into(),
            (None, method) => Cow::Borrowed(method),
        };
        let error = exchange_error(record);
        SpanData {
            parent_span_id: record.parent.map_or(SpanId::INVALID, |parent| SpanId::from(parent.number())),
            parent_span_is_remote: record.parent.is_some(),
            name,
            attributes: exchange_attributes(record, error),
            status: status(error),
            ..self.span(record, record.span_id, SpanKind::Server, (record.began, record.ended), clocks)
        }
    }

    fn step(&self, record: &Recorded, step: &Step, clocks: Clocks) -> SpanData {
        let endpoint = record.route.as_ref().map(|route| route.endpoint(step.endpoint));
        let mut attributes = Attributes::default();
        let (name, span_id, kind, error) = match step.kind {
            StepKind::Connect => {
                attributes.endpoint(endpoint);
                ("connect", new_span_id(), SpanKind::Internal, step.failed.map(Cow::Borrowed))
            }
            StepKind::Sign => {
                attributes.text("countersign.key", record.key_id.as_deref());
                ("sign", new_span_id(), SpanKind::Internal, step.failed.map(Cow::Borrowed))
            }
            StepKind::Call { span_id, status, resends } => {
                attributes.put("http.request.method", "POST");
                attributes.text("url.full", endpoint.map(|endpoint| endpoint.url.as_str()));
                attributes.endpoint(endpoint);
                attributes.put("network.protocol.version", "1.1");
                attributes.number("http.response.status_code", status);
                attributes.number("http.request.resend_count", Some(resends).filter(|resends| *resends > 0));
                let refused = status.filter(|status| *status >= 400).map(|status| status.to_string().into());
                ("POST", span_id, SpanKind::Client, step.failed.map(Cow::Borrowed).or(refused))
            }
        };
        attributes.text("error.type", error.as_deref());
        SpanData {
            parent_span_id: SpanId::from(record.span_id.number()),
            name: Cow::Borrowed(name),
            attributes: attributes.0,
            status: status(error.as_deref()),
            ..self.span(record, span_id, kind, (step.began, step.ended), clocks)
        }
    }

    fn span(
        &self,
        record: &Recorded,
        span_id: trace_context::SpanId,
        span_kind: SpanKind,
        (began, ended): (Instant, Instant),
        clocks: Clocks,
    ) -> SpanData {
        let flags = u8::from(record.flags.sampled) | u8::from(record.flags.random) << 1;
        let (trace, span) = (TraceId::from(record.trace_id.number()), SpanId::from(span_id.number()));
        SpanData {
            span_context: SpanContext::new(trace, span, TraceFlags::new(flags), false, TraceState::NONE),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind,
            name: Cow::Borrowed(""),
            start_time: clocks.wall(began),
            end_time: clocks.wall(ended),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// Why an exchange counts as an error: ours, or the endpoint's. A refused client is none (semantic conventions, "HTTP
/// server": 4xx leave the status unset).
fn exchange_error(record: &Recorded) -> Option<&str> {
    const OUTCOMES: [Outcome; 5] =
        [Outcome::Answered5xx, Outcome::Unavailable, Outcome::Unknown, Outcome::Cut, Outcome::Abandoned];
    let is_server_error = record.status.is_some_and(|status| status >= 500);
    let is_error = is_server_error || OUTCOMES.iter().any(|outcome| outcome.as_str() == record.outcome);
    is_error.then(|| record.code.unwrap_or(record.outcome))
}

fn exchange_attributes(record: &Recorded, error: Option<&str>) -> Vec<KeyValue> {
    let mut attributes = Attributes::default();
    attributes.put("http.request.method", record.method);
    attributes.put("url.scheme", record.listener.scheme);
    attributes.text("url.path", record.route.as_ref().map(|route| route.path.as_str()));
    attributes.text("http.route", record.route.as_ref().map(|route| route.path.as_str()));
    attributes.number("http.response.status_code", record.status);
    attributes.put("network.protocol.version", record.version);
    attributes.address("server", record.listener.address);
    attributes.address("client", record.addresses.client);
    attributes.address("network.peer", record.addresses.peer);
    if record.addresses.peer.is_none() {
        attributes.put("network.transport", "unix");
    }
    attributes.text("error.type", error);
    attributes.put("countersign.request_id", record.request_id.as_str().to_owned());
    attributes.put("countersign.listener", record.listener_name.to_string());
    attributes.text("countersign.route", record.route.as_ref().map(|route| route.name.as_str()));
    attributes.text("countersign.client", record.client.as_deref());
    attributes.text("countersign.action", record.action.as_deref());
    attributes.text("countersign.decision", record.decision);
    attributes.text("countersign.rule", record.rule.as_deref());
    attributes.text("countersign.key", record.key_id.as_deref());
    attributes.put("countersign.outcome", record.outcome);
    attributes.text("countersign.code", record.code);
    attributes.text("countersign.reason", record.reason);
    attributes.number("http.request.body.size", i64::try_from(record.received).ok());
    attributes.number("http.response.body.size", i64::try_from(record.returned).ok());
    attributes.0
}

/// No description: what happened is in `error.type`.
fn status(error: Option<&str>) -> Status {
    error.map_or(Status::Unset, |_| Status::error(""))
}

#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(name, value));
    }

    fn text(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(name, value.to_owned());
        }
    }

    fn number(&mut self, name: &'static str, value: Option<impl Into<i64>>) {
        if let Some(value) = value {
            self.put(name, value.into());
        }
    }

    /// `BEFORE.address` and `BEFORE.port`.
    fn address(&mut self, before: &'static str, address: Option<SocketAddr>) {
        if let Some(address) = address {
            self.0.push(KeyValue::new(format!("{before}.address"), address.ip().to_canonical().to_string()));
            self.0.push(KeyValue::new(format!("{before}.port"), i64::from(address.port())));
        }
    }

    /// The endpoint's `server.address` and `server.port`.
    fn endpoint(&mut self, endpoint: Option<&EndpointFacts>) {
        if let Some(endpoint) = endpoint {
            self.put("server.address", endpoint.host.clone());
            self.put("server.port", i64::from(endpoint.port));
        }
    }
}
