//! The errors of calls that a client may not make yet: by its rate or its quota, whoever counts them.

use super::fault::ExchangeError;
use crate::authorize::{OverQuota, Throttled, TooManyCalls};
use crate::rates::NotNow;

impl From<TooManyCalls> for ExchangeError {
    fn from(error: TooManyCalls) -> Self {
        match error {
            TooManyCalls::Rate(error) => error.into(),
            TooManyCalls::Quota(error) => error.into(),
        }
    }
}

/// Whoever counts, this process or the store: the client is told the same.
impl From<NotNow> for ExchangeError {
    fn from(error: NotNow) -> Self {
        match error {
            NotNow::Rate(retry_after) => Throttled { retry_after }.into(),
            NotNow::Quota(quota, retry_after) => OverQuota { quota, retry_after }.into(),
            NotNow::StoreAway => Self::RateUnknown,
        }
    }
}
