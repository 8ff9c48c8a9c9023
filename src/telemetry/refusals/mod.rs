//! Refusals of strangers: of a flood, only the first have lines of their own in log and audit; the others are counted.
//!
//! A stranger is a client that has not been identified. Without this, anybody who can connect could fill the disk that
//! log and audit are written to, and with `when_full = "refuse"` a full disk refuses everybody. Each worker has a
//! [`table`] of its own, of fixed size. Refusals of clients that are known are never counted here: each has its lines.

mod handshake;
mod summary;
mod table;

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::audit::AuditLog;
use super::peer::Source;
use crate::faults::{AuditReason, LogReason};
pub(crate) use handshake::RefusedHandshake;
use table::Table;
pub(super) use table::Treatment;

/// What refusals have in common that are counted together. Everything in it comes from the program or the
/// configuration, so there are few.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) listener: Arc<str>,
    /// Our error code; none before HTTP.
    pub(super) code: Option<&'static str>,
    pub(super) log: LogReason,
    pub(super) audit: AuditReason,
    /// What happened, as a sentence.
    pub(super) cause: &'static str,
    /// Why a handshake was refused, if that was it.
    pub(super) handshake: Option<&'static str>,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
    /// Tells [`settle_when_due`] that the table is no longer empty.
    static FILLED: Rc<Notify> = Rc::default();
}

/// Says whether a refusal has lines of its own; if not, it is counted. `audit` is where it would have its line.
pub(super) fn judge(kind: Kind, source: Source, audit: AuditLog) -> Treatment {
    // a thread that is ending has no table any more
    let judged = TABLE.try_with(|table| table.borrow_mut().judge(kind, source, audit, Instant::now()));
    let _ending = FILLED.try_with(|filled| filled.notify_one());
    judged.unwrap_or(Treatment::Listed)
}

/// Writes the counts of this thread's table as they fall due, for ever.
pub(crate) async fn settle_when_due() -> Infallible {
    let filled = FILLED.with(Rc::clone);
    loop {
        match settle(Instant::now()) {
            Some(due) => sleep_until(due).await,
            None => filled.notified().await,
        }
    }
}

/// Writes all counts of this thread's table: it will refuse nobody any more.
pub(crate) fn settle_all() {
    let counts = TABLE.with(|table| table.borrow_mut().take_all(Instant::now()));
    for count in counts {
        let _last_attempt = summary::write(count);
    }
}

/// Writes the counts that are due. Returns when the next are.
fn settle(now: Instant) -> Option<Instant> {
    let counts = TABLE.with(|table| table.borrow_mut().take_due(now));
    for count in counts {
        if let Some(unaudited) = summary::write(count) {
            // the audit has no place now: the count goes into the next line
            TABLE.with(|table| table.borrow_mut().give_back(unaudited, now));
        }
    }
    TABLE.with(|table| table.borrow().next_due())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use jiff::Timestamp;
    use prometheus_client::metrics::counter::Counter;
    use serde_json::Value;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::faults::Severity;
    use crate::telemetry::audit::{AuditWriter, OpenedAudit, Target, WhenFull};

    const MINUTE: Duration = Duration::from_secs(60);

    fn audit(path: &Path) -> (AuditLog, AuditWriter) {
        let opened = OpenedAudit::open(&Target::File(path.to_owned())).unwrap();
        opened.start(WhenFull::Refuse, Counter::default(), || Timestamp::UNIX_EPOCH).unwrap()
    }

    fn refuse(times: u32, audit: &AuditLog) -> usize {
        let log = LogReason { severity: Severity::Warn, reason: "client.denied" };
        let kind = Kind {
            listener: "local".into(),
            code: Some("InvalidClientTokenId"),
            log,
            audit: AuditReason::Unauthenticated,
            cause: "The token is unknown.",
            handshake: None,
        };
        let treatments = (0..times).map(|_| judge(kind.clone(), Source::User(7), audit.clone()));
        treatments.filter(|treatment| *treatment == Treatment::Listed).count()
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn counts_are_written_every_minute_and_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        let (log, writer) = audit(&path);
        let refusals = async {
            assert_eq!(refuse(110, &log), 10);
            sleep(MINUTE + Duration::from_secs(1)).await;
            assert_eq!(refuse(50, &log), 0, "the flood goes on");
            sleep(MINUTE).await;
            assert_eq!(refuse(3, &log), 0);
            sleep(2 * MINUTE).await;
            assert_eq!(refuse(12, &log), 10, "it was quiet for a minute");
        };
        // the other future never ends: the time is that of a test, and passes when both wait
        tokio::select! {
            never = settle_when_due() => match never {},
            () = refusals => {}
        }
        settle_all();
        assert_eq!(writer.finish(Duration::from_secs(5)), 0);
        let found = lines(&path);
        let counts: Vec<_> = found.iter().map(|line| line["repeated"].as_u64().unwrap()).collect();
        assert_eq!(counts, [100, 50, 3, 2]);
        let line = &found[0];
        assert_eq!(
            [&line["peer"], &line["code"], &line["reason"]],
            ["uid=7", "InvalidClientTokenId", "unauthenticated"]
        );
        assert_eq!((line["seconds"].as_u64(), &line["request_id"]), (Some(60), &Value::Null));
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_that_the_audit_has_no_place_for_goes_into_the_next_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        let (log, writer) = audit(&path);
        let mut places = Vec::new();
        while let place @ super::super::audit::Reservation::Reserved(_) = log.try_reserve() {
            places.push(place);
        }
        refuse(30, &log);
        assert!(timeout(3 * MINUTE, settle_when_due()).await.is_err());
        drop(places);
        assert!(timeout(2 * MINUTE, settle_when_due()).await.is_err());
        assert_eq!(writer.finish(Duration::from_secs(5)), 0);
        let counts: Vec<_> = lines(&path).iter().map(|line| line["repeated"].as_u64().unwrap()).collect();
        assert_eq!(counts, [20]);
    }
}
