//! The lines of the audit, as far as `countersign policy suggest` reads them.

use jiff::Timestamp;
use serde::Deserialize;

/// One decision: a JSON object on one line. Its other fields are not needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct RecordLine {
    /// When it was written, as RFC 3339 has it.
    #[serde(default)]
    time: Option<String>,
    /// The client's name; `any-local` on a listener without clients. Absent when no client was authenticated.
    #[serde(default)]
    pub(crate) client: Option<String>,
    /// The route's name. Absent when none was chosen.
    #[serde(default)]
    pub(crate) route: Option<String>,
    /// The Action. Absent when no form was read, or it asks for none or several.
    #[serde(default)]
    pub(crate) action: Option<String>,
    /// The names of the parameters, never their values.
    #[serde(default)]
    pub(crate) parameters: Vec<String>,
    /// `allow`, `deny`, `recorded` or `any_local`. Absent when the request was refused before a decision.
    #[serde(default)]
    pub(crate) decision: Option<RecordedDecision>,
}

impl RecordLine {
    /// When it was written, where the line says so.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.time.as_deref()?.parse().ok()
    }
}

/// `decision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordedDecision {
    /// A rule allowed the call.
    Allow,
    /// The rules refused it.
    Deny,
    /// The rules would have refused it; the client was in record mode.
    Recorded,
    /// The listener lets any local process call.
    AnyLocal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_audit_is_read_whether_an_older_program_wrote_it_or_this_one() {
        let line = r#"{"time":"2026-01-01T00:00:00Z","request_id":"r","listener":"local","client":"a",
            "identified_by":"token",
            "route":"ie","action":"GetStatus","key_id":"AKIAIOSFODNN7EXAMPLE","rule":null,"decision":"recorded",
            "outcome":"answered_2xx","status":200,"parameters":["Action","JobId"]}"#;
        let read: RecordLine = serde_json::from_str(line).unwrap();
        assert_eq!(read.client.as_deref(), Some("a"));
        assert_eq!(read.time().unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(read.decision, Some(RecordedDecision::Recorded));
        assert_eq!(read.parameters, ["Action", "JobId"]);
        let newer = line.replace(
            "\"status\":200,",
            "\"status\":200,\"code\":null,\"reason\":null,\"endpoint_request_id\":\"r-1\",\"peer\":\"127.0.0.1:1\",\
             \"certificate\":{\"serial\":\"1f\",\"subject\":\"CN=a\",\"names\":[]},\"token\":null,",
        );
        let read: RecordLine = serde_json::from_str(&newer).unwrap();
        assert_eq!((read.client.as_deref(), read.action.as_deref()), (Some("a"), Some("GetStatus")));
        let flood: RecordLine = serde_json::from_str(
            r#"{"request_id":null,"client":null,"decision":"deny","repeated":4990,"seconds":60,"parameters":[]}"#,
        )
        .unwrap();
        assert_eq!((flood.time(), flood.client, flood.decision), (None, None, Some(RecordedDecision::Deny)));
        let refused: RecordLine =
            serde_json::from_str(r#"{"outcome":"refused","client":null,"decision":null}"#).unwrap();
        assert_eq!(refused.decision, None);
    }
}
