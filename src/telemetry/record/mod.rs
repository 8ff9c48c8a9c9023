//! The record of one exchange: filled in step by step, counted once and written as one log line when the exchange is
//! over.

pub(crate) mod cut_off;
mod incident;
mod log_line;
mod traced;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::audit::{AuditUnavailable, Decision, Entry, FormSummary, Reservation};
use super::endpoint_request_id::EndpointRequestId;
use super::metrics::{Counted, KnownAction, ListenerMetrics, RouteMetrics};
use super::outcome::Outcome;
use super::peer::Peer;
use super::refusals::{self, Kind, Treatment};
use super::request_id::RequestId;
use super::trace::{ExchangeTrace, Tracer};
use crate::faults::{self, AuditReason, LogReason};
use crate::http1::RequestHead;
use crate::http1::trace_context::{TraceId, TraceParent};

/// What is known of an exchange so far. Dropping it writes it: however an exchange ends, it has exactly one line.
pub(crate) struct ExchangeRecord {
    /// The client gets this ID too.
    pub(crate) request_id: RequestId,
    pub(crate) listener: Rc<ListenerMetrics>,
    /// The trace that the exchange belongs to: the client's, or a new one where exchanges are traced.
    pub(crate) trace_id: Option<TraceId>,
    /// What becomes spans, or is told the endpoint; `None` where exchanges are not traced.
    pub(crate) trace: Option<Box<ExchangeTrace>>,
    /// What the connection says of the client: an address or a UID, and its certificate.
    pub(crate) peer: Rc<dyn Peer>,
    /// The route, once one is chosen.
    pub(crate) route: Option<Rc<RouteMetrics>>,
    /// Whose the route is: the name of a file of `conf.d/`.
    pub(crate) route_tenant: Option<SmolStr>,
    /// The endpoint that is tried, where the route has several.
    pub(crate) endpoint: Option<TriedEndpoint>,
    /// The client's name, once the request is authenticated; for a refused request also where the connection alone
    /// identifies one.
    pub(crate) client: Option<SmolStr>,
    /// Whose the client is, likewise.
    pub(crate) client_tenant: Option<SmolStr>,
    /// Its number among all who have shares, where the request was authenticated.
    pub(crate) client_number: Option<usize>,
    /// How the client was identified, where it was.
    pub(crate) identified_by: Option<&'static str>,
    /// Which token identified the client: the beginning of its digest, or its service account.
    pub(crate) token: Option<SmolStr>,
    /// The decision; the audit counts `None` as a denial.
    pub(crate) decision: Option<Decision>,
    /// The rule that decided, if one did.
    pub(crate) rule: Option<SmolStr>,
    /// The reserved place of the audit line.
    pub(crate) audit: Reservation,
    parameters: FormSummary,
    action: Option<CalledAction>,
    /// How often a signed request was handed over to be sent.
    pub(crate) attempts: u32,
    /// How many connections to the endpoint it took from the pool.
    pub(crate) reused: u32,
    /// How many connections to the endpoint were opened for it.
    pub(crate) opened: u32,
    /// The ID of the key that signed.
    pub(crate) key_id: Option<SmolStr>,
    /// The status of the response.
    pub(crate) status: Option<u16>,
    /// Our own error code, when the response is ours.
    pub(crate) code: Option<&'static str>,
    /// The error with its causes, for the log only.
    pub(crate) error: Option<String>,
    /// The reason of the error in the log, and the level.
    pub(crate) log_reason: Option<LogReason>,
    /// What the row of the error says.
    pub(crate) refusal: Option<Refusal>,
    /// The endpoint's own ID of the request.
    pub(crate) endpoint_request_id: Option<EndpointRequestId>,
    /// Whether the exchange has lines of its own, once that is decided.
    treatment: Option<Treatment>,
    /// How the exchange ended; `Abandoned` until something else is known.
    pub(crate) outcome: Outcome,
    /// Body bytes from the client.
    pub(crate) received: usize,
    /// Body bytes to the client.
    pub(crate) returned: u64,
    /// Time spent on connecting to the endpoint, where no pooled connection was used.
    connect: Option<Duration>,
    /// Time to canonicalise and sign.
    pub(crate) sign: Option<Duration>,
    /// Time from the signed request to the head of the response.
    pub(crate) first_byte: Option<Duration>,
    /// When the exchange began.
    pub(crate) started: Instant,
}

/// One of several endpoints of a route.
#[derive(Debug, Clone)]
pub struct TriedEndpoint {
    /// Its number among them; the first is 0.
    pub number: usize,
    /// What log and audit call it: its URL.
    pub name: Arc<str>,
}

/// What the row of an error says of a response that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The reason in the audit.
    pub(crate) audit: AuditReason,
    /// What happened, as a sentence.
    pub(crate) cause: &'static str,
    /// What to do about it, as a sentence.
    pub(crate) remedy: &'static str,
}

