//! One incident: a request or connection that was refused, or a call that failed.

use std::sync::Arc;
use std::time::Instant;

use smol_str::SmolStr;

/// What is kept of an incident: names, and no values.
#[derive(Debug, Clone)]
pub(crate) struct Incident {
    /// When the last one happened that this stands for.
    pub(crate) at: Instant,
    /// How many of the same kind it stands for.
    pub(crate) times: u64,
    pub(crate) listener: Arc<str>,
    /// The client; `None` for a stranger.
    pub(crate) client: Option<SmolStr>,
    pub(crate) route: Option<SmolStr>,
    pub(crate) action: Option<SmolStr>,
    /// The other end of the connection, as the log has it.
    pub(crate) peer: SmolStr,
    pub(crate) status: Option<u16>,
    /// Our error code; `None` where the response was not ours.
    pub(crate) code: Option<&'static str>,
    /// The log's reason.
    pub(crate) reason: &'static str,
    /// What happened, as a sentence.
    pub(crate) cause: &'static str,
    /// What to do about it, as a sentence.
    pub(crate) remedy: &'static str,
    /// The error with its causes, of failures only: that of a refusal may be about what the client sent.
    pub(crate) error: Option<Arc<str>>,
    pub(crate) request_id: Option<SmolStr>,
    pub(crate) trace_id: Option<SmolStr>,
}

impl Incident {
    /// Whether both are told as one, with the number of them.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.code == other.code
            && self.reason == other.reason
            && self.cause == other.cause
            && self.client == other.client
            && self.route == other.route
            && self.action == other.action
            && self.listener == other.listener
    }

    /// Both as one.
    pub(super) fn joined(self, other: Self) -> Self {
        let times = self.times.saturating_add(other.times);
        let later = if self.at >= other.at { self } else { other };
        Self { times, ..later }
    }
}
