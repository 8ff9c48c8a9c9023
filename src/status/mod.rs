//! What an operator sees of a running process at one moment: the report that `/status` of the admin listener is, and
//! that its page, `countersign top` and `countersign health` show.
//!
//! Pure data: `app` fills it. It holds names, counts and times of what the configuration, the metrics and the log tell
//! already; never a parameter's value, a key or the content of a file. Its JSON is documented by
//! `docs/reference/schemas/status.schema.json`; members may be added, and none is renamed or removed.

mod client;
mod key;
mod limit;
mod listener;
mod refusal;
mod route;
mod traffic;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use client::{Client, ClientKind, Mode, Quota, RateLimit, Share};
pub use key::{Key, KeyState};
pub use limit::{Limit, Unit};
pub use listener::{Certificate, CertificateState, Listener, TokenKeys};
pub use refusal::{Failure, Refusal};
pub use route::{Breaker, BreakerState, Fallback, Route};
pub use traffic::{Exchanges, Latency, Traffic};

/// The version of the document.
pub const SCHEMA: u32 = 1;

/// How many refusals a report has at most.
pub const REFUSALS: usize = 50;

/// Everything. Times are in UTC, as RFC 3339 writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this document: [`SCHEMA`]. It grows when a program that reads it would have to change.
    pub schema: u32,
    /// The version of the program.
    pub version: String,
    /// What else is known of its build.
    pub build: Build,
    /// When the report was made.
    pub at: String,
    /// How the process is, in one word.
    pub state: State,
    /// Why it is not `ok`, the most severe first; empty if it is.
    pub reasons: Vec<Reason>,
    /// How long the process runs, and with how many workers.
    pub process: Process,
    /// What it serves.
    pub configuration: Configuration,
    /// All routes, by name.
    pub routes: Vec<Route>,
    /// All keys, by name.
    pub keys: Vec<Key>,
    /// All clients, by name; then those without a name.
    pub clients: Vec<Client>,
    /// All listeners, by name.
    pub listeners: Vec<Listener>,
    /// The certificates of listeners, and those that routes show to their endpoints.
    pub certificates: Vec<Certificate>,
    /// What is limited, and how much of it is used.
    pub limits: Vec<Limit>,
    /// The audit.
    pub audit: Audit,
    /// The last requests and connections that countersign refused, the latest first; at most 50.
    pub refusals: Vec<Refusal>,
}

/// How the process is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It serves, and all is well.
    Ok,
    /// It serves, perhaps not all routes, and something needs an operator.
    Degraded,
    /// No request can be served, for what is wrong here.
    NotReady,
    /// It is about to end: load balancers should send it nothing new.
    Draining,
}

/// One reason for a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The state that it is a reason for.
    pub state: State,
    /// Which part has which trouble, as `/readyz` says it.
    pub text: String,
}

/// What is known of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The commit it was built from, where the build knew it.
    pub commit: Option<String>,
    /// The features it was built with.
    pub features: Vec<String>,
}

/// The process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// When it started.
    pub started_at: String,
    /// How long ago that is.
    pub uptime_seconds: u64,
    /// How many threads serve requests.
    pub workers: u64,
    /// How much of its memory is in RAM; absent where the kernel does not tell.
    #[serde(default)]
    pub resident_bytes: Option<u64>,
}

/// The configuration that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// How many configurations have been served since the start, this one included.
    pub generation: u64,
    /// The digest of its file; absent without a file.
    pub sha256: Option<String>,
    /// When the configuration that was read last was refused, if it was: an earlier one is served. The log says why.
    pub refused_at: Option<String>,
}

/// The audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Whether it is written.
    pub state: AuditState,
    /// How many lines were dropped because the target did not take them in time.
    pub lost_lines: u64,
}

/// Whether the audit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditState {
    /// It is not configured.
    Off,
    /// Every decision has its line.
    Writing,
    /// It cannot be written, and requests are refused for that.
    Refusing,
}

impl State {
    /// For people: `not ready`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::NotReady => "not ready",
            Self::Draining => "draining",
        }
    }

    /// Whether the process should get requests: what `/readyz` says.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        match self {
            Self::Ok | Self::Degraded => true,
            Self::NotReady | Self::Draining => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const SAMPLE: &str = include_str!("sample.json");

    #[test]
    fn a_report_is_read_as_it_is_written() {
        let report: Report = serde_json::from_str(SAMPLE).unwrap();
        let written: Value = serde_json::to_value(&report).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(SAMPLE).unwrap());
    }

    #[test]
    fn a_report_of_a_later_version_with_more_in_it_can_be_read() {
        let mut sample: Value = serde_json::from_str(SAMPLE).unwrap();
        sample["news"] = 1.into();
        sample["routes"][0]["news"] = 1.into();
        assert!(serde_json::from_value::<Report>(sample).is_ok());
    }

    #[test]
    fn every_state_has_its_word_and_only_a_process_that_serves_is_ready() {
        let all = [State::Ok, State::Degraded, State::NotReady, State::Draining];
        assert_eq!(all.map(State::word), ["ok", "degraded", "not ready", "draining"]);
        assert_eq!(all.map(State::is_ready), [true, true, false, false]);
    }
}
