//! The record of one exchange: filled in along the street, written as one log line and counted once, when all is over.

use std::rc::Rc;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;
use tracing::Level;

use super::audit::{AuditUnavailable, Audited, Decision, Entry, Noted};
use super::log::json_lines::JsonLines;
use super::log::line::Line;
use super::metrics::{Counted, KnownAction, ListenerMetrics, RouteMetrics};
use super::notice::{Notice, Severity};
use super::outcome::Outcome;
use super::request_id::RequestId;

/// What its line is logged under.
const TARGET: &str = "countersign::exchange";

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
    /// When it began.
    pub started: Instant,
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

/// Logs fields that are known `at` a moment, at the level of a severity, as `tracing::event!` does, which wants to know the level
/// beforehand. Where the log is [`JsonLines`], they are written into the line one by one: to carry them there takes an event as long
/// as to write them.
macro_rules! log {
    ($at:ident, $severity:expr, $($fields:tt)*) => {
        let members = |line: &mut Line| members!(line, $($fields)*);
        match $severity {
            Severity::Error => event!(ERROR, $at, members, $($fields)*),
            Severity::Warn => event!(WARN, $at, members, $($fields)*),
            Severity::Info => event!(INFO, $at, members, $($fields)*),
        }
    };
}

/// One event, if it is wanted by its level and its fields, in one of the two ways.
macro_rules! event {
    ($level:ident, $at:ident, $members:ident, $($fields:tt)*) => {
        if tracing::event_enabled!(target: TARGET, Level::$level, $($fields)*)
            && !JsonLines::write_directly($at.into_std(), Level::$level, TARGET, $members)
        {
            tracing::event!(target: TARGET, Level::$level, $($fields)*);
        }
    };
}

/// Fields as members of a line. All of them are shown as themselves there, so that `%` says nothing.
macro_rules! members {
    ($line:ident, $($name:ident = $(%)? $value:expr,)*) => {
        { $($line.member(concat!(",\"", stringify!($name), "\":"), $value);)* }
    };
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
        metrics.count(&Counted {
            action: self.action.as_ref().and_then(CalledAction::known),
            outcome: self.outcome,
            received: u64::try_from(self.received).unwrap_or(u64::MAX),
            returned: self.returned,
            repeats: u64::from(self.attempts.saturating_sub(1)),
            sign: self.sign,
            first_byte: self.first_byte,
        });
    }

    fn log(&self) {
        let ended = Instant::now();
        log!(
            ended,
            self.notice.map_or(Severity::Info, |notice| notice.severity),
            message = "exchange",
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
            total_us = micros(ended.saturating_duration_since(self.started)),
        );
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tracing::{Event, Subscriber};
    use tracing_subscriber::layer::{Context, Layered, SubscriberExt as _};
    use tracing_subscriber::{EnvFilter, Layer, Registry};

    use super::super::log::memory::Memory;
    use super::super::log::outlet::Outlet;
    use super::super::metrics::Metrics;
    use super::*;

    /// Lets nobody see what it holds, so that every line comes as an event.
    struct Hidden(JsonLines);

    impl<S: Subscriber> Layer<S> for Hidden {
        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            self.0.on_event(event, context);
        }
    }

    /// What `log` logs through a layer of `lines`, with `filter`.
    fn logged<L>(filter: &str, layer: impl FnOnce(JsonLines) -> L, log: impl FnOnce()) -> String
    where
        L: Layer<Layered<EnvFilter, Registry>> + Send + Sync,
    {
        let memory = Memory::default();
        let outlet = Outlet::start(memory.clone()).unwrap();
        let lines = JsonLines::new(outlet.clone(), |_| Timestamp::UNIX_EPOCH);
        let subscriber = tracing_subscriber::registry().with(EnvFilter::new(filter)).with(layer(lines));
        tracing::subscriber::with_default(subscriber, log);
        outlet.flush();
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
    }

    fn records() -> Vec<ExchangeRecord> {
        let metrics = Metrics::new();
        let listener = Rc::new(metrics.listener("local"));
        let route = Rc::new(metrics.route("ie", &["GetStatus".to_owned(), "ListJobs".to_owned()]));
        let severities = [None, Some(Severity::Error), Some(Severity::Warn), Some(Severity::Info)];
        let actions = [None, Some("GetStatus"), Some("ListJobs"), Some("DropTables")];
        let mut records = Vec::new();
        for (severity, action) in severities.into_iter().zip(actions) {
            let mut record = ExchangeRecord::begin(Rc::clone(&listener), Rc::new("127.0.0.1:1"));
            record.notice = severity.map(|severity| Notice { severity, reason: "browser" });
            if let Some(action) = action {
                record.route = Some(Rc::clone(&route));
                record.note_action(action);
                record.client = Some("a client with a name that takes more than some bytes".into());
                record.rule = Some("allow[1]".into());
                record.key_id = Some("AKIAIOSFODNN7EXAMPLE".into());
                record.identified_by = Some("token");
                record.decision = Some(Decision::Allow);
                (record.attempts, record.received, record.returned) = (2, 120, 700);
                (record.status, record.outcome) = (Some(503), Outcome::Unavailable);
                (record.code, record.error) = (Some("Busy"), Some("\"\n\\é".to_owned()));
                record.sign = Some(Duration::from_micros(7));
                record.first_byte = Some(Duration::from_micros(u64::MAX));
            }
            records.push(*record);
        }
        records
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_is_written_directly_is_the_one_that_an_event_makes() {
        let records = records();
        let all = || records.iter().for_each(ExchangeRecord::log);
        let filters = [
            ("info", 4),
            ("warn", 2),
            ("off", 0),
            ("off,countersign::exchange=error", 1),
            ("off,[{first_byte_us}]=info", 4),
        ];
        for (filter, count) in filters {
            let lines = logged(filter, |lines| lines, all);
            assert_eq!(lines.lines().count(), count, "{filter}");
            assert_eq!(lines, logged(filter, Hidden, all));
        }
        let now = Instant::now().into_std();
        let direct =
            || assert!(JsonLines::write_directly(now, Level::INFO, TARGET, |line| line.member(",\"n\":", 1_u64)));
        assert_eq!(logged("info", |lines| lines, direct).lines().count(), 1);
        let lines = logged("info", |lines| lines, all);
        assert!(lines.contains(r#","action":"ListJobs","#) && lines.contains(r#","action":"other","#), "{lines}");
        assert!(!lines.contains("DropTables"));
    }
}
