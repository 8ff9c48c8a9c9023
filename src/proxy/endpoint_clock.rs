//! What a route knows of its endpoint's clock, shared by all workers: learnt from responses, logged, counted, and
//! used to sign.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use arc_swap::{ArcSwapOption, Cache};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::http1::Fields;
use crate::signing::ClockSource;
use crate::signing::skew::{
    Agreement, EXPLAINS_A_REFUSAL, Estimate, HostClocks, OffsetBounds, TimeRefusal, explains, offset_when_signed,
    signing_time,
};
use crate::telemetry::RouteMetrics;
use crate::upstream::EndpointName;

/// Fields that a cache adds to a response which it may have kept for a while.
const SIGNS_OF_A_CACHE: [&str; 3] = ["age", "via", "x-cache"];

/// Whether the `Date` of a response can be trusted, by the connection to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateEvidence {
    /// The endpoint wrote it: TLS was verified, or the response has not left this machine.
    Authentic,
    /// Anyone on the network path may have written it.
    Forgeable,
}

/// The estimate of one endpoint's clock.
pub struct EndpointClock {
    name: EndpointName,
    follow: ClockSource,
    evidence: DateEvidence,
    known: Arc<Known>,
    /// The metric of a route is about its first endpoint.
    metrics: Option<RouteMetrics>,
}

/// What is known of the clock; `None` while nothing is.
type Known = ArcSwapOption<Estimate>;

/// The clock as one worker reads it, with a cache of what all workers share. Comparing a pointer shows that the cache
/// is up to date. Borrowing the shared value would take two locked instructions, several times in each exchange.
pub struct WorkerClock {
    clock: Arc<EndpointClock>,
    known: RefCell<Cache<Arc<Known>, Option<Arc<Estimate>>>>,
}

impl EndpointClock {
    /// A clock of which nothing is known yet. What is learnt is told by `metrics`, if the endpoint is the first of its
    /// route.
    #[must_use]
    pub fn new(name: EndpointName, follow: ClockSource, evidence: DateEvidence, metrics: Option<RouteMetrics>) -> Self {
        Self { name, follow, evidence, known: Arc::default(), metrics }
    }

    /// Adopts what `before` has learnt of the same endpoint, which may have had another place among those of its route.
    #[must_use]
    pub fn knowing_what(self, before: &Self) -> Self {
        if let (Some(metrics), Some(offset)) = (&self.metrics, before.offset()) {
            metrics.set_clock_offset(seconds(offset));
        }
        Self { known: Arc::new(Known::new(before.known.load_full())), ..self }
    }

