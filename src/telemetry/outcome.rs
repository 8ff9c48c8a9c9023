//! How exchanges end, in the words of metrics, log and audit.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// How an exchange ended, as metrics and logs group it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The endpoint answered with 2xx, and the answer was passed on whole.
    Answered2xx,
    /// The same with 3xx.
    Answered3xx,
    /// The same with 4xx.
    Answered4xx,
    /// The same with 5xx, or an unusual status.
    Answered5xx,
    /// Refused by us; the endpoint never saw it.
    Refused,
    /// Not sent: no key, no capacity, no connection.
    Unavailable,
    /// Sent, and no answer came.
    Unknown,
    /// The answer broke off midway.
    Cut,
    /// The client left before the end.
    Abandoned,
}

impl Outcome {
    /// Every outcome, in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::Answered2xx,
        Self::Answered3xx,
        Self::Answered4xx,
        Self::Answered5xx,
        Self::Refused,
        Self::Unavailable,
        Self::Unknown,
        Self::Cut,
        Self::Abandoned,
    ];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The word in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered2xx => "answered_2xx",
            Self::Answered3xx => "answered_3xx",
            Self::Answered4xx => "answered_4xx",
            Self::Answered5xx => "answered_5xx",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Cut => "cut",
            Self::Abandoned => "abandoned",
        }
    }

    /// The outcome of an answer that was passed on whole.
    #[must_use]
    pub const fn answered(status: u16) -> Self {
        match status {
            200..300 => Self::Answered2xx,
            300..400 => Self::Answered3xx,
            400..500 => Self::Answered4xx,
            _ => Self::Answered5xx,
        }
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.as_str().encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_an_outcome_is_its_place_in_the_list() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.index(), index);
        }
    }
}
