//! Compares the endpoint's clock with this host's, pure: what one response proves, what several prove together, and
//! which time to sign with.
//!
//! Everything here is in whole milliseconds. An offset is how far the endpoint's clock is ahead of this host's; a
//! negative one means that it is behind.

use jiff::Timestamp;

use super::dialect::Complaint;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// A response that took longer than this is ignored, because its `Date` may be from any time on the way. AWS's SDKs
/// accept 15 minutes, for clients that wait as long; no timeout of countersign allows that.
const MAX_ROUND_TRIP: i64 = MINUTE;

/// From this offset on, requests are signed with the endpoint's time. Endpoints accept 5 to 15 minutes. A smaller
/// offset can be explained by the whole seconds of `Date`, a slow network and ordinary drift, and then the host's own
/// clock is the better one.
pub const MIN_FOLLOWED: i64 = 10 * SECOND;

/// The host's clock is used again when the offset is below this. It is less than [`MIN_FOLLOWED`], so that an offset
/// near that limit does not switch clocks with every response.
const MIN_STILL_FOLLOWED: i64 = MIN_FOLLOWED / 2;

/// A larger offset is not followed: the endpoint is more likely wrong than the host, and whoever reads a signature made
/// for a later day could use it on that day.
pub const MAX_FOLLOWED: i64 = 24 * 60 * MINUTE;

/// From this offset on, the time explains a refused signature even if the endpoint gives no reason (the same limit as
/// in AWS's SDKs).
pub const EXPLAINS_A_REFUSAL: i64 = 4 * MINUTE;

/// The host's wall clock and monotonic clock drift apart by far less than this between two responses. A larger change
/// means that the wall clock was set, or that the machine was suspended, which stops the monotonic clock.
const CLOCK_WAS_SET: i64 = SECOND;

/// Because the two clocks are read one after the other, their difference varies by this much without meaning anything.
const JITTER: i64 = 20;

/// A followed offset is logged again when it has changed by this much.
const WORTH_LOGGING: i64 = MINUTE;

/// Both clocks of this host, read together, in the resolution of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostClocks {
    /// The wall clock.
    pub wall: Timestamp,
    /// Milliseconds since some fixed time, on the clock that cannot be set.
    pub monotonic: i64,
}

impl HostClocks {
    /// How far the wall clock is ahead of the monotonic clock. It changes only when the wall clock is set.
    fn wall_setting(self) -> i64 {
        self.wall.as_millisecond().saturating_sub(self.monotonic)
    }

    fn wall_plus(self, milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(self.wall.as_millisecond().saturating_add(milliseconds)).unwrap_or(self.wall)
    }
}

/// What one response proves: the endpoint's clock read `date` at some time between sending and receiving, so the offset
/// lies between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetBounds {
    least: i64,
    most: i64,
    /// [`HostClocks::wall_setting`] when the response was received.
    wall_setting: i64,
}

impl OffsetBounds {
    /// From a response's `Date`. The middle of the bounds is the date, plus the half second that it lacks on average,
    /// less the middle between sending and receiving (RFC 5905 section 8). `None` when the response took longer than a
    /// minute.
    #[must_use]
    pub fn new(sent: HostClocks, received: HostClocks, date: Timestamp) -> Option<Self> {
        let round_trip = received.monotonic.saturating_sub(sent.monotonic);
        if !(0..=MAX_ROUND_TRIP).contains(&round_trip) {
            return None;
        }
        // both bounds refer to the wall clock as it is set now, should it have been set while the response was on the
        // way
        let (date, now) = (date.as_millisecond(), received.wall.as_millisecond());
        let least = date.saturating_sub(now);
        let most = least.saturating_add(round_trip).saturating_add(SECOND - 1);
        Some(Self { least, most, wall_setting: received.wall_setting() })
    }
}

/// What an offset means for signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The clocks agree well enough: the host's clock is used.
    Agrees,
    /// The offset is large enough to matter: the endpoint's clock is used.
    Differs,
    /// The offset is above [`MAX_FOLLOWED`]: the host's clock is used, and requests will be refused.
    TooFar,
}

/// What is known about an endpoint's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    bounds: OffsetBounds,
    agreement: Agreement,
    /// The offset that was logged last.
    logged: i64,
}