/// What an exchange that ended before its client was identified counts as: there is no row for it, since nobody hears
/// of it.
const LEFT: Refusal = Refusal {
    audit: AuditReason::Abandoned,
    cause: "The connection was closed before the form was there whose signature says who sends it.",
    remedy: "Raise the listener's `connections`, or look for who opens so many.",
};

enum CalledAction {
    /// An Action that is known of the route.
    Known(KnownAction),
    /// Any other, by its name.
    Other(SmolStr),
}

impl CalledAction {
    const fn known(&self) -> Option<KnownAction> {
        match self {
            Self::Known(known) => Some(*known),
            Self::Other(_) => None,
        }
    }
}

impl ExchangeRecord {
    /// Begins a record. It is boxed, since it has 700 bytes and moves between functions often.
    #[must_use]
    pub(crate) fn begin(listener: Rc<ListenerMetrics>, peer: Rc<dyn Peer>) -> Box<Self> {
        Box::new(Self {
            request_id: RequestId::random(),
            listener,
            trace_id: None,
            trace: None,
            peer,
            route: None,
            route_tenant: None,
            endpoint: None,
            client: None,
            client_tenant: None,
            client_number: None,
            identified_by: None,
            token: None,
            rule: None,
            decision: None,
            audit: Reservation::NotNeeded,
            parameters: FormSummary::default(),
            action: None,
            attempts: 0,
            reused: 0,
            opened: 0,
            key_id: None,
            status: None,
            code: None,
            error: None,
            log_reason: None,
            refusal: None,
            endpoint_request_id: None,
            treatment: None,
            outcome: Outcome::Abandoned,
            received: 0,
            returned: 0,
            connect: None,
            sign: None,
            first_byte: None,
            started: Instant::now(),
        })
    }

    /// Reads which trace the request with this head belongs to, and begins to trace it where exchanges are traced.
    pub(crate) fn begin_trace(&mut self, tracer: Option<&Rc<Tracer>>, head: &RequestHead) {
        let parent = TraceParent::of(head.fields());
        self.trace_id = parent.map(|parent| parent.trace_id);
        if let Some(tracer) = tracer {
            let trace = ExchangeTrace::begin(tracer, parent, head);
            self.trace_id = Some(trace.trace_id);
            self.trace = Some(trace);
        }
    }

    /// Whether the exchange may go on as far as the audit is concerned.
    ///
    /// # Errors
    /// The audit has no place for its line, and `when_full` is `refuse`.
    pub(crate) fn check_audit(&self) -> Result<(), AuditUnavailable> {
        match self.audit {
            Reservation::NotNeeded | Reservation::Later(_) | Reservation::Reserved(_) => Ok(()),
            Reservation::Refused => Err(AuditUnavailable),
        }
    }

    /// Takes the place of the audit line, without which nothing may be sent.
    ///
    /// # Errors
    /// As for [`Self::check_audit`].
    pub(crate) fn reserve_audit(&mut self) -> Result<(), AuditUnavailable> {
        if let Reservation::Later(log) = &self.audit {
            self.audit = log.reserve();
        }
        self.check_audit()
    }

    /// Notes which Action is called, once the route is known.
    pub(crate) fn note_action(&mut self, name: &str) {
        let known = self.route.as_ref().and_then(|route| route.known_action(name));
        self.action = Some(known.map_or_else(|| CalledAction::Other(name.into()), CalledAction::Known));
    }

    /// Adds the time of a connection that was made to the endpoint, or could not be: each attempt may need one.
    pub(crate) fn note_connecting(&mut self, time: Duration) {
        self.connect = Some(self.connect.unwrap_or_default().saturating_add(time));
    }

