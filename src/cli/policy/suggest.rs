//! `countersign policy suggest`: prints the least rules that allow what was recorded, and how they differ from those in
//! force.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::explain::mode;
use super::learning::{Learnt, PassedOver, ReadRecord, learn};
use crate::app::build::clients::clients;
use crate::authorize::{Client, Comparison, Excess, Standing, SuggestedCall, Suggestion, compare};
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::format::{Format, FormatOption, Outcome, print_json};
use crate::cli::live;
use crate::cli::output::{print, printable};

const HEADING: &str = "# From what was recorded: the least that allows it. Append it to the configuration, take \
                       broader `allow`\n\
                       # lines of these clients out, and end record mode with mode = \"enforce\".\n";

/// Arguments of `countersign policy suggest`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// What was recorded: the audit's file, one JSON object on each line. Several, or the option several times, where
    /// there are several: those of all replicas, and those that were rotated
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    record: Vec<PathBuf>,
    #[command(flatten)]
    output: FormatOption,
}

/// What is printed.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// The records that were read.
    records: Vec<ReadRecord>,
    /// Lines that no rule is suggested for, by the reason.
    passed_over: PassedOver,
    /// The clients of the configuration that no record has a call of.
    unseen_clients: Vec<String>,
    /// A suggestion for each client that was seen.
    clients: Vec<OfClient>,
}

#[derive(Debug, Serialize)]
struct OfClient {
    client: String,
    /// What happens today to calls that the rules refuse.
    mode: &'static str,
    /// The rule, to be appended to the configuration.
    rule: String,
    calls: Vec<Call>,
    /// What the rules in force allow beyond the rule: it can be taken out once the rule is in.
    excess: Vec<Beyond>,
}

#[derive(Debug, Serialize)]
struct Call {
    route: String,
    action: String,
    count: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    parameters: Vec<String>,
    other_spelling: Option<String>,
    today: Today,
    /// The rule in force that allows or denies it, or depends on its parameters.
    today_by: Option<String>,
}

/// What the rules in force say of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Today {
    Allowed,
    Conditional,
    NotAllowed,
    Denied,
}

#[derive(Debug, Serialize)]
struct Beyond {
    rule: String,
    pattern: String,
    needed_for: Vec<String>,
}

/// Runs the command: prints rules on standard output, and on standard error what they do not cover.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut report = Report::default();
    let ended = suggest(arguments, &mut report);
    match arguments.output.format {
        Format::Text if report.clients.is_empty() => {}
        Format::Text => print(report.text().as_bytes())?,
        Format::Json => print_json(Outcome::of(&ended), &report, &ended),
    }
    ended
}

fn suggest(arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    let settings = live::settings(&arguments.config)?;
    let Learnt { observed, passed_over, records } = learn(&arguments.record, &settings)?;
    passed_over.note();
    let (clients, suggestions) = (clients(&settings, None), observed.suggestions());
    let is_seen = |client: &&Client| suggestions.iter().any(|suggestion| suggestion.client == client.name);
    let unseen = clients.iter().filter(|client| !is_seen(client)).map(|client| client.name.clone());
    *report = Report {
        records,
        passed_over,
        unseen_clients: unseen.collect(),
        clients: suggestions
            .iter()
            .filter_map(|suggestion| Some(OfClient::of(suggestion, clients.named(&suggestion.client)?)))
            .collect(),
    };
    if report.clients.is_empty() {
        return Err(Failure::new(ExitCode::Negative, "nothing was recorded that a rule could be suggested for"));
    }
    if !report.unseen_clients.is_empty() {
        let unseen = report.unseen_clients.join(", ");
        let _standard_error_may_be_closed =
            writeln!(io::stderr(), "countersign: nothing was recorded of {unseen}, and nothing is suggested for them");
    }
    Ok(())
}

impl Report {
    /// The rules as TOML. What they are from, and how they differ from those in force, is in comments.
    fn text(&self) -> String {
        let mut text = String::from("#\n");
        for ReadRecord { file, lines, from, to } in &self.records {
            // whoever names a file must not write a rule
            let _infallible = write!(text, "# {}: {lines} decisions", printable(file));
            if let (Some(from), Some(to)) = (from, to) {
                let _infallible = write!(text, ", from {from} to {to}");
            }
            text.push('\n');
        }
        let rules: Vec<String> = self.clients.iter().map(OfClient::text).collect();
        format!("{HEADING}{text}{}", rules.join("\n"))
    }
}

impl OfClient {
    fn of(suggestion: &Suggestion, client: &Client) -> Self {
        let Comparison { standings, excess } = compare(suggestion, client);
        let calls = suggestion.calls.iter().zip(standings).map(|(call, standing)| Call::of(call, standing));
        let beyond = |Excess { rule, pattern, needed_for }| Beyond { rule: rule.to_string(), pattern, needed_for };
        Self {
            client: client.name.clone(),
            mode: mode(client.mode),
            rule: suggestion.to_string(),
            calls: calls.collect(),
            excess: excess.into_iter().map(beyond).collect(),
        }
    }

    /// The rule, and below it the differences: `+` what it allows newly, `=` what is allowed already, `?` what depends
    /// on parameters, `!` what stays denied, `-` what can be taken out.
    fn text(&self) -> String {
        let mut text = self.rule.clone();
        let _infallible = writeln!(text, "# compared with the rules of {} in force (mode {}):", self.client, self.mode);
        for Call { route, action, today, today_by, .. } in &self.calls {
            let by = today_by.as_deref().unwrap_or_default();
            let (sign, standing) = match today {
                Today::Allowed => ('=', format!("allowed by {by}")),
                Today::Conditional => ('?', format!("{by} decides, by the call's parameters")),
                Today::NotAllowed => ('+', "no rule allows it".to_owned()),
                Today::Denied => ('!', format!("denied by {by}, whatever allows it")),
            };
            let _infallible = writeln!(text, "# {sign} {route}:{action}: {standing}");
        }
        for Beyond { rule, pattern, needed_for } in &self.excess {
            let needed = if needed_for.is_empty() {
                "nothing recorded needs it".to_owned()
            } else {
                format!("of what it allows, only {} was recorded", needed_for.join(", "))
            };
            let _infallible = writeln!(text, "# - {rule} {pattern}: {needed}");
        }
        text
    }
}

impl Call {
    fn of(call: &SuggestedCall, standing: Standing) -> Self {
        let SuggestedCall { route, action, count, first_seen, last_seen, parameters, other_spelling } = call.clone();
        let (today, rule) = match standing {
            Standing::Allowed(rule) => (Today::Allowed, Some(rule)),
            Standing::Conditional(rule) => (Today::Conditional, Some(rule)),
            Standing::NotAllowed => (Today::NotAllowed, None),
            Standing::Denied(rule) => (Today::Denied, Some(rule)),
        };
        let [first_seen, last_seen] = [first_seen, last_seen].map(|time| time.map(|time| time.to_string()));
        let today_by = rule.map(|rule| rule.to_string());
        Self { route, action, count, first_seen, last_seen, parameters, other_spelling, today, today_by }
    }
}
