//! What `countersign verify` found: printed as text for people, or as JSON for programs.

use serde::Serialize;

use super::Arguments;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::format::{Format, Outcome, print_json};
use crate::cli::output;
use crate::signing::diagnose::Cause;

/// What was found, as far as the command came: `docs/reference/schemas/verify.schema.json`.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    dialect: &'static str,
    /// The host and path that the form was judged for.
    host: String,
    path: String,
    /// `None` when the form could not be judged.
    pub(super) verifies: Option<bool>,
    /// The access key ID that the form says it is signed by.
    pub(super) signed_by: Option<String>,
    /// The MAC, where the dialect has a choice.
    pub(super) method: Option<&'static str>,
    /// Whether the signature itself is right; `None` when it was not compared.
    pub(super) signature_matches: Option<bool>,
    pub(super) problems: Vec<Point>,
    /// What the signer did differently, when the signature does not match.
    pub(super) causes: Vec<Point>,
}

/// What is wrong, and what to do about it.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    message: String,
    /// `None` where the causes say it.
    remedy: Option<&'static str>,
}

impl Point {
    pub(super) fn new(message: &impl ToString, remedy: Option<&'static str>) -> Self {
        Self { message: message.to_string(), remedy }
    }

    /// What each cause says.
    pub(super) fn of(causes: &[Cause]) -> Vec<Self> {
        causes.iter().map(|cause| Self::new(cause, Some(cause.remedy()))).collect()
    }
}

impl Verdict {
    /// Nothing is found yet.
    pub(super) fn none(arguments: &Arguments) -> Self {
        let target = &arguments.endpoint.target;
        Self {
            dialect: arguments.dialect.as_str(),
            host: target.host.clone(),
            path: target.path.clone(),
            verifies: None,
            signed_by: None,
            method: None,
            signature_matches: None,
            problems: Vec::new(),
            causes: Vec::new(),
        }
    }

    /// The form verifies.
    pub(super) fn accept(&mut self) {
        (self.verifies, self.signature_matches) = (Some(true), Some(true));
    }

    /// It does not.
    ///
    /// # Errors
    /// 1, always.
    pub(super) fn refuse(&mut self, problems: Vec<Point>) -> Result<(), Failure> {
        (self.verifies, self.problems) = (Some(false), problems);
        Err(Failure::new(ExitCode::Negative, "the form does not verify"))
    }

    /// Prints it, and how the command `ended`. What could not be judged has no text: the message says why.
    ///
    /// # Errors
    /// 71 when standard output cannot be written.
    pub(super) fn print(&self, format: Format, ended: &Result<(), Failure>) -> Result<(), Failure> {
        match (format, self.verifies) {
            (Format::Json, _) => print_json(Outcome::of(ended), self, ended),
            (Format::Text, Some(verifies)) => output::print(self.text(verifies).as_bytes())?,
            (Format::Text, None) => {}
        }
        Ok(())
    }

    fn text(&self, verifies: bool) -> String {
        if verifies {
            let id = self.signed_by.as_deref().unwrap_or_default();
            let how = match self.method {
                Some(method) => format!("with {method}"),
                None => format!("as {} wants it", self.dialect),
            };
            return format!("verifies: signed by {id} {how} for host {}, path {}\n", self.host, self.path);
        }
        let problems = self.problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; and ");
        let remedies = self.problems.iter().filter_map(|problem| problem.remedy);
        let matches = (self.signature_matches == Some(true)).then(|| "the signature itself matches".to_owned());
        let causes = self.causes.iter().flat_map(|Point { message, remedy }| {
            [format!("why: {message}"), format!("do:  {}", remedy.unwrap_or_default())]
        });
        let lines = remedies.map(|remedy| format!("do:  {remedy}")).chain(matches).chain(causes);
        format!("does not verify: {problems}\n{}", lines.map(|line| format!("  {line}\n")).collect::<String>())
    }
}
