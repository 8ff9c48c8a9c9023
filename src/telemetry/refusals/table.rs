//! The table of a worker: how often each source was refused, and for what, in the last minute.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Kind;
use crate::telemetry::audit::AuditLog;
use crate::telemetry::peer::Source;

/// How many refusals of one kind and source have lines of their own, before a flood is counted. More than a client
/// with a mistake makes while somebody looks at it; ten lines a minute fill no disk.
const LISTED: u32 = 10;
/// How often a count is written, and how long a source must be quiet before its refusals have lines again.
const MINUTE: Duration = Duration::from_secs(60);
/// How many pairs of source and kind are distinguished: about 40 KiB for each worker. Further sources are counted as
/// one source for each kind.
const PLACES: usize = 256;

/// What happens to the lines of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum Treatment {
    /// It has lines of its own.
    Listed,
    /// It is counted, and shown at level `debug` only.
    Counted,
}

/// What a worker has refused.
#[derive(Default)]
pub(super) struct Table(HashMap<(Kind, Source), Refused>);

struct Refused {
    since: Instant,
    listed: u32,
    counted: u64,
    /// How many of the counted refusals belong in the audit, and which audit.
    unaudited: u64,
    audit: AuditLog,
}

/// Refusals that were counted and not listed.
pub(super) struct Count {
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) counted: u64,
    pub(super) unaudited: u64,
    pub(super) audit: AuditLog,
    /// The time in which they came.
    pub(super) over: Duration,
}

impl Table {
    pub(super) fn judge(&mut self, kind: Kind, source: Source, audit: AuditLog, now: Instant) -> Treatment {
        let mut key = (kind, source);
        if self.0.len() >= PLACES && !self.0.contains_key(&key) {
            key.1 = Source::Many;
        }
        let refused = self.0.entry(key).or_insert_with(|| Refused::nothing(audit.clone(), now));
        if refused.listed < LISTED {
            refused.listed = refused.listed.saturating_add(1);
            return Treatment::Listed;
        }
        refused.counted = refused.counted.saturating_add(1);
        if audit.is_on() {
            refused.unaudited = refused.unaudited.saturating_add(1);
            refused.audit = audit;
        }
        Treatment::Counted
    }

    /// Takes the counts that are a minute old. Sources that were quiet in that minute are forgotten.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Count> {
        let mut due = Vec::new();
        self.0.retain(|(kind, source), refused| {
            if now < refused.due() {
                return true;
            }
            let Some(count) = refused.take(kind, *source, now) else { return false };
            due.push(count);
            true
        });
        due
    }

    /// Takes all counts.
    pub(super) fn take_all(&mut self, now: Instant) -> Vec<Count> {
        let all = self.0.drain();
        all.filter_map(|((kind, source), mut refused)| refused.take(&kind, source, now)).collect()
    }

    /// Counts again for the audit what was not written there.
    pub(super) fn give_back(&mut self, count: Count, now: Instant) {
        let Count { kind, source, unaudited, audit, .. } = count;
        let refused = self.0.entry((kind, source)).or_insert_with(|| Refused::nothing(audit, now));
        refused.unaudited = refused.unaudited.saturating_add(unaudited);
    }

    /// When the next counts are due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().map(Refused::due).min()
    }
}

impl Refused {
    const fn nothing(audit: AuditLog, now: Instant) -> Self {
        Self { since: now, listed: 0, counted: 0, unaudited: 0, audit }
    }

    fn due(&self) -> Instant {
        self.since.checked_add(MINUTE).unwrap_or(self.since)
    }

    /// Begins the next minute. `None` if nothing was counted in the last.
    fn take(&mut self, kind: &Kind, source: Source, now: Instant) -> Option<Count> {
        if self.counted == 0 && self.unaudited == 0 {
            return None;
        }
        let (kind, audit) = (kind.clone(), self.audit.clone());
        let (counted, unaudited) = (std::mem::take(&mut self.counted), std::mem::take(&mut self.unaudited));
        let over = now.saturating_duration_since(std::mem::replace(&mut self.since, now));
        Some(Count { kind, source, counted, unaudited, audit, over })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::faults::{AuditReason, LogReason, Severity};

    fn kind(code: &'static str) -> Kind {
        let log = LogReason { severity: Severity::Warn, reason: "client.denied" };
        let audit = AuditReason::Unauthenticated;
        Kind { listener: "local".into(), code: Some(code), log, audit, cause: "", handshake: None }
    }

    fn source(number: u32) -> Source {
        Source::V4(Ipv4Addr::from_bits(number))
    }

    /// How many of so many refusals are listed.
    fn listed(table: &mut Table, code: &'static str, from: Source, refusals: u32, now: Instant) -> u32 {
        let mut judge = || table.judge(kind(code), from, AuditLog::off(), now) == Treatment::Listed;
        (0..refusals).map(|_| u32::from(judge())).sum()
    }

    #[test]
    fn the_first_are_listed_and_the_rest_is_counted_by_kind_and_source() {
        let mut table = Table::default();
        let now = Instant::now();
        assert_eq!(listed(&mut table, "a", source(1), 5000, now), LISTED);
        assert_eq!(listed(&mut table, "b", source(1), 3, now), 3);
        assert_eq!(listed(&mut table, "a", source(2), 3, now), 3);
        assert!(table.take_due(now + Duration::from_secs(59)).is_empty());
        let due = table.take_due(now + MINUTE);
        let counted: Vec<_> = due.iter().map(|count| (count.kind.code, count.source, count.counted)).collect();
        assert_eq!(counted, [(Some("a"), source(1), 5000 - u64::from(LISTED))]);
        assert_eq!((due[0].over, due[0].unaudited), (MINUTE, 0));
        // as long as the flood goes on there are only counts; a source that was quiet begins anew
        assert_eq!(listed(&mut table, "a", source(1), 7, now + MINUTE), 0);
        assert_eq!(listed(&mut table, "a", source(2), 3, now + MINUTE), 3);
        assert_eq!(table.take_due(now + 2 * MINUTE).iter().map(|count| count.counted).sum::<u64>(), 7);
        assert!(table.take_due(now + 3 * MINUTE).is_empty() && table.next_due().is_none());
        assert_eq!(listed(&mut table, "a", source(1), 7, now + 9 * MINUTE), 7);
    }

    #[test]
    fn no_number_of_sources_fills_memory_and_none_is_forgotten() {
        let mut table = Table::default();
        let now = Instant::now();
        let all: u32 = (0..100_000).map(|number| listed(&mut table, "a", source(number), 1, now)).sum();
        assert_eq!(table.0.len(), PLACES + 1, "those beyond are one source");
        let counts = table.take_all(now);
        assert_eq!(u64::from(all) + counts.iter().map(|count| count.counted).sum::<u64>(), 100_000);
        assert_eq!(counts.iter().map(|count| count.source).collect::<Vec<_>>(), [Source::Many]);
    }
}
