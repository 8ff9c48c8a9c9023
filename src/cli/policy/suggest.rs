//! `countersign policy suggest`: prints the least rules that allow what was recorded.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::record::{RecordLine, RecordedDecision};
use crate::authorize::ObservedCalls;
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::live;
use crate::cli::output::print;
use crate::config::settings::Settings;
use crate::query::Action;

/// The longest line that is read, in bytes: enough for a call with the most parameters that a form may have.
const LONGEST_LINE: u64 = 1 << 20;

/// Arguments of `countersign policy suggest`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// What was recorded: the audit's file, one JSON object on each line
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
}

/// How many lines no rule is suggested for, by the reason.
#[derive(Debug, Default)]
struct PassedOver {
    denied: u64,
    nameless: u64,
    foreign: u64,
    undecided: u64,
}

/// Runs the command: prints rules on standard output, and on standard error what they do not cover.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = live::settings(&arguments.config)?;
    let (observed, passed_over) = learn(&arguments.record, &settings)?;
    let notes = [
        (passed_over.denied, "calls were refused, and nothing is suggested for them"),
        (passed_over.nameless, "calls came from listeners with `any_local = true`, where no client has a name"),
        (passed_over.foreign, "calls were of clients or routes that this configuration does not have"),
        (passed_over.undecided, "requests were refused before it came to a decision"),
        (observed.dropped(), "calls were of more kinds than are remembered"),
    ];
    for (count, note) in notes.into_iter().filter(|(count, _)| *count > 0) {
        let _standard_error_may_be_closed = writeln!(io::stderr(), "countersign: {count} {note}");
    }
    if observed.is_empty() {
        return Err(Failure::new(ExitCode::Negative, "nothing was recorded that a rule could be suggested for"));
    }
    let heading = "# From what was recorded: the least that allows it. Append it to the configuration, take broader \
        `allow`\n\
                   # lines of these clients out, and end record mode with mode = \"enforce\".\n";
    print(format!("{heading}{}", observed.suggest_rules()).as_bytes())
}

fn learn(path: &Path, settings: &Settings) -> Result<(ObservedCalls, PassedOver), Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::new(ExitCode::Data, format!("{}: cannot be read: {error}", path.display()))
    };
    let mut reader = BufReader::new(File::open(path).map_err(|error| cannot(&error))?);
    let (mut observed, mut passed_over) = (ObservedCalls::default(), PassedOver::default());
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| cannot(&error))?;
        if read == 0 {
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
        take(&record, settings, &mut observed, &mut passed_over);
    }
    Ok((observed, passed_over))
}

fn take(record: &RecordLine, settings: &Settings, observed: &mut ObservedCalls, passed_over: &mut PassedOver) {
    let passed = match record.decision {
        None => &mut passed_over.undecided,
        Some(RecordedDecision::Deny) => &mut passed_over.denied,
        Some(RecordedDecision::AnyLocal) => &mut passed_over.nameless,
        Some(RecordedDecision::Allow | RecordedDecision::Recorded) => {
            // only names of this configuration are printed: the file may hold anything
            let client = settings.clients.iter().find(|known| Some(known.name.as_str()) == record.client.as_deref());
            let route = settings.routes.iter().find(|known| Some(known.name.as_str()) == record.route.as_deref());
            let action = record.action.as_deref().and_then(Action::parse);
            if let (Some(client), Some(route), Some(action)) = (client, route, action) {
                let parameters = record.parameters.iter().map(String::as_str);
                let names = route.profile.signing.dialect().vocabulary();
                observed.add(client.name.as_str(), route.name.as_str(), names, &action, parameters);
                return;
            }
            &mut passed_over.foreign
        }
    };
    *passed = passed.saturating_add(1);
}
