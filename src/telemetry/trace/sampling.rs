//! Which traces are sampled: as the caller says, or a share of them by their IDs.
//!
//! Clients choose their trace's ID and its flags. What one of them can do to another with that is bounded by the queue
//! of spans, of which each client has a share; decision 033 has the reasons.

use crate::http1::trace_context::{TraceFlags, TraceId};

/// The part of all traces that is sampled: how many of the 2^56 values that a trace's random part can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u64);

/// Values of the random part of a trace's ID, its last 56 bits (Trace Context level 2, section 3.2.2.3.1).
const VALUES: u64 = 1 << 56;
const RANDOM_PART: u128 = u128::MAX >> 72;

impl Ratio {
    /// All traces.
    pub const ALL: Self = Self(VALUES);

    /// A part from 0 to 1.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    // 0 to 2^56 fit into an u64, and a power of two is exact as a float
    pub fn new(part: f64) -> Option<Self> {
        (0.0..=1.0).contains(&part).then_some(Self((part * VALUES as f64) as u64))
    }

    /// Whether a trace belongs to the part. Every service that samples by the ID decides alike.
    #[must_use]
    pub fn has(self, trace_id: &TraceId) -> bool {
        let random = u64::try_from(trace_id.number() & RANDOM_PART).unwrap_or_default();
        random >= VALUES.saturating_sub(self.0)
    }
}

/// What the sampled flag of a caller counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentFlag {
    /// It decides for identified clients; a stranger can only say that its request is not sampled.
    Followed,
    /// Nothing: the ratio decides for all.
    Ignored,
}

/// `sample_ratio` and `parent_based`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// The part of the traces that is sampled where no caller decides.
    pub ratio: Ratio,
    /// What the flag of a caller counts.
    pub parent: ParentFlag,
}

/// Whether it is known who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// An identified client, or a local process where any may call.
    Known,
    /// Somebody who is refused.
    Stranger,
}

impl Sampling {
    /// Whether a trace is sampled, of which the caller sent `parent`.
    pub(super) fn samples(self, trace_id: &TraceId, parent: Option<TraceFlags>, caller: Caller) -> bool {
        match (self.parent, parent, caller) {
            (ParentFlag::Followed, Some(flags), Caller::Known) => flags.sampled,
            (ParentFlag::Followed, Some(flags), Caller::Stranger) => flags.sampled && self.ratio.has(trace_id),
            (ParentFlag::Followed, None, _) | (ParentFlag::Ignored, _, _) => self.ratio.has(trace_id),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

    use super::*;

    fn id(random: u64) -> TraceId {
        TraceId::of((u128::MAX << 56 | u128::from(random)).to_be_bytes())
    }

    #[test]
    fn a_ratio_has_its_part_of_the_random_values_and_the_highest_first() {
        let quarter = Ratio::new(0.25).unwrap();
        assert!(quarter.has(&id(VALUES - 1)) && quarter.has(&id(VALUES / 4 * 3)));
        assert!(!quarter.has(&id(VALUES / 4 * 3 - 1)) && !quarter.has(&id(0)));
        let (none, all) = (Ratio::new(0.0).unwrap(), Ratio::new(1.0).unwrap());
        assert_eq!(all, Ratio::ALL);
        for random in [0, 1, VALUES - 1] {
            assert!(all.has(&id(random)) && !none.has(&id(random)));
        }
        for part in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::new(part), None);
        }
    }

    #[test]
    fn a_stranger_can_only_ask_for_less_and_a_client_decides_where_its_flag_is_followed() {
        let (sampled, not) =
            (TraceFlags { sampled: true, random: false }, TraceFlags { sampled: false, random: false });
        let none = Ratio::new(0.0).unwrap();
        for (ratio, parent, flags, caller, expected) in [
            (none, ParentFlag::Followed, Some(sampled), Caller::Known, true),
            (none, ParentFlag::Followed, Some(sampled), Caller::Stranger, false),
            (Ratio::ALL, ParentFlag::Followed, Some(sampled), Caller::Stranger, true),
            (Ratio::ALL, ParentFlag::Followed, Some(not), Caller::Known, false),
            (Ratio::ALL, ParentFlag::Followed, Some(not), Caller::Stranger, false),
            (Ratio::ALL, ParentFlag::Followed, None, Caller::Known, true),
            (none, ParentFlag::Followed, None, Caller::Known, false),
            (none, ParentFlag::Ignored, Some(sampled), Caller::Known, false),
            (Ratio::ALL, ParentFlag::Ignored, Some(not), Caller::Known, true),
        ] {
            let sampling = Sampling { ratio, parent };
            assert_eq!(sampling.samples(&id(1), flags, caller), expected, "{sampling:?} {flags:?} {caller:?}");
        }
    }
}
