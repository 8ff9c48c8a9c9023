//! The audit: one JSON line per decision, on a target of its own, and what happens when a line cannot be written.
//!
//! Exchanges take a place in a bounded queue before anything is sent ([`AuditLog::reserve`]), so that a line always has room
//! once its request is under way, and put the line there before the answer is passed on. A thread of its own writes
//! (`writer`) to a `sink`; an exchange never waits for it. A line that cannot be written is kept and tried again every second.
//! Until it is written, [`WhenFull::Refuse`] lets no further request through, and [`WhenFull::Drop`] fills the queue first and
//! then counts what it loses. Lines are not synced to the disk: those of the last seconds before a power cut may be missing.

mod line;
mod sink;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;

pub use line::{Decision, Entry, Noted};
use sink::Sink;
pub use writer::AuditWriter;
use writer::Message;

/// Exchanges under way and lines not yet written, together. A line has at most about 8 KiB, so this is 32 MiB at worst.
const PLACES: usize = 4096;

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Appended to this file, made with mode 0600. It is opened anew on SIGHUP and when another file has taken its name.
    File(PathBuf),
    /// Standard output; nothing else is written there.
    Stdout,
    /// The journal, by its native protocol.
    Journald,
    /// Syslog, at `/dev/log`.
    Syslog,
}

/// What becomes of exchanges whose line cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// They are refused before anything is sent.
    Refuse,
    /// They take place, and the line is counted as lost.
    Drop,
}

impl WhenFull {
    /// What the configuration calls them.
    pub const WORDS: [(&'static str, Self); 2] = [("refuse", Self::Refuse), ("drop", Self::Drop)];
}

/// The target cannot be used.
#[derive(Debug, Error)]
#[error("cannot write the audit to {target}")]
pub struct AuditError {
    target: String,
    source: io::Error,
}

impl AuditError {
    /// Whether permissions are the reason.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }
}

/// The audit has no place for another line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the audit cannot be written")]
pub struct AuditUnavailable;

/// A target that was opened; nothing writes to it yet.
pub struct OpenedAudit(Sink);

struct Shared {
    when_full: WhenFull,
    taken: AtomicUsize,
    failing: AtomicBool,
    losing: AtomicBool,
    reopen: AtomicBool,
    stopping: AtomicBool,
    lost: Counter,
    now: fn() -> Timestamp,
}

/// A handle for whoever has something to write. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog(Option<(Arc<Shared>, SyncSender<Message>)>);

/// The place of one line.
pub struct AuditPlace {
    shared: Arc<Shared>,
    lines: SyncSender<Message>,
    state: PlaceState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PlaceState {
    Held,
    /// The writer gives it back.
    HandedOn,
}

/// What came of asking for a place.
pub enum Audited {
    /// There is no audit, or the line is counted as lost already.
    Unwritten,
    /// The line has its place.
    Place(AuditPlace),
    /// The exchange must not take place.
    Refused,
}

impl OpenedAudit {
    /// Opens the target: before the process gives up its rights.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn open(target: &Target) -> Result<Self, AuditError> {
        let sink = Sink::open(target);
        sink.map(Self).map_err(|source| AuditError { target: sink::describe(target), source })
    }

    /// Starts the thread that writes. `lost` counts, `now` tells the time.
    ///
    /// # Errors
    /// No thread to be had.
    pub fn start(
        self,
        when_full: WhenFull,
        lost: Counter,
        now: fn() -> Timestamp,
    ) -> io::Result<(AuditLog, AuditWriter)> {
        let shared = Arc::new(Shared {
            when_full,
            taken: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            losing: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            lost,
            now,
        });
        // one more for the word that ends it
        let (lines, inbox) = sync_channel(PLACES.saturating_add(1));
        let writer = AuditWriter::start(self.0, Arc::clone(&shared), lines.clone(), inbox)?;
        Ok((AuditLog(Some((shared, lines))), writer))
    }
}

impl AuditLog {
    /// No audit.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Asks for the place of a line. Never waits.
    #[must_use]
    pub fn reserve(&self) -> Audited {
        let Some((shared, lines)) = &self.0 else { return Audited::Unwritten };
        if !self.is_refusing() && shared.take() {
            shared.losing.store(false, Ordering::Relaxed);
            let (shared, lines) = (Arc::clone(shared), lines.clone());
            return Audited::Place(AuditPlace { shared, lines, state: PlaceState::Held });
        }
        shared.lost.inc();
        match shared.when_full {
            WhenFull::Refuse => Audited::Refused,
            WhenFull::Drop => {
                if !shared.losing.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "audit lines are being lost: their queue is full (countersign_audit_lost_total counts)"
                    );
                }
                Audited::Unwritten
            }
        }
    }

    /// Whether the last line could not be written and exchanges are refused for it.
    #[must_use]
    pub fn is_refusing(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|(shared, _)| shared.when_full == WhenFull::Refuse && shared.failing.load(Ordering::Relaxed))
    }
}

impl AuditPlace {
    /// Puts the line of `entry` into its place.
    pub fn write(mut self, entry: &Entry<'_>) {
        let line = line::render(entry, (self.shared.now)());
        // there is room: the place was reserved. Only a writer that has ended takes no more
        if self.lines.try_send(Message::Line(line)).is_ok() {
            self.state = PlaceState::HandedOn;
        } else {
            self.shared.lost.inc();
        }
    }
}

impl Drop for AuditPlace {
    fn drop(&mut self) {
        match self.state {
            PlaceState::Held => self.shared.give_back(),
            PlaceState::HandedOn => {}
        }
    }
}

impl Shared {
    fn take(&self) -> bool {
        let one_more = |taken: usize| Some(taken.saturating_add(1)).filter(|taken| *taken <= PLACES);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
