//! What went wrong lately: refused requests, and the last failure of a route.

use serde::{Deserialize, Serialize};

/// Requests or connections that countersign refused for the same reason: one, or several in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When the last of them was refused.
    pub at: String,
    /// How long ago that is.
    pub ago_seconds: u64,
    /// How many of them there were.
    pub times: u64,
    /// The listener.
    pub listener: String,
    /// Who sent the last one, as the log says it: an address, or `unix:uid=1000`.
    pub peer: String,
    /// The client, if it was identified.
    pub client: Option<String>,
    /// The route, if there was one.
    pub route: Option<String>,
    /// The Action of the last one, if it could be read.
    pub action: Option<String>,
    /// The status of the response; absent where there was none.
    pub status: Option<u16>,
    /// The code of the response; absent for a connection that was refused before its first request.
    pub code: Option<String>,
    /// The log's `reason`: `policy`, `form.dup`.
    pub reason: String,
    /// What happened, a sentence.
    pub cause: String,
    /// What to do about it, a sentence.
    pub remedy: String,
    /// By which log and audit have the last one; absent where they have no ID.
    pub request_id: Option<String>,
    /// The trace of the last one; absent where it belongs to none.
    pub trace_id: Option<String>,
}

/// A call that failed, and not for anything its client did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: String,
    /// How long ago that is.
    pub ago_seconds: u64,
    /// The code of our response; absent where the response was the endpoint's.
    pub code: Option<String>,
    /// The log's `reason`.
    pub reason: String,
    /// What happened, a sentence.
    pub cause: String,
    /// What to do about it, a sentence.
    pub remedy: String,
    /// The error with its causes, as the log has it.
    pub error: Option<String>,
    /// By which log and audit have it.
    pub request_id: Option<String>,
    /// The trace that it belongs to; absent where there is none.
    pub trace_id: Option<String>,
}
