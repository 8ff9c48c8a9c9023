//! What `countersign check` has found, section by section: printed as text for people, or as JSON for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::cli::exit::{ExitCode, Failure};
use crate::cli::format;
use crate::cli::output::print_line;

/// Everything that was found, by its number in the order in which it is printed.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<usize, Section>);

/// What was found about one thing.
#[derive(Debug)]
pub(super) struct Section {
    kind: Kind,
    /// The name that the configuration gives the thing.
    name: Option<String>,
    /// What the text says before the colon.
    title: String,
    head: Line,
    lines: Vec<Line>,
    facts: BTreeMap<&'static str, String>,
}

/// What a section is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Configuration,
    Environment,
    LeftOut,
    Listener,
    Client,
    Route,
    Key,
    Admin,
    Audit,
    Rates,
    Trace,
    Process,
    Memory,
    Share,
    Files,
    Posture,
    Online,
}

#[derive(Debug, Clone)]
struct Line {
    level: Level,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Plain,
    Warning,
    Danger,
}

impl Findings {
    /// A section that begins with `TITLE: SUMMARY`; the title is the kind and the name.
    pub(super) fn section(
        &mut self,
        kind: Kind,
        name: Option<&dyn fmt::Display>,
        summary: impl Into<String>,
    ) -> &mut Section {
        self.begin(kind, name, Level::Plain, summary.into())
    }

    /// A section that consists of a warning.
    pub(super) fn warning(&mut self, kind: Kind, name: Option<&dyn fmt::Display>, text: impl Into<String>) {
        self.begin(kind, name, Level::Warning, text.into());
    }

    /// A section that consists of what a `danger_` switch gives up.
    pub(super) fn danger(&mut self, kind: Kind, name: Option<&dyn fmt::Display>, text: impl Into<String>) {
        self.begin(kind, name, Level::Danger, text.into());
    }

    fn begin(&mut self, kind: Kind, name: Option<&dyn fmt::Display>, level: Level, text: String) -> &mut Section {
        let name = name.map(ToString::to_string);
        let title = kind.title(name.as_deref());
        let head = Line { level, text };
        let section = Section { kind, name, title, head, lines: Vec::new(), facts: BTreeMap::new() };
        self.0.entry(self.0.len()).or_insert(section)
    }

    /// Prints them for people.
    pub(super) fn print_text(&self) {
        for Section { title, head, lines, .. } in self.0.values() {
            match head.level {
                Level::Plain => print_line!("{title}: {}", head.text),
                Level::Warning => print_line!("WARNING {title}: {}", head.text),
                Level::Danger => print_line!("{title}: DANGER {}", head.text),
            }
            for Line { level, text } in lines {
                match level {
                    Level::Plain => print_line!("  {text}"),
                    Level::Warning => print_line!("  WARNING {text}"),
                    Level::Danger => print_line!("  DANGER {text}"),
                }
            }
        }
    }

    /// Prints them, and how the command `ended`, as one JSON document.
    pub(super) fn print_json(&self, ended: &Result<(), Failure>) {
        let warned = self.0.values().any(Section::is_a_warning);
        let verdict = match ended {
            Err(failure) if failure.code == ExitCode::EndpointUnavailable => Verdict::Unreachable,
            Err(_) => Verdict::Refused,
            Ok(()) if warned => Verdict::Warned,
            Ok(()) => Verdict::Ok,
        };
        format::print_json(verdict, &Content { sections: self.0.values().map(SectionDocument::of).collect() }, ended);
    }
}

impl Section {
    /// A line of the section.
    pub(super) fn detail(&mut self, text: impl Into<String>) {
        self.lines.push(Line { level: Level::Plain, text: text.into() });
    }

    /// What is probably a mistake, or will be a fault later.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.lines.push(Line { level: Level::Warning, text: text.into() });
    }

    /// What a `danger_` switch gives up.
    pub(super) fn danger(&mut self, text: impl Into<String>) {
        self.lines.push(Line { level: Level::Danger, text: text.into() });
    }

    /// A value under a name, for programs only: the text says it in its own words.
    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.insert(name, value.into());
    }

    fn is_a_warning(&self) -> bool {
        self.all().any(|line| line.level != Level::Plain)
    }

    fn all(&self) -> impl Iterator<Item = &Line> {
        std::iter::once(&self.head).chain(&self.lines)
    }
}

impl Kind {
    fn title(self, name: Option<&str>) -> String {
        let title = match self {
            Self::Configuration => "configuration",
            Self::Environment => "environment",
            Self::Listener => "listener",
            Self::Client => "client",
            Self::Route => "route",
            Self::Key => "key",
            Self::Admin => "admin",
            Self::Audit => "audit",
            Self::Rates => "rates",
            Self::Trace => "trace",
            Self::Process => "process",
            Self::Memory => "memory that clients can have used",
            Self::Share => "share of",
            Self::Files => "files",
            Self::Posture => "posture",
            Self::Online => "online",
            Self::LeftOut => "left out",
        };
        name.map_or_else(|| title.to_owned(), |name| format!("{title} {name}"))
    }
}

/// What the JSON document has beside the members of all: `docs/reference/schemas/check.schema.json`.
#[derive(Serialize)]
struct Content<'f> {
    sections: Vec<SectionDocument<'f>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warned,
    Refused,
    Unreachable,
}

#[derive(Serialize)]
struct SectionDocument<'f> {
    kind: Kind,
    name: Option<&'f str>,
    summary: Option<&'f str>,
    details: Vec<&'f str>,
    warnings: Vec<&'f str>,
    dangers: Vec<&'f str>,
    facts: &'f BTreeMap<&'static str, String>,
}

impl<'f> SectionDocument<'f> {
    fn of(section: &'f Section) -> Self {
        fn at<'l>(lines: impl Iterator<Item = &'l Line>, level: Level) -> Vec<&'l str> {
            lines.filter(|line| line.level == level).map(|line| line.text.as_str()).collect()
        }
        Self {
            kind: section.kind,
            name: section.name.as_deref(),
            summary: (section.head.level == Level::Plain).then_some(section.head.text.as_str()),
            details: at(section.lines.iter(), Level::Plain),
            warnings: at(section.all(), Level::Warning),
            dangers: at(section.all(), Level::Danger),
            facts: &section.facts,
        }
    }
}
