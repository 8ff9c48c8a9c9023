//! The record of one exchange: filled in along the street, written as one log line and counted once, when all is over.

use std::rc::Rc;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::audit::{AuditUnavailable, Audited, Decision, Entry, Noted};
use super::metrics::{KnownAction, ListenerMetrics, RouteMetrics};
use super::notice::{Notice, Severity};
use super::outcome::Outcome;
use super::request_id::RequestId;

/// What is known of an exchange so far. Its drop writes it: however an exchange ends, it ends in exactly one line.
pub struct ExchangeRecord {
    /// The id the client gets too.
    pub request_id: RequestId,
    /// The listener.
    pub listener: Rc<ListenerMetrics>,
    /// What the connection says of the client, for the log: an address, a uid.
    pub peer: Rc<dyn AsRef<str>>,
    /// The route, once one is chosen.
    pub route: Option<Rc<RouteMetrics>>,
    /// Who called, once authenticated.
    pub client: Option<SmolStr>,
    /// How the client was identified, once authenticated.
    pub identified_by: Option<&'static str>,
    /// What was decided; none yet is a denial.
    pub decision: Option<Decision>,
    /// The rule that decided, once one has.
    pub rule: Option<SmolStr>,
    /// The place of the audit line.
    pub audit: Audited,
    noted: Noted,
    action: Option<CalledAction>,
    /// How often a signed request was handed over to be sent.
    pub attempts: u32,
    /// Which key signed.
    pub key_id: Option<SmolStr>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Our own error code, when the answer is ours.
    pub code: Option<&'static str>,
    /// What went wrong, with its causes; for the log only.
    pub error: Option<String>,
    /// What was wrong, when something was.
    pub notice: Option<Notice>,
    /// How it ended; `Abandoned` until something else is known.
    pub outcome: Outcome,
    /// Body bytes from the client.
    pub received: usize,
    /// Body bytes to the client.
    pub returned: u64,
    /// Time to canonicalise and sign.
    pub sign: Option<Duration>,
    /// Time from the signed request to the head of the answer.
    pub first_byte: Option<Duration>,
    started: Instant,
}

enum CalledAction {
    /// One that the route knows.
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
    /// Begins a record; in a box, since it moves from hand to hand.
    #[must_use]
    pub fn begin(listener: Rc<ListenerMetrics>, peer: Rc<dyn AsRef<str>>) -> Box<Self> {
        Box::new(Self {
            request_id: RequestId::random(),
            listener,
            peer,
            route: None,
            client: None,
            identified_by: None,
            rule: None,
            decision: None,
            audit: Audited::Unwritten,
            noted: Noted::default(),
            action: None,
            attempts: 0,
            key_id: None,
            status: None,
            code: None,
            error: None,
            notice: None,
            outcome: Outcome::Abandoned,
            received: 0,
            returned: 0,
            sign: None,
            first_byte: None,
            started: Instant::now(),
        })
    }

    /// Whether the exchange may go on, as far as the audit is concerned.
    ///
    /// # Errors
    /// There is no place for its line, and none may go without.
    pub fn audited(&self) -> Result<(), AuditUnavailable> {
        match self.audit {
            Audited::Unwritten | Audited::Place(_) => Ok(()),
            Audited::Refused => Err(AuditUnavailable),
        }
    }

    /// Notes which Action is called, once the route is known.
    pub fn note_action(&mut self, name: &str) {
        let known = self.route.as_ref().and_then(|route| route.known_action(name));
        self.action = Some(known.map_or_else(|| CalledAction::Other(name.into()), CalledAction::Known));
    }

    /// Notes the parameters of a form for the audit, and the values of those in `wanted`.
    pub fn note<'p>(&mut self, parameters: impl Iterator<Item = (&'p str, &'p str)>, wanted: &[String]) {
        match self.audit {
            Audited::Place(_) => self.noted = Noted::form(parameters, wanted),
            Audited::Unwritten | Audited::Refused => {}
        }
    }

    /// Hands the audit line on, once: before the answer is passed on, which may then still break off (the log tells).
    pub fn write_audit(&mut self, outcome: Outcome) {
        let Audited::Place(place) = std::mem::replace(&mut self.audit, Audited::Unwritten) else { return };
        place.write(&Entry {
            request_id: self.request_id.as_str(),
            listener: self.listener.name(),
            client: self.client.as_deref(),
            identified_by: self.identified_by,
            route: self.route.as_ref().map(|route| route.name()),
            action: self.called_action(),
            key_id: self.key_id.as_deref(),
            rule: self.rule.as_deref(),
            decision: self.decision.unwrap_or(Decision::Deny),
            outcome,
            status: self.status,
            noted: &self.noted,
        });
    }

    fn count(&self) {
        let Some(metrics) = &self.route else {
            self.listener.count_unrouted(self.code.unwrap_or("none"));
            return;
        };
        metrics.count(self.action.as_ref().and_then(CalledAction::known), self.outcome);
        metrics.received.inc_by(u64::try_from(self.received).unwrap_or(u64::MAX));
        metrics.returned.inc_by(self.returned);
        metrics.repeats.inc_by(u64::from(self.attempts.saturating_sub(1)));
        if let Some(sign) = self.sign {
            metrics.sign.observe(sign);
        }
        if let Some(first_byte) = self.first_byte {
            metrics.first_byte.observe(first_byte);
        }
    }

    fn log(&self) {
        macro_rules! line {
            ($level:ident) => {
                tracing::event!(
                    target: "countersign::exchange",
                    tracing::Level::$level,
                    request_id = %self.request_id,
                    listener = self.listener.name(),
                    peer = %(*self.peer).as_ref(),
                    route = self.route.as_ref().map(|route| route.name()),
                    client = self.client.as_deref(),
                    identified_by = self.identified_by,
                    action = self.shown_action(),
                    decision = self.decision.map(Decision::as_str),
                    rule = self.rule.as_deref(),
                    key_id = self.key_id.as_deref(),
                    attempts = (self.attempts > 1).then_some(self.attempts),
                    status = self.status,
                    outcome = self.outcome.as_str(),
                    code = self.code,
                    reason = self.notice.map(|notice| notice.reason),
                    error = self.error.as_deref(),
                    bytes_in = self.received,
                    bytes_out = self.returned,
                    sign_us = self.sign.map(micros),
                    first_byte_us = self.first_byte.map(micros),
                    total_us = micros(self.started.elapsed()),
                    "exchange"
                )
            };
        }
        match self.notice.map_or(Severity::Info, |notice| notice.severity) {
            Severity::Error => line!(ERROR),
            Severity::Warn => line!(WARN),
            Severity::Info => line!(INFO),
        }
    }

    /// A name that nobody configured is a client's text, and not shown.
    fn shown_action(&self) -> Option<&str> {
        let (route, action) = (self.route.as_ref()?, self.action.as_ref()?);
        Some(route.action_name(action.known()))
    }

    /// What the client wrote.
    fn called_action(&self) -> Option<&str> {
        match self.action.as_ref()? {
            CalledAction::Known(known) => Some(self.route.as_ref()?.action_name(Some(*known))),
            CalledAction::Other(name) => Some(name),
        }
    }
}

/// An error and its causes, in one line.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let shown = error.to_string();
        // transparent errors repeat their source's words
        if !text.ends_with(&shown) {
            text.push_str(": ");
            text.push_str(&shown);
        }
        cause = error.source();
    }
    text
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Drop for ExchangeRecord {
    fn drop(&mut self) {
        // of an exchange that has no answer: the client left
        self.write_audit(self.outcome);
        self.count();
        self.log();
    }
}
