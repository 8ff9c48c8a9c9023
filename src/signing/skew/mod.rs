//! The endpoint's clock against this host's, pure: what one answer proves, what several prove together, and when that matters.
//!
//! Everything here is in whole milliseconds. An offset is how far the endpoint's clock is ahead of this host's; a negative one
//! means that it is behind.

use jiff::Timestamp;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// An answer that took longer than this says too little: its `Date` could be from any moment on the way. AWS's SDKs trust 15
/// minutes, for clients that hold on for as long; no timeout here does.
const LONGEST_ROUND_TRIP: i64 = MINUTE;

/// From here on requests are signed with the endpoint's time. Endpoints allow 5 to 15 minutes; less than this is what `Date`'s
/// whole seconds, a slow network and ordinary drift explain, and the host's own clock is then the better one.
pub const MATTERS: i64 = 10 * SECOND;

/// An endpoint that is followed is followed down to here, so that one at the limit does not change sides with every answer.
const CEASES_TO_MATTER: i64 = MATTERS / 2;

/// An endpoint further off than this is not followed: it is more likely wrong than we are, and a signature made for a day that
/// has yet to come could be used on that day by whoever has read it.
pub const LIMIT: i64 = 24 * 60 * MINUTE;

/// From here on the time explains a signature that is refused without saying why (AWS's SDKs draw the same line).
pub const EXPLAINS_A_REFUSAL: i64 = 4 * MINUTE;

/// The host's two clocks drift apart by far less between two answers. What moves them further is somebody who sets the wall
/// clock, or a suspended machine, whose monotonic clock stands still.
const CLOCK_WAS_SET: i64 = SECOND;

/// Reading two clocks one after the other gives this much more or less; it does not make a new estimate.
const JITTER: i64 = 20;

/// A followed offset is announced again when it has moved by this much.
const WORTH_SAYING: i64 = MINUTE;

/// Both clocks of this host, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What it believes the time to be.
    pub wall: Timestamp,
    /// Milliseconds since some fixed moment, on the clock that nobody sets.
    pub monotonic: i64,
}

impl Reading {
    /// What the wall clock is ahead of the monotonic one: changes only when it is set.
    fn set_to(self) -> i64 {
        self.wall.as_millisecond().saturating_sub(self.monotonic)
    }

    fn wall_ahead_by(self, milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(self.wall.as_millisecond().saturating_add(milliseconds)).unwrap_or(self.wall)
    }
}

/// What one answer proves: the endpoint's clock read `date` at some moment between sending and receiving, so the offset lies
/// between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    least: i64,
    most: i64,
    set_to: i64,
}

impl Sighting {
    /// From an answer's `Date`. The middle of the bounds is the date, plus the half second that it lacks on average, less the
    /// middle between sending and receiving (RFC 5905 section 8). `None` when the answer took longer than a minute.
    #[must_use]
    pub fn new(sent: Reading, received: Reading, date: Timestamp) -> Option<Self> {
        let took = received.monotonic.saturating_sub(sent.monotonic);
        if !(0..=LONGEST_ROUND_TRIP).contains(&took) {
            return None;
        }
        // the moment of sending on the wall clock as it is set now, should it have been set on the way
        let (date, now) = (date.as_millisecond(), received.wall.as_millisecond());
        let least = date.saturating_sub(now);
        Some(Self { least, most: least.saturating_add(took).saturating_add(SECOND - 1), set_to: received.set_to() })
    }
}

/// What an offset means for signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Too small to matter: the host's clock is used.
    Agrees,
    /// Large enough to matter: the endpoint's clock is used.
    Off,
    /// Beyond [`LIMIT`]: the host's clock is used, and requests will be refused.
    TooFar,
}

/// What is known of an endpoint's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    seen: Sighting,
    standing: Standing,
    announced: i64,
}