impl Estimate {
    /// Takes in one more response. As long as responses agree, the offset lies within the bounds of all of them, which
    /// smooths the errors of network and whole seconds. A response that contradicts the others means that a clock was
    /// set; from then on only that response counts.
    #[must_use]
    pub fn learn(before: Option<&Self>, bounds: OffsetBounds) -> Self {
        let (was, logged) = before.map_or((Agreement::Agrees, 0), |before| (before.agreement, before.logged));
        let comparable = before.filter(|before| !was_set(before.bounds.wall_setting, bounds.wall_setting));
        let both = comparable.map(|before| OffsetBounds {
            least: before.bounds.least.max(bounds.least),
            most: before.bounds.most.min(bounds.most),
            wall_setting: if before.bounds.wall_setting.abs_diff(bounds.wall_setting) > JITTER.unsigned_abs() {
                bounds.wall_setting
            } else {
                before.bounds.wall_setting
            },
        });
        let bounds = both.filter(|both| both.least <= both.most).unwrap_or(bounds);
        let learned = Self { bounds, agreement: agreement(middle(bounds), was), logged };
        if learned.is_worth_logging(was) { Self { logged: learned.offset(), ..learned } } else { learned }
    }

    /// The best guess, in milliseconds.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        middle(self.bounds)
    }

    /// What the offset means for signing.
    #[must_use]
    pub const fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// Whether this host's clock was set since the last response. The offset is then no longer known.
    #[must_use]
    pub fn is_outdated(&self, now: HostClocks) -> bool {
        was_set(self.bounds.wall_setting, now.wall_setting())
    }

    /// Whether this estimate, which was made from `before`, should be logged: its agreement is another one, or the
    /// offset has changed by more than a minute.
    #[must_use]
    pub fn is_news_after(&self, before: Option<&Self>) -> bool {
        let (was, logged) = before.map_or((Agreement::Agrees, 0), |before| (before.agreement, before.logged));
        self.agreement != was || self.logged != logged
    }

    fn is_worth_logging(&self, was: Agreement) -> bool {
        match self.agreement {
            Agreement::Agrees => self.agreement != was,
            Agreement::Differs | Agreement::TooFar => {
                self.agreement != was || self.offset().abs_diff(self.logged) >= WORTH_LOGGING.unsigned_abs()
            }
        }
    }
}

/// The time to sign with.
#[must_use]
pub fn signing_time(known: Option<&Estimate>, now: HostClocks) -> Timestamp {
    match known {
        Some(known) if known.agreement == Agreement::Differs && !known.is_outdated(now) => {
            now.wall_plus(known.offset())
        }
        Some(_) | None => now.wall,
    }
}

/// What an error says about a request that was refused before it was carried out, perhaps because of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeRefusal {
    /// It says that the time is the reason.
    Certain,
    /// It says that the signature is refused, which some endpoints also say when the time is the reason.
    Possible,
}

impl TimeRefusal {
    /// What a complaint says about the time.
    #[must_use]
    pub const fn of(complaint: Complaint) -> Option<Self> {
        match complaint {
            Complaint::Time => Some(Self::Certain),
            Complaint::Signature => Some(Self::Possible),
            Complaint::Key | Complaint::Nonce => None,
        }
    }
}

/// How far the endpoint's clock was ahead of the time that a request was signed with, in milliseconds. `sent` is when
/// the request was sent, `signed` the time in it.
#[must_use]
pub fn offset_when_signed(known: &Estimate, sent: HostClocks, signed: Timestamp) -> i64 {
    // on the wall clock as it was set when the response came
    let endpoint = sent.monotonic.saturating_add(known.bounds.wall_setting).saturating_add(known.offset());
    endpoint.saturating_sub(signed.as_millisecond())
}

/// Whether signing a refused request again may help: the endpoint's time was so far from the time of signing that this
/// explains the refusal, and is close enough to be followed.
#[must_use]
pub fn explains(known: &Estimate, refusal: TimeRefusal, sent: HostClocks, signed: Timestamp) -> bool {
    let least = match refusal {
        TimeRefusal::Certain => MIN_FOLLOWED,
        TimeRefusal::Possible => EXPLAINS_A_REFUSAL,
    };
    let offset = offset_when_signed(known, sent, signed);
    known.agreement != Agreement::TooFar && offset.unsigned_abs() >= least.unsigned_abs()
}

const fn middle(bounds: OffsetBounds) -> i64 {
    bounds.least.saturating_add(bounds.most.saturating_sub(bounds.least) / 2)
}

const fn was_set(before: i64, now: i64) -> bool {
    before.abs_diff(now) > CLOCK_WAS_SET.unsigned_abs()
}

const fn agreement(offset: i64, was: Agreement) -> Agreement {
    let least_followed = match was {
        Agreement::Agrees => MIN_FOLLOWED,
        Agreement::Differs | Agreement::TooFar => MIN_STILL_FOLLOWED,
    };
    let distance = offset.unsigned_abs();
    if distance > MAX_FOLLOWED.unsigned_abs() {
        Agreement::TooFar
    } else if distance >= least_followed.unsigned_abs() {
        Agreement::Differs
    } else {
        Agreement::Agrees
    }
}

#[cfg(test)]
mod tests;
