//! A client: how it calls, and how much of its shares it uses.

use serde::{Deserialize, Serialize};

use super::traffic::{Exchanges, Traffic};

/// A client, or all callers without a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Its name; `any-local` for callers of listeners with `any_local = true`.
    pub name: String,
    /// Whose it is: the name of the file of `conf.d/` that it is in; absent for the main file's.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Whether it is one client of the configuration.
    pub kind: ClientKind,
    /// Whether its rules are enforced.
    pub mode: Mode,
    /// How its exchanges ended since the start.
    pub exchanges: Exchanges,
    /// Those of the last minute.
    pub traffic: Traffic,
    /// How often it may call; absent without a limit.
    pub rate_limit: Option<RateLimit>,
    /// How many calls it may make in a day, and has made; absent without a limit.
    pub quota: Option<Quota>,
    /// The share of which it uses the largest part now.
    pub share: Option<Share>,
    /// How many of its requests were refused because it used a whole share.
    pub over_share: u64,
}

/// Whether a client has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// One client of the configuration.
    Client,
    /// All callers of listeners with `any_local = true`.
    AnyLocal,
}

/// Whether rules are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are.
    Enforce,
    /// What they would deny is allowed and recorded.
    Record,
}

/// `rate` and `burst` of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Calls in each period.
    pub calls: u64,
    /// The period: 1 or 60.
    pub period_seconds: u64,
    /// Calls that may come at once after a quiet time.
    pub burst: u64,
}

/// `quota` of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Calls in a day of UTC.
    pub calls: u64,
    /// Calls of this day.
    pub used: u64,
    /// Whether these are the calls of all replicas.
    pub shared: bool,
}

/// A client's share of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The limit, as [`super::Limit::setting`] names it.
    pub setting: String,
    /// How much the client uses.
    pub used: u64,
    /// How much it may use.
    pub share: u64,
    /// The limit of all clients together.
    pub limit: u64,
}