    /// How far the endpoint's clock is ahead of this host's, in milliseconds; `None` while that is not known.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.known.load().as_deref().map(Estimate::offset)
    }

    /// The same where the two clocks are so far apart that it matters.
    #[must_use]
    pub fn disagreement(&self) -> Option<i64> {
        let known = self.known.load();
        known.as_deref().filter(|known| known.agreement() != Agreement::Agrees).map(Estimate::offset)
    }

    /// Learns from the fields of a response, where `known` is what was known before.
    fn observe(&self, known: Option<&Estimate>, sent: HostClocks, received: HostClocks, fields: &Fields) {
        if self.evidence == DateEvidence::Forgeable {
            return;
        }
        let Some(seen) = date(fields).and_then(|date| OffsetBounds::new(sent, received, date)) else { return };
        // most responses teach nothing new: then nothing is written that other workers read
        if known.is_some_and(|known| Estimate::learn(Some(known), seen) == *known) {
            return;
        }
        self.learn(seen, received, fields);
    }

    #[cold]
    fn learn(&self, seen: OffsetBounds, received: HostClocks, fields: &Fields) {
        // checked last, since nearly all responses have taught nothing by now
        if SIGNS_OF_A_CACHE.iter().any(|name| fields.contain(name)) {
            return;
        }
        let mut learned = None;
        let before = self.known.rcu(|before| {
            let next = Estimate::learn(before.as_deref(), seen);
            learned = Some(next);
            Arc::new(next)
        });
        let Some(learned) = learned.filter(|learned| before.as_deref() != Some(learned)) else { return };
        if let Some(metrics) = &self.metrics {
            metrics.set_clock_offset(seconds(learned.offset()));
        }
        if let Some(before) = before.as_deref().filter(|before| before.is_outdated(received)) {
            self.log_set_clock(before, &learned);
        }
        if learned.is_news_after(before.as_deref()) {
            self.log_news(&learned);
        }
    }

    fn explains(&self, refusal: TimeRefusal, sent: HostClocks, signed: Timestamp) -> bool {
        let known = self.known.load();
        self.follow == ClockSource::Endpoint
            && known.as_deref().is_some_and(|known| explains(known, refusal, sent, signed))
    }

    fn is_far_from(&self, sent: HostClocks, signed: Timestamp) -> bool {
        let known = self.known.load();
        let off = |known: &Estimate| {
            offset_when_signed(known, sent, signed).unsigned_abs() >= EXPLAINS_A_REFUSAL.unsigned_abs()
        };
        known.as_deref().is_some_and(off)
    }

    fn log_news(&self, learned: &Estimate) {
        let (EndpointName { route, endpoint }, skew_seconds) = (&self.name, seconds(learned.offset()));
        match (learned.agreement(), self.follow) {
            (Agreement::Differs, ClockSource::Endpoint) => tracing::warn!(
                target: "countersign::clock", route, endpoint, skew_seconds,
                "the endpoint's clock is ahead of this host's by so many seconds (behind, if negative): requests are \
                 signed with the endpoint's time; set this host's clock"
            ),
            (Agreement::Differs, ClockSource::Host) => tracing::warn!(
                target: "countersign::clock", route, endpoint, skew_seconds,
                "the endpoint's clock is ahead of this host's by so many seconds (behind, if negative), and \
                 `clock = \"host\"`: the endpoint may refuse requests; set this host's clock"
            ),
            (Agreement::TooFar, ClockSource::Endpoint | ClockSource::Host) => tracing::warn!(
                target: "countersign::clock", route, endpoint, skew_seconds,
                "the endpoint's clock is more than 24 hours off this host's, which is not followed: the endpoint will \
                 refuse requests; set this host's clock"
            ),
            (Agreement::Agrees, ClockSource::Endpoint | ClockSource::Host) => tracing::info!(
                target: "countersign::clock", route, endpoint, skew_seconds,
                "the endpoint's clock and this host's agree again: requests are signed with this host's time"
            ),
        }
    }

    fn log_set_clock(&self, before: &Estimate, learned: &Estimate) {
        let (EndpointName { route, endpoint }, skew_seconds) = (&self.name, seconds(learned.offset()));
        let skew_seconds_before = seconds(before.offset());
        tracing::warn!(
            target: "countersign::clock", route, endpoint, skew_seconds_before, skew_seconds,
            "this host's clock was set, or the host slept: the endpoint's clock was measured anew"
        );
    }
}

impl WorkerClock {
    /// A worker's view of `clock`, by which it also learns.
    #[must_use]
    pub fn of(clock: &Arc<EndpointClock>) -> Self {
        Self { clock: Arc::clone(clock), known: RefCell::new(Cache::new(Arc::clone(&clock.known))) }
    }

    /// The time to sign with at `now`.
    #[must_use]
    pub fn signing_time(&self, now: HostClocks) -> Timestamp {
        match self.clock.follow {
            ClockSource::Endpoint => signing_time(self.known.borrow_mut().load().as_deref(), now),
            ClockSource::Host => now.wall,
        }
    }

    /// Learns from the fields of a response.
    pub fn observe(&self, sent: HostClocks, received: HostClocks, fields: &Fields) {
        self.clock.observe(self.known.borrow_mut().load().as_deref(), sent, received, fields);
    }

    /// Whether a refused request should be signed again with what is known now.
    #[must_use]
    pub fn explains(&self, refusal: TimeRefusal, sent: HostClocks, signed: Timestamp) -> bool {
        self.clock.explains(refusal, sent, signed)
    }

