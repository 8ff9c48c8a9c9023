//! How an attempt to load a key, or the keys of a token issuer, ended.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// The value of the label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoadResult {
    /// A new key is in use.
    Changed,
    /// The key is the same as before.
    Unchanged,
    /// The store gave a key that is not used: it has expired, or is not proven to sign.
    Waiting,
    /// The store failed; the last good key stays in use.
    Failed,
}

impl LoadResult {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Changed, Self::Unchanged, Self::Waiting, Self::Failed];
    /// Those of the keys of a token issuer: its document is adopted or not.
    pub(super) const OF_TOKEN_KEYS: [Self; 3] = [Self::Changed, Self::Unchanged, Self::Failed];
}

impl EncodeLabelValue for LoadResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
        .encode(encoder)
    }
}
