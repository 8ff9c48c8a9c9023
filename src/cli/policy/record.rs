//! The lines that decisions are recorded in, as `countersign policy suggest` reads them.

use serde::Deserialize;

/// One decision: a JSON object on a line of its own. The audit writes these names; of them only those below are read here,
/// and all others (`time`, `request_id`, `listener`, `identified_by`, `key_id`, `rule`, `outcome`, `status`) are passed over.
#[derive(Debug, Deserialize)]
pub struct RecordLine {
    /// The client's name; `any-local` where nobody has one. Absent when nobody was authenticated.
    #[serde(default)]
    pub client: Option<String>,
    /// The route's name. Absent when none was chosen.
    #[serde(default)]
    pub route: Option<String>,
    /// The Action. Absent when the form was refused.
    #[serde(default)]
    pub action: Option<String>,
    /// The names of the parameters, never their values.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// `allow`, `deny`, `recorded` or `any_local`. Absent when it did not come to a decision.
    #[serde(default)]
    pub decision: Option<RecordedDecision>,
}

/// `decision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedDecision {
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
    fn a_line_of_the_audit_is_read() {
        let line = r#"{"time":"2026-01-01T00:00:00Z","request_id":"r","listener":"local","client":"a","identified_by":"token",
            "route":"ie","action":"GetStatus","key_id":"AKIAIOSFODNN7EXAMPLE","rule":null,"decision":"recorded",
            "outcome":"answered_2xx","status":200,"parameters":["Action","JobId"]}"#;
        let read: RecordLine = serde_json::from_str(line).unwrap();
        assert_eq!(read.client.as_deref(), Some("a"));
        assert_eq!(read.decision, Some(RecordedDecision::Recorded));
        assert_eq!(read.parameters, ["Action", "JobId"]);
        let refused: RecordLine =
            serde_json::from_str(r#"{"outcome":"refused","client":null,"decision":null}"#).unwrap();
        assert_eq!(refused.decision, None);
    }
}
