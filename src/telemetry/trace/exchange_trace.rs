//! The trace of one exchange while it lasts: its IDs, whether it is sampled, and the steps that become spans.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use uuid::Uuid;

use super::facts::{ListenerFacts, RouteFacts};
use super::queue::SpanQueue;
use super::sampling::{Caller, Sampling};
use super::settings::Forwarding;
use super::step::Step;
use crate::http1::trace_context::{SpanId, TRACE_PARENT, TRACE_STATE, TraceFlags, TraceId, TraceParent, trace_state};
use crate::http1::{Fields, RequestHead, Version};

/// Steps of one exchange that are kept. Every attempt has up to three, and few exchanges have more than one attempt.
const MOST_STEPS: usize = 24;

/// How the exchanges of one listener are traced.
pub(crate) struct Tracer {
    pub(crate) sampling: Sampling,
    pub(crate) forwarding: Forwarding,
    /// Where sampled exchanges go; `None` where no spans are exported.
    pub(crate) spans: Option<SpanQueue>,
    pub(crate) listener: Arc<ListenerFacts>,
    /// By the names of the routes.
    pub(crate) routes: BTreeMap<String, Arc<RouteFacts>>,
}

/// The tracer of a listener, if exchanges are traced.
#[derive(Clone)]
pub struct Tracing(Option<Rc<Tracer>>);

impl Tracing {
    /// Exchanges are traced by this one.
    pub(crate) fn by(tracer: Tracer) -> Self {
        Self(Some(Rc::new(tracer)))
    }

    /// Exchanges are not traced.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    pub(crate) const fn tracer(&self) -> Option<&Rc<Tracer>> {
        self.0.as_ref()
    }
}

/// See the module's page.
pub(crate) struct ExchangeTrace {
    pub(crate) tracer: Rc<Tracer>,
    pub(crate) trace_id: TraceId,
    /// The span of this exchange, and that of the client which called.
    pub(crate) span_id: SpanId,
    pub(crate) parent: Option<TraceParent>,
    pub(crate) method: &'static str,
    pub(crate) version: &'static str,
    /// The number of the client whose share of the queue counts; `None` for a stranger.
    pub(crate) holder: Option<usize>,
    pub(crate) steps: Vec<Step>,
    /// What the client's `tracestate` says, where endpoints are told.
    state: Option<String>,
    decision: Option<Decision>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Sampled,
    NotSampled,
}

impl ExchangeTrace {
    /// Begins the trace of the request with this head, as part of the trace of `parent` if there is one.
    pub(crate) fn begin(tracer: &Rc<Tracer>, parent: Option<TraceParent>, head: &RequestHead) -> Box<Self> {
        let state = match tracer.forwarding {
            Forwarding::On => parent.and_then(|_| trace_state(head.fields())),
            Forwarding::Off => None,
        };
        Box::new(Self {
            tracer: Rc::clone(tracer),
            // the last 56 bits of such a UUID are random, which the flag says
            trace_id: parent.map_or_else(|| TraceId::of(Uuid::new_v4().into_bytes()), |parent| parent.trace_id),
            span_id: new_span_id(),
            parent,
            method: known_method(head.method()),
            version: match head.version() {
                Version::Http10 => "1.0",
                Version::Http11 => "1.1",
            },
            holder: None,
            steps: Vec::new(),
            state,
            decision: None,
        })
    }

    /// Notes whose share of the queue counts.
    pub(crate) const fn identify(&mut self, holder: usize) {
        self.holder = Some(holder);
    }

    /// Whether it is sampled. Decided once: the endpoint is told what is decided before the first call.
    pub(crate) fn is_sampled(&mut self) -> bool {
        let caller = if self.holder.is_some() { Caller::Known } else { Caller::Stranger };
        let flags = self.parent.map(|parent| parent.flags);
        let (sampling, id) = (self.tracer.sampling, self.trace_id);
        let decide = || if sampling.samples(&id, flags, caller) { Decision::Sampled } else { Decision::NotSampled };
        *self.decision.get_or_insert_with(decide) == Decision::Sampled
    }

    /// Notes a step, if it becomes a span.
    pub(crate) fn note(&mut self, step: Step) {
        if self.tracer.spans.is_some() && self.steps.len() < MOST_STEPS && self.is_sampled() {
            self.steps.push(step);
        }
    }

    /// The flags of all spans of the exchange.
    pub(crate) fn flags(&mut self) -> TraceFlags {
        let random = self.parent.is_none_or(|parent| parent.flags.random);
        TraceFlags { sampled: self.is_sampled(), random }
    }

    /// The fields that the endpoint gets for the call with the span `call`, added to those that are `forwarded`;
    /// `None` where endpoints are told nothing.
    pub(crate) fn told(&mut self, call: SpanId, forwarded: &Fields) -> Option<Fields> {
        match self.tracer.forwarding {
            Forwarding::Off => None,
            Forwarding::On => {
                let parent = TraceParent { trace_id: self.trace_id, span_id: call, flags: self.flags() };
                let mut fields = forwarded.clone();
                fields.push(TRACE_PARENT, parent.to_string().as_bytes());
                if let Some(state) = &self.state {
                    fields.push(TRACE_STATE, state.as_bytes());
                }
                Some(fields)
            }
        }
    }
}

/// A new ID for a span: a random UUID folded in half, so that its fixed bits fall on random ones.
pub(crate) fn new_span_id() -> SpanId {
    let (upper, lower) = Uuid::new_v4().as_u64_pair();
    SpanId::of((upper ^ lower).to_be_bytes())
}

/// The method, if it is one that HTTP knows: a client can invent others.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}
