//! The audit: one JSON line per decision, on a target of its own, and what happens when a line cannot be written.
//!
//! An exchange reserves a place in a bounded queue before anything is sent (`AuditLog::reserve`), so that its line
//! always fits, and puts the line there before the response is passed on. A separate thread (`writer`) writes to the
//! target (`sink`); exchanges never wait for it. A line that cannot be written is tried again every second. A target
//! that neither takes a line nor fails counts as one that cannot be written as well (`stall`). Until the line is
//! written, [`WhenFull::Refuse`] refuses all further requests; [`WhenFull::Drop`] fills the queue first, and then drops
//! lines and counts them. Lines are not synced to the disk: those of the last seconds before a power cut may be
//! missing.

mod line;
mod sink;
mod stall;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;

pub(crate) use line::{Decision, Entry, FormSummary, Repeated};
use sink::Sink;
use stall::Stall;
pub(crate) use writer::AuditWriter;
use writer::Message;

/// Exchanges in progress and lines not yet written, together. A line has at most about 8 KiB, so this is 32 MiB at
/// worst.
const QUEUE_CAPACITY: usize = 4096;

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Appended to this file, which is created with mode 0600. It is opened again on SIGHUP, on SIGUSR1 and when
    /// another file has its name.
    File(PathBuf),
    /// Standard output, where nothing else is written.
    Stdout,
    /// The systemd journal, by its native protocol.
    Journald,
    /// Syslog, at `/dev/log`.
    Syslog,
}

/// What happens to exchanges whose line cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// They are refused before anything is sent.
    Refuse,
    /// They go on, and the line is counted as lost.
    Drop,
}

impl WhenFull {
    /// The values of `audit.when_full`.
    pub const WORDS: [(&'static str, Self); 2] = [("refuse", Self::Refuse), ("drop", Self::Drop)];
}

/// The audit cannot be written to its target.
#[derive(Debug, Error)]
#[error("cannot write the audit to {target}")]
pub struct AuditError {
    target: String,
    source: io::Error,
}

impl AuditError {
    /// Whether missing permissions are the reason.
    #[must_use]
    pub(crate) fn is_denied(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }
}

/// The queue has no place for another line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the audit cannot be written")]
pub struct AuditUnavailable;

/// A target that is open; no thread writes to it yet.
pub(crate) struct OpenedAudit(Sink);

struct Shared {
    when_full: WhenFull,
    taken: AtomicUsize,
    failing: AtomicBool,
    stall: Stall,
    losing: AtomicBool,
    reopen: AtomicBool,
    stopping: AtomicBool,
    lost: Counter,
    now: fn() -> Timestamp,
}

/// A handle to reserve lines. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog(Option<(Arc<Shared>, SyncSender<Message>)>);

/// A reserved place in the queue for one line.
pub(crate) struct ReservedLine {
    shared: Arc<Shared>,
    lines: SyncSender<Message>,
    state: LineState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineState {
    Held,
    /// The writer gives the place back.
    HandedOver,
}

/// The result of `AuditLog::reserve`.
pub(crate) enum Reservation {
    /// No line is to be written: there is no audit, or the line is counted as lost already.
    NotNeeded,
    /// The line has no place yet. It takes one once the exchange goes on, or has ended.
    Later(AuditLog),
    /// The line has a place.
    Reserved(ReservedLine),
    /// The exchange must be refused.
    Refused,
}

impl OpenedAudit {
    /// Opens the target. This happens before the process gives up its rights.
    ///
    /// # Errors
    /// [`AuditError`].
    pub(crate) fn open(target: &Target) -> Result<Self, AuditError> {
        let sink = Sink::open(target);
        sink.map(Self).map_err(|source| AuditError { target: sink::describe(target), source })
    }

    /// Whether [`OpenedAudit::open`] would succeed. Makes no file and writes nothing.
    ///
    /// # Errors
    /// [`AuditError`].
    pub(crate) fn check(target: &Target) -> Result<(), AuditError> {
        Sink::check(target).map_err(|source| AuditError { target: sink::describe(target), source })
    }

    /// Starts the thread that writes. `lost` counts dropped lines, `now` reads the clock.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn start(
        self,
        when_full: WhenFull,
        lost: Counter,
        now: fn() -> Timestamp,
    ) -> io::Result<(AuditLog, AuditWriter)> {
        let shared = Arc::new(Shared {
            when_full,
            taken: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            stall: Stall::new(),
            losing: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            lost,
            now,
        });
        // one more, for the message that ends the thread
        let (lines, inbox) = sync_channel(QUEUE_CAPACITY.saturating_add(1));
        let writer = AuditWriter::start(self.0, Arc::clone(&shared), lines.clone(), inbox)?;
        Ok((AuditLog(Some((shared, lines))), writer))
    }
}

impl AuditLog {
    /// The audit is off.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether a line can be written, as far as is known before the client has sent its body. It takes no place yet:
    /// clients that send no body would take the places of all others.
    #[must_use]
    pub(crate) fn begin(&self) -> Reservation {
        if self.0.is_none() || self.is_refusing() { self.reserve() } else { Reservation::Later(self.clone()) }
    }

    /// Reserves the place of a line. Never waits.
    #[must_use]
    pub(crate) fn reserve(&self) -> Reservation {
        let Some((shared, _)) = &self.0 else { return Reservation::NotNeeded };
        if let place @ Reservation::Reserved(_) = self.try_reserve() {
            shared.losing.store(false, Ordering::Relaxed);
            return place;
        }
        shared.lost.inc();
        match shared.when_full {
            WhenFull::Refuse => Reservation::Refused,
            WhenFull::Drop => {
                if !shared.losing.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "audit lines are being lost: their queue is full (countersign_audit_lost_total counts)"
                    );
                }
                Reservation::NotNeeded
            }
        }
    }

