//! Refusals of strangers: of a flood, only the first have lines of their own in log and audit, and the rest is counted.
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
        if let Err(unaudited) = summary::write(count) {
            // the audit has no place now: the count goes into the next line
            TABLE.with(|table| table.borrow_mut().give_back(unaudited, now));
        }
    }
    TABLE.with(|table| table.borrow().next_due())
}
