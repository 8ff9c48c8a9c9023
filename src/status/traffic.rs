//! How many exchanges there were, how they ended, and how long they took.

use serde::{Deserialize, Serialize};

/// How exchanges ended since the start, with the words of the metric `countersign_exchanges_total`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanges {
    /// The endpoint responded with 2xx.
    pub answered_2xx: u64,
    /// The endpoint responded with 3xx.
    pub answered_3xx: u64,
    /// The endpoint responded with 4xx.
    pub answered_4xx: u64,
    /// The endpoint responded with 5xx.
    pub answered_5xx: u64,
    /// Refused for what the client sent or is; the endpoint never saw the request.
    pub refused: u64,
    /// Not sent: no key, no capacity or no connection.
    pub unavailable: u64,
    /// Sent, and no response came.
    pub unknown: u64,
    /// The response broke off midway.
    pub cut: u64,
    /// The client left before the end.
    pub abandoned: u64,
}

/// The exchanges of about the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// How many seconds these numbers are from: about 60, fewer after a start.
    pub over_seconds: f64,
    /// How many exchanges ended.
    pub exchanges: u64,
    /// The same for each second.
    pub per_second: f64,
    /// How many of them were refused.
    pub refused: u64,
    /// How many of them failed: `answered_5xx`, `unavailable`, `unknown` and `cut`.
    pub failed: u64,
    /// How long those took that were not refused; absent if there were none, and for clients.
    pub latency: Option<Latency>,
}

/// How long exchanges took, from the request's head to the end of the response.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The mean.
    pub mean_seconds: f64,
    /// Half of them took no longer. An estimate from the buckets of the metric, as for the next.
    pub median_seconds: f64,
    /// 99 of 100 took no longer.
    pub p99_seconds: f64,
}

impl Exchanges {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self {
            answered_2xx,
            answered_3xx,
            answered_4xx,
            answered_5xx,
            refused,
            unavailable,
            unknown,
            cut,
            abandoned,
        } = self;
        let all =
            [answered_2xx, answered_3xx, answered_4xx, answered_5xx, refused, unavailable, unknown, cut, abandoned];
        all.into_iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Those that failed, and not for anything the client did.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let failed = [self.answered_5xx, self.unavailable, self.unknown, self.cut];
        failed.into_iter().fold(0, u64::saturating_add)
    }
}
