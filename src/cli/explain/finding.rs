//! What `countersign explain` found: printed as text for people, or as JSON for programs.

use serde::Serialize;

use crate::cli::exit::{ExitCode, Failure};
use crate::cli::format::{Format, Outcome, print_json};
use crate::cli::output;
use crate::signing::diagnose::RefusalClass;

/// What was found, as far as the command came.
#[derive(Debug)]
pub(super) enum Finding {
    /// A file could not be used.
    Nothing,
    /// The endpoint did not refuse a signature, but said this, with whatever could change a terminal escaped.
    NotOfASignature(String),
    /// The reason for which the endpoint refused, and the lines that explain it.
    Refused(RefusalClass, Vec<Line>),
}

/// A line of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Why(String),
    Do(&'static str),
}

/// The JSON document has this beside the members of all: `docs/reference/schemas/explain.schema.json`.
#[derive(Debug, Serialize)]
struct Content<'f> {
    dialect: &'static str,
    cause: Option<&'static str>,
    endpoint_code: Option<&'f str>,
    reasons: Vec<&'f str>,
    remedies: Vec<&'static str>,
}

impl Finding {
    /// A cause that says everything.
    pub(super) fn of(cause: RefusalClass) -> Self {
        Self::Refused(cause, vec![Line::Do(cause.remedy())])
    }

    /// How the command ends that found this.
    ///
    /// # Errors
    /// 1 when the cause is not found.
    pub(super) fn ended(&self) -> Result<(), Failure> {
        let negative = |message| Err(Failure::new(ExitCode::Negative, message));
        match self {
            Self::NotOfASignature(_) => negative("the answer says nothing about a signature"),
            Self::Refused(RefusalClass::Unknown, _) => negative("the cause is not found"),
            Self::Nothing | Self::Refused(..) => Ok(()),
        }
    }

    /// Prints it, and how the command `ended`.
    ///
    /// # Errors
    /// 71 when standard output cannot be written.
    pub(super) fn print(
        &self,
        format: Format,
        dialect: &'static str,
        ended: &Result<(), Failure>,
    ) -> Result<(), Failure> {
        match format {
            Format::Json => print_json(Outcome::of(ended), &self.content(dialect), ended),
            Format::Text => output::print(self.text().as_bytes())?,
        }
        Ok(())
    }

    fn text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::NotOfASignature(code) => format!("not a refused signature: the endpoint says `{code}`\n"),
            Self::Refused(cause, lines) => {
                let line = |line: &Line| match line {
                    Line::Why(reason) => format!("  why: {reason}\n"),
                    Line::Do(remedy) => format!("  do:  {remedy}\n"),
                };
                format!("refused: {}\n{}", cause.as_str(), lines.iter().map(line).collect::<String>())
            }
        }
    }

    fn content(&self, dialect: &'static str) -> Content<'_> {
        let (cause, endpoint_code, lines): (_, _, &[Line]) = match self {
            Self::Nothing => (None, None, &[]),
            Self::NotOfASignature(code) => (None, Some(code.as_str()), &[]),
            Self::Refused(cause, lines) => (Some(cause.as_str()), None, lines),
        };
        let reasons = lines.iter().filter_map(|line| match line {
            Line::Why(reason) => Some(reason.as_str()),
            Line::Do(_) => None,
        });
        let remedies = lines.iter().filter_map(|line| match line {
            Line::Do(remedy) => Some(*remedy),
            Line::Why(_) => None,
        });
        Content { dialect, cause, endpoint_code, reasons: reasons.collect(), remedies: remedies.collect() }
    }
}