    /// Notes the names of a form's parameters for the audit, and the values of those in `wanted`.
    pub(crate) fn note_parameters<'p>(&mut self, parameters: impl Iterator<Item = (&'p str, Option<&'p str>)>) {
        match self.audit {
            Reservation::Reserved(_) => self.parameters = FormSummary::of(parameters),
            Reservation::NotNeeded | Reservation::Later(_) | Reservation::Refused => {}
        }
    }

    /// Writes the audit line, once: before the response is passed on, which may still break off after that (the log
    /// says so). A refusal that is one of a flood has no line, and gives its place back.
    pub(crate) fn write_audit(&mut self, outcome: Outcome) {
        let treatment = self.decide_treatment(outcome);
        let place = match (std::mem::replace(&mut self.audit, Reservation::NotNeeded), treatment) {
            (Reservation::Later(log), Treatment::Listed) => log.reserve(),
            (reserved, _) => reserved,
        };
        let (Reservation::Reserved(place), Treatment::Listed) = (place, treatment) else { return };
        place.write(&Entry {
            request_id: Some(self.request_id.as_str()),
            trace_id: self.trace_id.as_ref().map(TraceId::as_str),
            listener: self.listener.name(),
            peer: (*self.peer).as_ref(),
            client: self.client.as_deref(),
            client_tenant: self.client_tenant.as_deref(),
            identified_by: self.identified_by,
            certificate: self.peer.certificate(),
            token: self.token.as_deref(),
            route: self.route.as_ref().map(|route| route.name()),
            route_tenant: self.route_tenant.as_deref(),
            endpoint: self.called_endpoint(),
            action: self.called_action(),
            key_id: self.key_id.as_deref(),
            rule: self.rule.as_deref(),
            decision: self.decision.unwrap_or(Decision::Deny),
            outcome,
            status: self.status,
            code: self.code,
            reason: self.refusal.map(|refusal| refusal.audit.as_str()),
            handshake: None,
            endpoint_request_id: self.endpoint_request_id.as_ref().map(EndpointRequestId::as_str),
            repeated: None,
            parameters: &self.parameters,
        });
    }

    /// Notes that the exchange was cut off because its worker ends. A response of countersign's own says what became of
    /// the request; any other response has not been passed on completely.
    fn note_cut_off(&mut self) {
        self.outcome = match (self.code, self.status, self.attempts) {
            (Some(_), _, _) => self.outcome,
            (None, Some(_), _) => Outcome::Cut,
            (None, None, 0) => Outcome::Unavailable,
            (None, None, _) => Outcome::Unknown,
        };
        self.log_reason = Some(faults::service::PROCESS_ENDED);
        self.error.get_or_insert_with(|| "the process ended before the exchange did".to_owned());
    }

    /// Decides, once, whether the exchange has lines of its own. Only refusals of clients that are not identified may
    /// have none.
    fn decide_treatment(&mut self, outcome: Outcome) -> Treatment {
        if let Some(decided) = self.treatment {
            return decided;
        }
        let refused = match (self.log_reason, self.refusal, outcome, &self.client) {
            (Some(log), Some(refusal), Outcome::Refused | Outcome::Unavailable, None) => Some((log, refusal)),
            (Some(log), None, Outcome::Abandoned, None) => Some((log, LEFT)),
            _ => None,
        };
        let treatment = refused.map_or(Treatment::Listed, |(log, Refusal { audit, cause, remedy: _ })| {
            let (listener, code) = (self.listener.shared_name(), self.code);
            let kind = Kind { listener, code, log, audit, cause, handshake: None };
            refusals::judge(kind, self.peer.source(), self.audit.log())
        });
        self.treatment = Some(treatment);
        treatment
    }

    fn count(&self, total: Duration) {
        let clients = self.listener.clients();
        let number = self.client_number.or_else(|| clients.number(self.client.as_deref()?));
        if let Some(number) = number {
            clients.count(number, self.outcome);
        }
        let Some(metrics) = &self.route else {
            self.listener.count_unrouted(self.code.unwrap_or("none"));
            return;
        };
        metrics.count(&Counted {
            action: self.action.as_ref().and_then(CalledAction::known),
            outcome: self.outcome,
            code: self.code,
            received: u64::try_from(self.received).unwrap_or(u64::MAX),
            returned: self.returned,
            repeats: u64::from(self.attempts.saturating_sub(1)),
            reused: u64::from(self.reused),
            opened: u64::from(self.opened),
            connect: self.connect,
            sign: self.sign,
            first_byte: self.first_byte,
            total,
        });
    }

    /// The endpoint that got the call, where the route has several; `None` when none got it.
    fn called_endpoint(&self) -> Option<&str> {
        self.endpoint.as_ref().filter(|_| self.attempts > 0).map(|endpoint| &*endpoint.name)
    }

    /// The Action that the client sent, for log and audit. It is at most 128 letters and digits: metrics alone, where
    /// each name costs memory, call those that are not known `other`.
    pub(crate) fn called_action(&self) -> Option<&str> {
        match self.action.as_ref()? {
            CalledAction::Known(known) => self.route.as_ref()?.action_name(*known),
            CalledAction::Other(name) => Some(name),
        }
    }
}

impl Drop for ExchangeRecord {
    fn drop(&mut self) {
        if cut_off::counts() {
            self.note_cut_off();
        }
        let ended = Instant::now();
        let total = ended.saturating_duration_since(self.started);
        // an exchange that has no response yet: the client left, or the process ends
        self.write_audit(self.outcome);
        self.count(total);
        // none of an exchange that went well
        if let Some(log) = self.log_reason {
            incident::note(self, log, ended);
        }
        log_line::log(self, ended, total);
        if let Some(trace) = self.trace.take() {
            traced::hand_over(self, *trace, ended);
        }
    }
}
