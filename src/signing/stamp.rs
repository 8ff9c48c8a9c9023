//! What differs between two signatures of the same form with the same key.

use std::time::Duration;

use super::timestamp::RequestTimestamp;

/// Time and nonce of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The time, by the clock that the endpoint's is believed to agree with.
    pub time: RequestTimestamp,
    /// What no other request has; needed where [`super::Dialect::has_nonce`] says so, and otherwise optional or unused.
    pub nonce: Option<String>,
    /// How long the request is good for, where it says when it expires.
    pub lifetime: Duration,
}

impl Stamp {
    /// Five minutes: what CloudStack's own clients say.
    pub const LIFETIME: Duration = Duration::from_secs(300);

    /// This time, and no nonce.
    #[must_use]
    pub const fn at(time: RequestTimestamp) -> Self {
        Self { time, nonce: None, lifetime: Self::LIFETIME }
    }
}

impl From<RequestTimestamp> for Stamp {
    fn from(time: RequestTimestamp) -> Self {
        Self::at(time)
    }
}
