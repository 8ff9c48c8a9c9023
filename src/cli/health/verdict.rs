//! What the answer of an admin listener says about the process.

use http::StatusCode;
use serde::Serialize;

use crate::cli::admin_client::Response;
use crate::config::settings::Name;

/// The most lines of an answer that are told, and the longest of them in characters: another program may have written
/// them.
const LINES: usize = 64;
const LONGEST_LINE: usize = 1000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Probe {
    /// Whether requests can be answered.
    Ready,
    /// Whether the process responds.
    Live,
}

impl Probe {
    const fn path(self) -> &'static str {
        match self {
            Self::Ready => "/readyz",
            Self::Live => "/livez",
        }
    }

    /// The path to ask for, about this route alone or about the process.
    pub(super) fn path_of(self, route: Option<&Name>) -> String {
        route.map_or_else(|| self.path().to_owned(), |route| format!("{}/{route}", self.path()))
    }

    /// How the admin listener begins a positive answer.
    pub(super) const fn positive(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Live => "alive",
        }
    }

    /// How a negative result is called.
    pub(super) const fn negative(self) -> &'static str {
        match self {
            Self::Ready => "not ready",
            Self::Live => "not alive",
        }
    }
}

/// How the process is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) healthy: bool,
    pub(super) status: Option<u16>,
    /// Why not; or what is worth knowing all the same.
    pub(super) reasons: Vec<String>,
    pub(super) degraded: Vec<String>,
}

impl Verdict {
    pub(super) const fn positive(notes: Vec<String>) -> Self {
        Self { healthy: true, status: None, reasons: notes, degraded: Vec::new() }
    }

    pub(super) const fn negative(status: Option<u16>, reasons: Vec<String>) -> Self {
        Self { healthy: false, status, reasons, degraded: Vec::new() }
    }
}

/// Judges an answer. A port may have been taken over by another program, which answers 200 to anything: only the words
/// of an admin listener count.
pub(super) fn judge(probe: Probe, response: &Response) -> Verdict {
    let text = String::from_utf8_lossy(&response.body);
    let mut lines = text.lines().take(LINES).map(shortened);
    let first = lines.next().unwrap_or_default();
    let status = Some(response.status.as_u16());
    let is_ours = response.media_type == "text/plain";
    if is_ours && response.status == StatusCode::OK && first == probe.positive() {
        let degraded = lines.map(|line| line.strip_prefix("degraded: ").unwrap_or(&line).to_owned()).collect();
        return Verdict { healthy: true, status, reasons: Vec::new(), degraded };
    }
    if is_ours && response.status == StatusCode::SERVICE_UNAVAILABLE && first == "not ready:" {
        return Verdict::negative(status, lines.collect());
    }
    if is_ours && response.status == StatusCode::NOT_FOUND && first == "no such route" {
        return Verdict::negative(status, vec![first]);
    }
    let number = response.status.as_u16();
    let said = if is_ours && !first.is_empty() { format!(": {first}") } else { String::new() };
    let reason = format!(
        "{} was answered with {number}{said}; an admin listener answers in other words: does another program listen \
         there?",
        probe.path()
    );
    Verdict::negative(status, vec![reason])
}

fn shortened(line: &str) -> String {
    line.chars().take(LONGEST_LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, media_type: &str, body: &str) -> Response {
        let status = StatusCode::from_u16(status).unwrap();
        Response { status, media_type: media_type.to_owned(), body: body.to_owned().into() }
    }

    fn verdict(probe: Probe, status: u16, body: &str) -> Verdict {
        judge(probe, &response(status, "text/plain", body))
    }

    #[test]
    fn what_is_degraded_is_told_beside_a_positive_result() {
        let verdict = verdict(Probe::Ready, 200, "ready\ndegraded: key.main: cannot be read\ndegraded: b\n");
        assert!(verdict.healthy);
        assert_eq!(verdict.degraded, ["key.main: cannot be read", "b"]);
        assert_eq!(super::tests::verdict(Probe::Live, 200, "alive\n").degraded, Vec::<String>::new());
    }

    #[test]
    fn each_reason_of_a_process_that_is_not_ready_is_told() {
        let verdict = verdict(Probe::Ready, 503, "not ready:\nthe process is draining\nkey.main: has expired\n");
        assert_eq!(
            verdict,
            Verdict::negative(
                Some(503),
                vec!["the process is draining".to_owned(), "key.main: has expired".to_owned()]
            )
        );
    }

    #[test]
    fn another_program_is_not_taken_for_a_healthy_countersign() {
        for (status, media_type, body) in [
            (200, "text/html", "ready\n"),
            (200, "text/plain", "OK\n"),
            (200, "text/plain", "alive\n"),
            (200, "text/plain", ""),
            (204, "", ""),
            (404, "text/plain", "404 page not found\n"),
            (404, "text/html", "no such route\n"),
            (503, "text/html", "not ready:\n"),
            (503, "text/plain", "no server is available\n"),
        ] {
            let verdict = judge(Probe::Ready, &response(status, media_type, body));
            assert!(!verdict.healthy, "{status} {media_type} {body}");
            assert!(verdict.reasons[0].contains("does another program listen there?"), "{verdict:?}");
        }
    }

    #[test]
    fn an_endless_answer_is_cut() {
        let many = format!("not ready:\n{}", "x\n".repeat(100_000));
        assert_eq!(verdict(Probe::Ready, 503, &many).reasons.len(), LINES - 1);
        let long = format!("not ready:\n{}\n", "x".repeat(100_000));
        assert_eq!(verdict(Probe::Ready, 503, &long).reasons[0].len(), LONGEST_LINE);
    }
}
