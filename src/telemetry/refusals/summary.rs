//! The lines that say how often a refusal was repeated, in the log and in the audit.

use super::table::Count;
use crate::faults::Severity;
use crate::telemetry::audit::{Entry, Repeated, Reservation};

/// The target of the lines.
const TARGET: &str = "countersign::refusals";

/// Writes the lines of a count. Returns what is left of it if the audit has no place for its line.
pub(super) fn write(count: Count) -> Option<Count> {
    let peer = count.source.to_string();
    if count.counted > 0 {
        log(&count, &peer);
    }
    if count.unaudited == 0 {
        return None;
    }
    match count.audit.try_reserve() {
        Reservation::NotNeeded | Reservation::Later(_) => {}
        Reservation::Reserved(place) => place.write(&entry(&count, &peer)),
        Reservation::Refused => return Some(Count { counted: 0, ..count }),
    }
    None
}

fn log(count: &Count, peer: &str) {
    let Count { kind, counted, over, .. } = count;
    macro_rules! event {
        ($level:ident) => {
            tracing::event!(
                target: TARGET,
                tracing::Level::$level,
                listener = &*kind.listener,
                peer,
                code = kind.code,
                reason = kind.log.reason,
                handshake = kind.handshake,
                error = kind.cause,
                more = counted,
                seconds = over.as_secs(),
                "{counted} more like it in the last {} seconds: a flood of refusals is counted",
                over.as_secs()
            )
        };
    }
    match kind.log.severity {
        Severity::Error => event!(ERROR),
        Severity::Warn => event!(WARN),
        Severity::Info => event!(INFO),
    }
}

fn entry<'a>(count: &'a Count, peer: &'a str) -> Entry<'a> {
    Entry {
        code: count.kind.code,
        reason: Some(count.kind.audit.as_str()),
        handshake: count.kind.handshake,
        repeated: Some(Repeated { times: count.unaudited, seconds: count.over.as_secs() }),
        ..Entry::of_refused_stranger(&count.kind.listener, peer)
    }
}
