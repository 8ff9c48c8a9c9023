//! `countersign policy test`: whether the rules decide a table of calls as expected.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::decided::{Decided, Decision, Why, form, route, unknown};
use super::expectations::{self, Called, Expectation};
use crate::app::build::clients::clients;
use crate::authorize::Clients;
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::format::{Format, FormatOption, Outcome, print_json};
use crate::cli::live;
use crate::cli::output::print_line;
use crate::config::settings::Settings;
use crate::query::{Action, Vocabulary};

/// Arguments of `countersign policy test`.
#[derive(Debug, Args)]
#[command(after_help = "\
The table is TOML: a [[call]] for each call, with `client`, `action`, `expect` (\"allow\" or \"deny\") and, as needed, \
`route`, `parameters`, the `rule` that is to decide, and a `note`. `form` in place of `action` and `parameters` is the \
form as a client sends it.

Exit code 0: every call is decided as expected; 1: not every one; 65: the table cannot be used.")]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The table of calls
    #[arg(value_name = "FILE")]
    table: PathBuf,
    #[command(flatten)]
    output: FormatOption,
}

/// What is printed.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// The table.
    file: String,
    calls: Vec<Tested>,
    /// How many calls are decided as expected.
    as_expected: usize,
    /// How many are not.
    otherwise: usize,
    /// The rules that no call of the table was decided by. A table that is to protect all rules has a call for each.
    untested_rules: Vec<UntestedRule>,
}

#[derive(Debug, Serialize)]
struct Tested {
    line: usize,
    client: String,
    route: String,
    /// Null where a form asks for none.
    action: Option<String>,
    /// The names of the parameters.
    parameters: Vec<String>,
    expected: Decision,
    /// The rule that was expected, if one was.
    expected_rule: Option<String>,
    #[serde(flatten)]
    decided: Decided,
    is_as_expected: bool,
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct UntestedRule {
    client: String,
    rule: String,
    rule_text: String,
}

/// Runs the command. The rules decide whatever the modes of clients are, as with `policy explain`.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut report = Report { file: arguments.table.display().to_string(), ..Report::default() };
    let ended = test(arguments, &mut report);
    match arguments.output.format {
        Format::Text => report.print(),
        Format::Json => print_json(Outcome::of(&ended), &report, &ended),
    }
    ended
}

fn test(arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    let settings = live::settings(&arguments.config)?;
    let clients = clients(&settings, None);
    let tested = expectations::read(&arguments.table)?
        .into_iter()
        .map(|expectation| tested(expectation, &settings, &clients, &arguments.table));
    report.calls = tested.collect::<Result<_, _>>()?;
    if report.calls.is_empty() {
        return Err(Failure::new(ExitCode::Data, format!("{}: has no calls", report.file)));
    }
    report.as_expected = report.calls.iter().filter(|call| call.is_as_expected).count();
    report.otherwise = report.calls.len().saturating_sub(report.as_expected);
    report.untested_rules = untested(&clients, &report.calls);
    match (report.calls.len(), report.otherwise) {
        (_, 0) => Ok(()),
        (all, otherwise) => {
            Err(Failure::new(ExitCode::Negative, format!("{otherwise} of {all} calls are not decided as expected")))
        }
    }
}

fn tested(expectation: Expectation, settings: &Settings, clients: &Clients, table: &Path) -> Result<Tested, Failure> {
    let Expectation { line, client, route: wanted, call, expect, rule: expected_rule, note } = expectation;
    let place =
        |failure: Failure| Failure::new(failure.code, format!("{}:{line}: {}", table.display(), failure.message));
    let route = route(settings, wanted.as_deref(), "`route`").map_err(place)?;
    let client = clients.named(&client).ok_or_else(|| {
        let known: Vec<&str> = clients.iter().map(|client| client.name.as_str()).collect();
        place(unknown("client", &client, &known))
    })?;
    let names = route.profile.signing.dialect().vocabulary();
    let (form, action, parameters) = sent(names, &call);
    let decided = Decided::of(client, route, form.as_bytes()).unwrap_or_else(|error| Decided::refused(&error));
    let is_rule = expected_rule.is_none() || (decided.why == Why::Rule && decided.rule == expected_rule);
    Ok(Tested {
        line,
        client: client.name.clone(),
        route: route.name.to_string(),
        action,
        parameters,
        is_as_expected: decided.decision == expect && is_rule,
        expected: expect,
        expected_rule,
        decided,
        note,
    })
}

/// The form that is sent, its Action, and the names of its parameters.
fn sent(names: &Vocabulary, call: &Called) -> (String, Option<String>, Vec<String>) {
    match call {
        Called::Action(action, parameters) => {
            let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let shown = action.escape_default().to_string();
            (form(names, action, pairs), Some(shown), parameters.keys().map(|name| shown_name(name)).collect())
        }
        Called::Form(form) => {
            let action = Action::of_refused_form(names.operation, form.as_bytes());
            let pairs = form_urlencoded::parse(form.as_bytes());
            let others = pairs.filter(|(name, _)| *name != names.operation).map(|(name, _)| shown_name(&name));
            (form.clone(), action.map(|action| action.as_str().to_owned()), others.collect())
        }
    }
}

fn shown_name(name: &str) -> String {
    name.escape_default().to_string()
}

fn untested(clients: &Clients, calls: &[Tested]) -> Vec<UntestedRule> {
    let decided: BTreeSet<(&str, &str)> = calls
        .iter()
        .filter(|call| call.decided.why == Why::Rule)
        .filter_map(|call| Some((&*call.client, call.decided.rule.as_deref()?)))
        .collect();
    let rules = clients.iter().flat_map(|client| {
        let all = client.rules.iter().map(|rule| (rule.id.to_string(), rule.to_string()));
        all.map(|(rule, rule_text)| UntestedRule { client: client.name.clone(), rule, rule_text })
    });
    rules.filter(|rule| !decided.contains(&(&*rule.client, &*rule.rule))).collect()
}

impl Report {
    fn print(&self) {
        for call in &self.calls {
            call.print(&self.file);
        }
        for UntestedRule { client, rule, rule_text } in &self.untested_rules {
            print_line!("untested: no call is decided by {rule} of client {client}: {rule_text}");
        }
        if self.otherwise == 0 && self.as_expected > 0 {
            print_line!("{} calls, all decided as expected", self.as_expected);
        }
    }
}

impl Tested {
    fn print(&self, file: &str) {
        let Self { line, client, route, action, parameters, expected, decided, note, .. } = self;
        let action = action.as_deref().unwrap_or("(no Action)");
        let with = if parameters.is_empty() { String::new() } else { format!(" with {}", parameters.join(", ")) };
        let call = format!("{file}:{line}: {client} calls {route}:{action}{with}");
        let (decision, reason) = (decided.decision.as_str(), &decided.reason);
        if self.is_as_expected {
            print_line!("ok: {call}: {decision}");
            return;
        }
        let by = self.expected_rule.as_ref().map(|rule| format!(" by {rule}")).unwrap_or_default();
        let note = note.as_ref().map(|note| format!(" ({})", note.escape_debug())).unwrap_or_default();
        print_line!(
            "NOT AS EXPECTED: {call}: expected is {}{by}, and it is {decision}: {reason}{note}",
            expected.as_str()
        );
    }
}