    /// Reserves the place of a line that is not lost if there is none now: its writer tries again later.
    #[must_use]
    pub(super) fn try_reserve(&self) -> Reservation {
        let Some((shared, lines)) = &self.0 else { return Reservation::NotNeeded };
        if self.is_refusing() || !shared.take() {
            return Reservation::Refused;
        }
        let (shared, lines) = (Arc::clone(shared), lines.clone());
        Reservation::Reserved(ReservedLine { shared, lines, state: LineState::Held })
    }

    /// Whether there is an audit.
    #[must_use]
    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the last line could not be written, or the target takes nothing, and exchanges are refused because of
    /// it.
    #[must_use]
    pub(crate) fn is_refusing(&self) -> bool {
        self.0.as_ref().is_some_and(|(shared, _)| shared.is_failing() && shared.when_full == WhenFull::Refuse)
    }
}

impl Reservation {
    /// Where the line goes; an audit that is off, if no line is to be written.
    pub(super) fn log(&self) -> AuditLog {
        match self {
            Self::Reserved(ReservedLine { shared, lines, state: _ }) => {
                AuditLog(Some((Arc::clone(shared), lines.clone())))
            }
            Self::Later(log) => log.clone(),
            Self::NotNeeded | Self::Refused => AuditLog::off(),
        }
    }
}

impl ReservedLine {
    /// Puts the line of `entry` into the reserved place.
    pub(crate) fn write(mut self, entry: &Entry<'_>) {
        let line = line::render(entry, (self.shared.now)());
        // fits, since the place was reserved; fails only when the writer has ended
        if self.lines.try_send(Message::Line(line)).is_ok() {
            self.state = LineState::HandedOver;
        } else {
            self.shared.lost.inc();
        }
    }
}

impl Drop for ReservedLine {
    fn drop(&mut self) {
        match self.state {
            LineState::Held => self.shared.give_back(),
            LineState::HandedOver => {}
        }
    }
}

impl Shared {
    /// The writer cannot say that it is stuck: whoever asks finds out, and the first of them says it.
    fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed) || {
            let is_full = self.taken.load(Ordering::Relaxed) >= QUEUE_CAPACITY;
            let stuck_for = self.stall.lasts_for(if is_full { stall::WHEN_FULL } else { stall::PATIENCE });
            if let Some(stuck_for) = stuck_for
                && self.stall.is_news()
            {
                tracing::error!(
                    ?stuck_for,
                    when_full = ?self.when_full,
                    "the audit cannot be written: its target takes nothing"
                );
            }
            stuck_for.is_some()
        }
    }

    fn take(&self) -> bool {
        let one_more = |taken: usize| Some(taken.saturating_add(1)).filter(|taken| *taken <= QUEUE_CAPACITY);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
