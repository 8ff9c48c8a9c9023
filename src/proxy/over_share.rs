//! The refusal of a client that uses its whole share of a limit: which limit, how large the share is, and which setting
//! raises it.

use thiserror::Error;

use crate::authorize::ClientIdentity;
use crate::faults::{self, FaultClass};

/// A client uses its whole share of a limit. The client learns that; the log line has the numbers and the settings too.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .of.message())]
pub(crate) struct OverShare {
    of: SharedLimit,
    source: ShareDetail,
}

/// A limit of which clients have shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SharedLimit {
    /// A route's `in_flight`.
    InFlight,
    /// `process.bodies`.
    Bodies,
    /// A listener's `connections`.
    Connections,
}

/// What an operator needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at most {part} of {whole} {unit} of {limit}; raise {raise}")]
struct ShareDetail {
    part: usize,
    whole: usize,
    unit: &'static str,
    limit: String,
    /// The settings to raise. Clients without a name have no setting of their own.
    raise: String,
}

impl OverShare {
    /// `client` may have `part` of the `whole` of a limit. `owner` is the name of the route or listener whose limit it
    /// is; `process.bodies` has none.
    #[must_use]
    pub(crate) fn new(of: SharedLimit, owner: &str, client: &ClientIdentity<'_>, part: usize, whole: usize) -> Self {
        let raise = match client {
            ClientIdentity::AnyLocal => "that limit".to_owned(),
            ClientIdentity::Named { .. } => format!("client.{}.share or that limit", client.name()),
        };
        let source = ShareDetail { part, whole, unit: of.unit(), limit: of.setting(owner), raise };
        Self { of, source }
    }

    /// The limit.
    #[must_use]
    pub(crate) const fn of(&self) -> SharedLimit {
        self.of
    }

    /// The row of this error.
    #[must_use]
    pub(crate) const fn class(&self) -> FaultClass {
        match self.of {
            SharedLimit::InFlight => faults::client::SHARE_OF_IN_FLIGHT,
            SharedLimit::Bodies => faults::client::SHARE_OF_BODIES,
            SharedLimit::Connections => faults::client::SHARE_OF_CONNECTIONS,
        }
    }
}

impl SharedLimit {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::InFlight, Self::Bodies, Self::Connections];

    /// The name in metrics.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Bodies => "bodies",
            Self::Connections => "connections",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::InFlight => "this client uses its whole share of the requests that may be in progress on this route",
            Self::Bodies => "the requests of this client use its whole share of the memory for bodies",
            Self::Connections => "this client uses its whole share of the connections that this listener may have",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::InFlight => "requests",
            Self::Bodies => "bytes",
            Self::Connections => "connections",
        }
    }

    fn setting(self, owner: &str) -> String {
        match self {
            Self::InFlight => format!("route.{owner}.limits.in_flight"),
            Self::Bodies => "process.bodies".to_owned(),
            Self::Connections => format!("listener.{owner}.limits.connections"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::causes;

    #[test]
    fn the_log_names_the_limit_the_numbers_and_what_to_raise_and_the_client_learns_no_numbers() {
        let over = OverShare::new(SharedLimit::InFlight, "ie", &ClientIdentity::AnyLocal, 128, 256);
        assert_eq!(
            causes(&over),
            "this client uses its whole share of the requests that may be in progress on this route: at most 128 of \
             256 requests of route.ie.limits.in_flight; raise that limit"
        );
        assert!(!over.to_string().contains("128"));
        let bodies = OverShare::new(SharedLimit::Bodies, "", &ClientIdentity::AnyLocal, 5, 10);
        assert!(causes(&bodies).ends_with("at most 5 of 10 bytes of process.bodies; raise that limit"));
        assert_eq!((bodies.class().status, bodies.class().log.reason), (503, "share"));
    }
}
