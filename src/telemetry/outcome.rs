//! How exchanges end, as metrics, log and audit name it.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Outcome {
    /// The endpoint responded with 2xx, and the response was passed on whole.
    Answered2xx,
    /// The same with 3xx.
    Answered3xx,
    /// The same with 4xx.
    Answered4xx,
    /// The same with 5xx, or a status outside of these classes.
    Answered5xx,
    /// Refused by countersign; the endpoint never saw the request.
    Refused,
    /// Not sent: no key, no capacity, or no connection.
    Unavailable,
    /// Sent, and no response came.
    Unknown,
    /// The response broke off midway.
    Cut,
    /// The client left before the end.
    Abandoned,
}

impl Outcome {
    /// Every outcome, in the order of declaration.
    pub(crate) const ALL: [Self; 9] = [
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

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
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

    /// The outcome of a response that was passed on whole.
    #[must_use]
    pub(crate) const fn answered(status: u16) -> Self {
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