impl Estimate {
    /// Takes in one more answer. As long as answers agree, the offset lies within the bounds of all of them, which smooths
    /// what network and whole seconds do to each; one that contradicts the others means that a clock was set, and counts alone.
    #[must_use]
    pub fn learn(before: Option<&Self>, seen: Sighting) -> Self {
        let (was, announced) = before.map_or((Standing::Agrees, 0), |before| (before.standing, before.announced));
        let agreeing = before.filter(|before| !was_set(before.seen.set_to, seen.set_to));
        let both = agreeing.map(|before| Sighting {
            least: before.seen.least.max(seen.least),
            most: before.seen.most.min(seen.most),
            set_to: if before.seen.set_to.abs_diff(seen.set_to) > JITTER.unsigned_abs() {
                seen.set_to
            } else {
                before.seen.set_to
            },
        });
        let seen = both.filter(|both| both.least <= both.most).unwrap_or(seen);
        let standing = standing(middle(seen), was);
        let learned = Self { seen, standing, announced };
        if learned.announces(was) { Self { announced: learned.offset(), ..learned } } else { learned }
    }

    /// The best guess, in milliseconds.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        middle(self.seen)
    }

    /// What it means for signing.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether this host's clock was set since the last answer: the offset is then no longer known.
    #[must_use]
    pub fn is_outdated(&self, now: Reading) -> bool {
        was_set(self.seen.set_to, now.set_to())
    }

    /// Whether this estimate, made from `before`, is news for a log: the standing is another one, or the offset moved far.
    #[must_use]
    pub fn is_news_after(&self, before: Option<&Self>) -> bool {
        let (was, announced) = before.map_or((Standing::Agrees, 0), |before| (before.standing, before.announced));
        self.standing != was || self.announced != announced
    }

    fn announces(&self, was: Standing) -> bool {
        match self.standing {
            Standing::Agrees => self.standing != was,
            Standing::Off | Standing::TooFar => {
                self.standing != was || self.offset().abs_diff(self.announced) >= WORTH_SAYING.unsigned_abs()
            }
        }
    }
}

/// Which time to sign with.
#[must_use]
pub fn signing_time(known: Option<&Estimate>, now: Reading) -> Timestamp {
    match known {
        Some(known) if known.standing == Standing::Off && !known.is_outdated(now) => now.wall_ahead_by(known.offset()),
        Some(_) | None => now.wall,
    }
}

/// An error code by which an endpoint refuses a request before it carries it out, perhaps because of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeRefusal {
    /// The code says that it was the time.
    Certain,
    /// The code says that the signature is refused, which some endpoints also say of the time.
    Possible,
}

impl TimeRefusal {
    /// Reads a code as AWS's Query services (Common Errors), S3, EC2 and their relatives write it.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        match code.strip_prefix("Client.").unwrap_or(code) {
            "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => Some(Self::Certain),
            "SignatureDoesNotMatch" | "InvalidSignatureException" | "AuthFailure" => Some(Self::Possible),
            _ => None,
        }
    }
}

/// How far the endpoint's clock was ahead of the time that a request was signed with, in milliseconds. `sent` is when it was
/// sent, `signed` the time in it.
#[must_use]
pub fn apart(known: &Estimate, sent: Reading, signed: Timestamp) -> i64 {
    // on the wall clock as it was set when the answer came
    let endpoint = sent.monotonic.saturating_add(known.seen.set_to).saturating_add(known.offset());
    endpoint.saturating_sub(signed.as_millisecond())
}

/// Whether a refused request is worth signing again: the endpoint's time was so far from the one it was signed with that this
/// explains the refusal, and is near enough to be followed.
#[must_use]
pub fn explains(known: &Estimate, refusal: TimeRefusal, sent: Reading, signed: Timestamp) -> bool {
    let least = match refusal {
        TimeRefusal::Certain => MATTERS,
        TimeRefusal::Possible => EXPLAINS_A_REFUSAL,
    };
    known.standing != Standing::TooFar && apart(known, sent, signed).unsigned_abs() >= least.unsigned_abs()
}

const fn middle(seen: Sighting) -> i64 {
    seen.least.saturating_add(seen.most.saturating_sub(seen.least) / 2)
}

const fn was_set(before: i64, now: i64) -> bool {
    before.abs_diff(now) > CLOCK_WAS_SET.unsigned_abs()
}

const fn standing(offset: i64, was: Standing) -> Standing {
    let from = match was {
        Standing::Agrees => MATTERS,
        Standing::Off | Standing::TooFar => CEASES_TO_MATTER,
    };
    let apart = offset.unsigned_abs();
    if apart > LIMIT.unsigned_abs() {
        Standing::TooFar
    } else if apart >= from.unsigned_abs() {
        Standing::Off
    } else {
        Standing::Agrees
    }
}

#[cfg(test)]
mod tests;
