//! The log line of an exchange: one list of fields, written straight into a JSON line, or carried by an event to any
//! other log.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Level;

use super::ExchangeRecord;
use crate::faults::Severity;
use crate::http1::trace_context::TraceId;
use crate::telemetry::audit::Decision;
use crate::telemetry::endpoint_request_id::EndpointRequestId;
use crate::telemetry::log::json_lines::JsonLines;
use crate::telemetry::log::line::Line;
use crate::telemetry::refusals::Treatment;

/// The target of the line.
const TARGET: &str = "countersign::exchange";

/// Logs fields at one level, if an event of this level with these fields is wanted.
///
/// A JSON line is written without an event. To begin, fill and drop a record takes 3,400 instructions this way, and
/// 6,300 with an event that carries the fields (callgrind, release build); a request takes about 34,000 besides
/// hashing. A test compares the two forms byte by byte. In the brackets stands `%` where an event shows a value by its
/// `Display`; a JSON line needs no such sign.
macro_rules! log_at {
    ($level:ident, $at:ident, $($name:ident = [$($sigil:tt)?] $value:expr,)*) => {{
        let write = |line: &mut Line| { $(line.member(concat!(",\"", stringify!($name), "\":"), $value);)* };
        if tracing::event_enabled!(target: TARGET, Level::$level, $($name = $($sigil)? $value,)*)
            && !JsonLines::write_directly($at.into_std(), Level::$level, TARGET, write)
        {
            tracing::event!(target: TARGET, Level::$level, $($name = $($sigil)? $value,)*);
        }
    }};
}

/// Writes the line of an exchange that ended then, and took that long.
pub(super) fn log(record: &ExchangeRecord, ended: Instant, total: Duration) {
    // tracing takes the level as a constant
    macro_rules! exchange {
        ($level:ident) => {
            log_at!(
                $level,
                ended,
                message = [] "exchange",
                request_id = [%] record.request_id,
                trace_id = [] record.trace_id.as_ref().map(TraceId::as_str),
                listener = [] record.listener.name(),
                peer = [%] (*record.peer).as_ref(),
                route = [] record.route.as_ref().map(|route| route.name()),
                route_tenant = [] record.route_tenant.as_deref(),
                endpoint = [] record.endpoint.as_ref().map(|endpoint| &*endpoint.name),
                client = [] record.client.as_deref(),
                client_tenant = [] record.client_tenant.as_deref(),
                identified_by = [] record.identified_by,
                action = [] record.called_action(),
                decision = [] record.decision.map(Decision::as_str),
                rule = [] record.rule.as_deref(),
                key_id = [] record.key_id.as_deref(),
                attempts = [] (record.attempts > 1).then_some(record.attempts),
                status = [] record.status,
                endpoint_request_id = [] record.endpoint_request_id.as_ref().map(EndpointRequestId::as_str),
                outcome = [] record.outcome.as_str(),
                code = [] record.code,
                reason = [] record.log_reason.map(|log| log.reason),
                error = [] record.error.as_deref(),
                bytes_in = [] record.received,
                bytes_out = [] record.returned,
                connect_us = [] record.connect.map(micros),
                sign_us = [] record.sign.map(micros),
                first_byte_us = [] record.first_byte.map(micros),
                total_us = [] micros(total),
            )
        };
    }
    if record.treatment == Some(Treatment::Counted) {
        return exchange!(DEBUG);
    }
    match record.log_reason.map_or(Severity::Info, |log| log.severity) {
        Severity::Error => exchange!(ERROR),
        Severity::Warn => exchange!(WARN),
        Severity::Info => exchange!(INFO),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use jiff::Timestamp;
    use tracing::{Event, Subscriber};
    use tracing_subscriber::layer::{Context, Layered, SubscriberExt as _};
    use tracing_subscriber::{EnvFilter, Layer, Registry};

    use super::*;
    use crate::faults::LogReason;
    use crate::telemetry::log::memory::Memory;
    use crate::telemetry::log::outlet::Outlet;
    use crate::telemetry::metrics::Metrics;
    use crate::telemetry::outcome::Outcome;
    use crate::telemetry::peer::tests::Somebody;
    use crate::telemetry::record::TriedEndpoint;

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
        let route = Rc::new(metrics.route("ie", &["GetStatus".into(), "ListJobs".into()]));
        let severities = [None, Some(Severity::Error), Some(Severity::Warn), Some(Severity::Info)];
        let actions = [None, Some("GetStatus"), Some("ListJobs"), Some("DropTables")];
        let mut records = Vec::new();
        for (severity, action) in severities.into_iter().zip(actions) {
            let mut record = ExchangeRecord::begin(Rc::clone(&listener), Rc::new(Somebody("127.0.0.1:1")));
            record.log_reason = severity.map(|severity| LogReason { severity, reason: "browser" });
            if let Some(action) = action {
                record.route = Some(Rc::clone(&route));
                record.trace_id = Some(TraceId::of([0xab; 16]));
                record.note_action(action);
                record.client = Some("a client with a name that takes more than some bytes".into());
                (record.client_tenant, record.route_tenant) = (Some("team-a".into()), Some("team-b".into()));
                record.endpoint = Some(TriedEndpoint { number: 1, name: "https://two.example/".into() });
                record.rule = Some("allow[1]".into());
                record.key_id = Some("AKIAIOSFODNN7EXAMPLE".into());
                record.identified_by = Some("token");
                record.decision = Some(Decision::Allow);
                (record.attempts, record.received, record.returned) = (2, 120, 700);
                (record.status, record.outcome) = (Some(503), Outcome::Unavailable);
                (record.code, record.error) = (Some("Busy"), Some("\"\n\\é".to_owned()));
                record.endpoint_request_id = EndpointRequestId::new(b"req-1");
                record.note_connecting(Duration::from_micros(30_000));
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
        let (ended, total) = (Instant::now(), Duration::from_millis(41));
        let all = || records.iter().for_each(|record| log(record, ended, total));
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
        assert!(lines.contains(r#","connect_us":30000,"sign_us":7,"#) && lines.contains(r#","total_us":41000,"#));
        assert!(lines.contains(r#","trace_id":"abababababababababababababababab","listener":"#), "{lines}");
        assert!(lines.contains(r#","route":"ie","route_tenant":"team-b","endpoint":"#), "{lines}");
        assert!(lines.contains(r#","client_tenant":"team-a","identified_by":"#), "{lines}");
        assert!(lines.contains(r#","action":"ListJobs","#) && lines.contains(r#","action":"DropTables","#), "{lines}");
    }
}