    /// Whether the time a request was signed with is so far off that no signature would be accepted.
    #[must_use]
    pub fn is_far_from(&self, sent: HostClocks, signed: Timestamp) -> bool {
        self.clock.is_far_from(sent, signed)
    }
}

/// The `Date` of a response, if it is in the format that RFC 9110 section 5.6.7 prefers.
fn date(fields: &Fields) -> Option<Timestamp> {
    const LENGTH: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();
    thread_local! {
        /// The last one that was parsed: responses of the same second have the same text.
        static LAST: Cell<Option<([u8; LENGTH], Timestamp)>> = const { Cell::new(None) };
    }
    let text: [u8; LENGTH] = fields.only("date")?.try_into().ok()?;
    if let Some((_, date)) = LAST.get().filter(|(last, _)| *last == text) {
        return Some(date);
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    LAST.set(Some((text, date)));
    Some(date)
}

fn seconds(milliseconds: i64) -> f64 {
    // exact up to 285,000 years
    #[allow(clippy::cast_precision_loss)]
    let exact = milliseconds as f64;
    exact / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: &str = "Thu, 01 Jan 2026 00:05:01 GMT";

    fn name() -> EndpointName {
        EndpointName { route: "ie".to_owned(), endpoint: "https://ie.example/".to_owned() }
    }

    fn head(fields: &[(&str, &str)]) -> Fields {
        fields.iter().copied().collect()
    }

    #[test]
    fn only_one_fresh_date_in_the_usual_form_counts() {
        let metrics = crate::telemetry::Metrics::new().route("ie", &[]);
        assert_eq!(date(&head(&[("date", DAY)])), Some("2026-01-01T00:05:01Z".parse().unwrap()));
        for fields in [
            vec![],
            vec![("date", DAY), ("date", DAY)],
            vec![("date", DAY), ("age", "0")],
            vec![("date", DAY), ("via", "1.1 cache")],
            vec![("date", DAY), ("x-cache", "Hit from cloudfront")],
            vec![("date", "Thursday, 01-Jan-26 00:05:01 GMT")],
            vec![("date", "Thu Jan  1 00:05:01 2026")],
            vec![("date", "Fri, 01 Jan 2026 00:05:01 GMT")],
            vec![("date", "2026-01-01T00:05:01Z")],
            vec![("date", "")],
        ] {
            let clock =
                EndpointClock::new(name(), ClockSource::Endpoint, DateEvidence::Authentic, Some(metrics.clone()));
            let clock = Arc::new(clock);
            WorkerClock::of(&clock).observe(at(0), at(20), &head(&fields));
            assert_eq!(*clock.known.load(), None, "{fields:?}");
        }
    }

    fn at(monotonic: i64) -> HostClocks {
        let wall = Timestamp::from_millisecond(1_767_225_600_000).unwrap();
        HostClocks { wall: wall.checked_add(jiff::SignedDuration::from_millis(monotonic)).unwrap(), monotonic }
    }

    #[test]
    fn a_date_that_others_can_write_is_not_believed_and_one_that_is_not_to_be_followed_changes_no_signature() {
        let metrics = crate::telemetry::Metrics::new().route("ie", &[]);
        let authentic = DateEvidence::Authentic;
        for (follow, evidence, followed) in [
            (ClockSource::Endpoint, authentic, true),
            (ClockSource::Endpoint, DateEvidence::Forgeable, false),
            (ClockSource::Host, authentic, false),
        ] {
            let shared = Arc::new(EndpointClock::new(name(), follow, evidence, Some(metrics.clone())));
            let (teacher, clock) = (WorkerClock::of(&shared), WorkerClock::of(&shared));
            assert_eq!(clock.signing_time(at(100)), at(100).wall);
            teacher.observe(at(0), at(20), &head(&[("date", DAY)]));
            let ahead = clock.signing_time(at(100)).duration_since(at(100).wall).as_secs();
            assert_eq!(ahead, if followed { 301 } else { 0 });
            assert_eq!(clock.explains(TimeRefusal::Certain, at(0), at(0).wall), followed);
            assert_eq!(clock.is_far_from(at(0), at(0).wall), evidence == authentic);
        }
    }
}
