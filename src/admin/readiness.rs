//! Whether requests can be served: what `/readyz` says of the process, and `/readyz/ROUTE` of one route.

/// Whether requests can be served, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readiness {
    /// Why no request can be served, one reason per line of the response; empty if some can be.
    pub not_ready: Vec<String>,
    /// What is wrong although requests can be served, one problem per line; empty if all is well.
    pub degraded: Vec<String>,
}

impl Readiness {
    /// Whether requests can be served.
    pub(super) const fn is_ready(&self) -> bool {
        self.not_ready.is_empty()
    }

    /// The text of the response, which `countersign health` reads.
    pub(super) fn text(&self) -> String {
        if self.is_ready() {
            self.degraded.iter().fold("ready\n".to_owned(), |text, note| format!("{text}degraded: {note}\n"))
        } else {
            format!("not ready:\n{}\n", self.not_ready.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_ready_tells_only_why() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        for (not_ready, degraded, text) in [
            (lines(&[]), lines(&[]), "ready\n"),
            (lines(&[]), lines(&["a", "b"]), "ready\ndegraded: a\ndegraded: b\n"),
            (lines(&["a", "b"]), lines(&["c"]), "not ready:\na\nb\n"),
        ] {
            assert_eq!(Readiness { not_ready, degraded }.text(), text);
        }
    }
}
