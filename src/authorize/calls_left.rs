//! What is left to a client of its limits, for the fields that tell it so.

use std::time::Duration;

/// What is left to a client of one limit of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallsLeft {
    /// The setting: [`Self::RATE`] or [`Self::QUOTA`].
    pub limit: &'static str,
    /// So many calls ...
    pub calls: u64,
    /// ... in each such time.
    pub window: Duration,
    /// How many calls may come at once after a quiet time.
    pub burst: u64,
    /// How many calls may come now.
    pub remaining: u64,
    /// For how long these last at the pace of the limit; with none left, the time until the next call may come.
    pub lasts: Duration,
    /// The time until `burst` calls may come at once.
    pub full_in: Duration,
}

impl CallsLeft {
    /// The calls of a short time.
    pub const RATE: &'static str = "rate";
    /// The calls of a day.
    pub const QUOTA: &'static str = "quota";
}

/// How clients are told what is left of their limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitFields {
    /// Not at all.
    Off,
    /// By `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-11 has them.
    Draft,
    /// By `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`, the last in seconds from now.
    X,
}

impl RateLimitFields {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 3] = [("off", Self::Off), ("draft", Self::Draft), ("x", Self::X)];
}
