//! A route: its endpoint, how that is, and how calls of it go.

use serde::{Deserialize, Serialize};

use super::refusal::Failure;
use super::traffic::{Exchanges, Traffic};

/// A route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Whose it is: the name of the file of `conf.d/` that it is in; absent for the main file's.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The URL that signed requests go to.
    /// The URL that signed requests go to; where the route has fallbacks, that of its first endpoint.
    pub endpoint: String,
    /// The name of the key that signs.
    pub key: String,
    /// Whether calls are let through to the endpoint.
    pub breaker: Breaker,
    /// Requests handed over to be sent to the endpoint since the start; not counted where the route has no fallbacks.
    #[serde(default)]
    pub sent: Option<u64>,
    /// The endpoints that get the calls while those before them are down, in this order.
    #[serde(default)]
    pub fallbacks: Vec<Fallback>,
    /// How long ago the addresses were found that are used because the endpoint's name cannot be looked up; absent
    /// while it can.
    pub addresses_age_seconds: Option<u64>,
    /// How far the endpoint's clock is ahead of this host's (behind, if negative); absent until a response has told.
    pub clock_offset_seconds: Option<f64>,
    /// Requests in progress.
    pub in_flight: u64,
    /// How many there may be.
    pub in_flight_limit: u64,
    /// How exchanges ended since the start.
    pub exchanges: Exchanges,
    /// Those of the last minute.
    pub traffic: Traffic,
    /// The last exchange that failed, and not for anything its client did.
    pub last_error: Option<Failure>,
}

/// An endpoint that gets the calls while those before it are down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fallback {
    /// Its URL; followed by the way there where the route has this URL twice.
    pub endpoint: String,
    /// Whether calls are let through to it.
    pub breaker: Breaker,
    /// Requests handed over to be sent to it since the start.
    pub sent: u64,
    /// As for the first endpoint.
    pub addresses_age_seconds: Option<u64>,
    /// As for the first endpoint.
    pub clock_offset_seconds: Option<f64>,
}

impl Route {
    /// The first endpoint that calls are let through to, if it is a fallback: calls go there.
    #[must_use]
    pub fn fallback_in_use(&self) -> Option<&Fallback> {
        let is_down = |breaker: &Breaker| breaker.state == BreakerState::Open;
        self.fallbacks.iter().find(|fallback| !is_down(&fallback.breaker)).filter(|_| is_down(&self.breaker))
    }
}

/// Whether calls are let through to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether they are.
    pub state: BreakerState,
    /// Why they are not.
    pub reason: Option<String>,
    /// How often the endpoint went down since the start.
    pub outages: u64,
}

/// Whether calls are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// They are.
    Closed,
    /// The endpoint counts as down: only those are that find out whether it is back.
    Open,
    /// They always are: `failures = 0`.
    Off,
}
