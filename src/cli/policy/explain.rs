//! `countersign policy explain`: whether a call would be allowed, and which rule decides.

use std::fmt::Write as _;

use clap::Args;

use crate::app::build::clients::clients;
use crate::authorize::{Client, Misspelled, Mode, RuleId, Spelling, Verdict};
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::live;
use crate::cli::output::print_line;
use crate::config::settings::{Route, Settings};
use crate::query::{Action, FormError, FormLimits, QueryForm, Reader, Vocabulary, percent};

/// Arguments of `countersign policy explain`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The client, a NAME of `[client.NAME]`
    #[arg(long, value_name = "NAME")]
    client: String,
    /// The route, a NAME of `[route.NAME]`; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// The Action, or what the route's dialect has in its place: a `command` of CloudStack
    #[arg(long)]
    action: String,
    /// Parameters of the call
    #[arg(value_name = "PARAMETER=VALUE")]
    parameters: Vec<String>,
}

/// Runs the command. The rules decide whatever the client's mode is: the result is the one that holds once they are
/// enforced.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = live::settings(&arguments.config)?;
    let route = route(&settings, arguments.route.as_deref())?;
    let clients = clients(&settings, None);
    let client = clients.named(&arguments.client).ok_or_else(|| {
        let known: Vec<&str> = clients.iter().map(|client| client.name.as_str()).collect();
        unknown("client", &arguments.client, &known)
    })?;
    let names = route.profile.signing.dialect().vocabulary();
    let route = route.name.as_str();
    let body = body(arguments, names)?;
    let form = match QueryForm::parse_as(names, Reader::Policy, body.as_bytes(), FormLimits::UNLIMITED) {
        Ok(form) => form,
        Err(error) if is_of_names(&error) => {
            print_line!("deny {route}:{}: the form is refused: {error}", arguments.action.escape_default());
            return Err(Failure::new(ExitCode::Negative, "the call would be refused, whoever makes it"));
        }
        Err(error) => return Err(Failure::because(ExitCode::Data, &error)),
    };
    let verdict = client.judge(route, &form);
    print_line!("{}", decision(&verdict, client, route, form.action()));
    if matches!(verdict, Verdict::Allow(_)) {
        return Ok(());
    }
    let message = match client.mode {
        Mode::Enforce => "the call would be refused",
        Mode::Record => "the call would be refused if this client were not in record mode; as it is, it passes",
    };
    Err(Failure::new(ExitCode::Negative, message))
}

/// Whether a form is refused for the names of its parameters. Any other form is one that this command was not meant to
/// be given.
const fn is_of_names(error: &FormError) -> bool {
    match error {
        FormError::Duplicate(_)
        | FormError::Alike { .. }
        | FormError::UnprintableName { .. }
        | FormError::OtherCharacter { .. }
        | FormError::EmptyName
        | FormError::LongName { .. }
        | FormError::Disguised { .. }
        | FormError::Unsigned(_) => true,
        FormError::BadEscape { .. }
        | FormError::LineBreak { .. }
        | FormError::OtherCharset
        | FormError::NotUtf8
        | FormError::TooMany { .. }
        | FormError::ControlCharacter(_)
        | FormError::MissingAction(_)
        | FormError::InvalidAction(_) => false,
    }
}

/// The decision, the rule that made it, and the spelling that it depends on, as one line.
fn decision(verdict: &Verdict, client: &Client, route: &str, action: &Action) -> String {
    let (call, name) = (format!("{route}:{action}"), &client.name);
    let rule = |id: RuleId| client.rules.iter().find(|rule| rule.id == id);
    let shown = |id: RuleId| rule(id).map(ToString::to_string).unwrap_or_default();
    let is_as_written = |id: RuleId| {
        rule(id).is_some_and(|rule| rule.patterns.iter().any(|one| one.matches(route, action, Spelling::Exact)))
    };
    match verdict {
        Verdict::Allow(id) => format!("allow {call}: {id} of client {name}: {}", shown(*id)),
        Verdict::Deny(id) if is_as_written(*id) => format!("deny {call}: {id} of client {name}: {}", shown(*id)),
        Verdict::Deny(id) => {
            format!("deny {call}: {id} of client {name} denies every spelling of the Action: {}", shown(*id))
        }
        Verdict::NoRule => format!("deny {call}: no rule of client {name} allows it"),
        Verdict::OtherSpelling(id) => format!(
            "deny {call}: no rule of client {name} allows it; {id} allows another spelling of the Action: {}",
            shown(*id)
        ),
        Verdict::Misspelled(Misspelled { rule: id, parameter, asked }) => format!(
            "deny {call}: parameter {parameter} could be taken for {asked}, which {id} of client {name} asks about: {}",
            shown(*id)
        ),
    }
}

fn route<'s>(settings: &'s Settings, wanted: Option<&str>) -> Result<&'s Route, Failure> {
    let known = || -> Vec<&str> { settings.routes.iter().map(|route| route.name.as_str()).collect() };
    match (wanted, settings.routes.as_slice()) {
        (Some(wanted), routes) => {
            let named = routes.iter().find(|route| route.name.as_str() == wanted);
            named.ok_or_else(|| unknown("route", wanted, &known()))
        }
        (None, [only]) => Ok(only),
        (None, _) => Err(Failure::new(
            ExitCode::Data,
            format!("there are several routes: name one of {} with --route", known().join(", ")),
        )),
    }
}

fn unknown(what: &str, wanted: &str, known: &[&str]) -> Failure {
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there are {}", known.join(", ")) };
    Failure::new(ExitCode::Data, format!("{wanted:?} names no {what} of the configuration: {known}"))
}

/// The call as a client would send it, so that it is parsed like a client's.
fn body(arguments: &Arguments, names: &Vocabulary) -> Result<String, Failure> {
    let mut body = format!("{}={}", names.operation, percent::encode(&arguments.action));
    for parameter in &arguments.parameters {
        let (name, value) = parameter.split_once('=').ok_or_else(|| {
            Failure::new(ExitCode::Data, format!("{parameter:?} is not a parameter: write it as NAME=VALUE"))
        })?;
        let _infallible = write!(body, "&{}={}", percent::encode(name), percent::encode(value));
    }
    Ok(body)
}
