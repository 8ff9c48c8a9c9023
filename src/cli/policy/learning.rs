//! Reads what was recorded, of one process or of all replicas: the audits' files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::record::{RecordLine, RecordedDecision};
use crate::authorize::ObservedCalls;
use crate::cli::exit::{ExitCode, Failure};
use crate::config::settings::Settings;
use crate::query::Action;

/// The longest line that is read, in bytes: enough for a call with the most parameters that a form may have.
const LONGEST_LINE: u64 = 1 << 20;

/// What was learnt from all records.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    pub(super) observed: ObservedCalls,
    pub(super) passed_over: PassedOver,
    pub(super) records: Vec<ReadRecord>,
}

/// A record that was read.
#[derive(Debug, Serialize)]
pub(super) struct ReadRecord {
    pub(super) file: String,
    /// The decisions in it.
    pub(super) lines: u64,
    /// The times of its first and its last decision.
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
}

/// How many lines no rule is suggested for, by the reason.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct PassedOver {
    /// They were refused.
    denied: u64,
    /// They came from listeners with `any_local = true`.
    nameless: u64,
    /// Their client or route is not in the configuration.
    foreign: u64,
    /// They were refused before it came to a decision.
    undecided: u64,
    /// They were of more kinds than are remembered.
    dropped: u64,
}

/// Reads every record. A file that is named twice is read once: its calls were made once.
///
/// # Errors
/// 65: a record cannot be read, or has a line that is none of the audit.
pub(super) fn learn(paths: &[PathBuf], settings: &Settings) -> Result<Learnt, Failure> {
    let (mut learnt, mut seen) = (Learnt::default(), BTreeSet::new());
    for path in paths {
        let cannot = |error: &io::Error| cannot_read(path, error);
        let file = File::open(path).map_err(|error| cannot(&error))?;
        let metadata = file.metadata().map_err(|error| cannot(&error))?;
        // a pipe has an inode of its own each time
        if seen.insert((metadata.dev(), metadata.ino())) {
            learnt.read(path, file, settings)?;
        }
    }
    learnt.passed_over.dropped = learnt.observed.dropped();
    Ok(learnt)
}

impl Learnt {
    fn read(&mut self, path: &Path, file: File, settings: &Settings) -> Result<(), Failure> {
        let mut reader = BufReader::new(file);
        let (mut line, mut lines) = (Vec::new(), 0_u64);
        let (mut from, mut to): (Option<Timestamp>, Option<Timestamp>) = (None, None);
        for number in 1_u64.. {
            line.clear();
            let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            if read.map_err(|error| cannot_read(path, &error))? == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            // serde_json's own message gives the column; the line itself is not repeated, whatever it may hold
            let record: RecordLine = serde_json::from_slice(&line).map_err(|error| {
                let column = error.column();
                let message = format!("{}:{number}:{column}: is not a line of the audit", path.display());
                Failure::new(ExitCode::Data, message)
            })?;
            lines = lines.saturating_add(1);
            let at = record.time();
            from = [from, at].into_iter().flatten().min();
            to = to.max(at);
            self.take(&record, at, settings);
        }
        let [from, to] = [from, to].map(|time| time.map(|time| time.to_string()));
        self.records.push(ReadRecord { file: path.display().to_string(), lines, from, to });
        Ok(())
    }

    fn take(&mut self, record: &RecordLine, at: Option<Timestamp>, settings: &Settings) {
        let passed = match record.decision {
            None => &mut self.passed_over.undecided,
            Some(RecordedDecision::Deny) => &mut self.passed_over.denied,
            Some(RecordedDecision::AnyLocal) => &mut self.passed_over.nameless,
            Some(RecordedDecision::Allow | RecordedDecision::Recorded) => {
                // only names of this configuration are printed: the file may hold anything
                let client =
                    settings.clients.iter().find(|known| Some(known.name.as_str()) == record.client.as_deref());
                let route = settings.routes.iter().find(|known| Some(known.name.as_str()) == record.route.as_deref());
                let action = record.action.as_deref().and_then(Action::parse);
                if let (Some(client), Some(route), Some(action)) = (client, route, action) {
                    let parameters = record.parameters.iter().map(String::as_str);
                    let names = route.profile.signing.dialect().vocabulary();
                    self.observed.add(client.name.as_str(), route.name.as_str(), names, &action, parameters, at);
                    return;
                }
                &mut self.passed_over.foreign
            }
        };
        *passed = passed.saturating_add(1);
    }
}

impl PassedOver {
    /// Says on standard error what no rule is suggested for.
    pub(super) fn note(&self) {
        let notes = [
            (self.denied, "calls were refused, and nothing is suggested for them"),
            (self.nameless, "calls came from listeners with `any_local = true`, where no client has a name"),
            (self.foreign, "calls were of clients or routes that this configuration does not have"),
            (self.undecided, "requests were refused before it came to a decision"),
            (self.dropped, "calls were of more kinds than are remembered"),
        ];
        for (count, note) in notes.into_iter().filter(|(count, _)| *count > 0) {
            let _standard_error_may_be_closed = writeln!(io::stderr(), "countersign: {count} {note}");
        }
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::new(ExitCode::Data, format!("{}: cannot be read: {error}", path.display()))
}
