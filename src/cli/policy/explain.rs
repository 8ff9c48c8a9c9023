//! `countersign policy explain`: whether a call would be allowed, and which rule decides.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::app::build::clients::clients;
use crate::authorize::{Mode, RuleId, Verdict};
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::live;
use crate::cli::output::print_line;
use crate::config::settings::Settings;
use crate::query::{FormLimits, QueryForm, percent};

/// Arguments of `countersign policy explain`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration file; without it, `COUNTERSIGN__...` variables alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The client, a NAME of `[client.NAME]`
    #[arg(long, value_name = "NAME")]
    client: String,
    /// The route, a NAME of `[route.NAME]`; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// The Action
    #[arg(long)]
    action: String,
    /// Parameters of the call
    #[arg(value_name = "PARAMETER=VALUE")]
    parameters: Vec<String>,
}

/// Runs the command. The rules decide whatever the client's mode is: the result is the one that holds once they are
/// enforced.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = live::settings(arguments.config.as_deref())?;
    let route = route(&settings, arguments.route.as_deref())?;
    let clients = clients(&settings, None);
    let client = clients.named(&arguments.client).ok_or_else(|| {
        let known: Vec<&str> = clients.iter().map(|client| client.name.as_str()).collect();
        unknown("client", &arguments.client, &known)
    })?;
    let body = body(arguments)?;
    let form = QueryForm::parse(body.as_bytes(), FormLimits::UNLIMITED)
        .map_err(|error| Failure::because(ExitCode::Data, &error))?;
    let call = format!("{route}:{}", form.action());
    let of = |id: RuleId| client.rules.iter().find(|rule| rule.id == id).map(ToString::to_string).unwrap_or_default();
    let verdict = client.judge(route, &form);
    match verdict {
        Verdict::Allow(id) => print_line!("allow {call}: {id} of client {}: {}", client.name, of(id)),
        Verdict::Deny(id) => print_line!("deny {call}: {id} of client {}: {}", client.name, of(id)),
        Verdict::NoRule => print_line!("deny {call}: no rule of client {} allows it", client.name),
    }
    match verdict {
        Verdict::Allow(_) => Ok(()),
        Verdict::Deny(_) | Verdict::NoRule => {
            let message = match client.mode {
                Mode::Enforce => "the call would be refused",
                Mode::Record => "the call would be refused if this client were not in record mode; as it is, it passes",
            };
            Err(Failure::new(ExitCode::Negative, message))
        }
    }
}

fn route<'s>(settings: &'s Settings, wanted: Option<&'s str>) -> Result<&'s str, Failure> {
    let known: Vec<&str> = settings.routes.iter().map(|route| route.name.as_str()).collect();
    match (wanted, known.as_slice()) {
        (Some(wanted), known) if known.contains(&wanted) => Ok(wanted),
        (Some(wanted), known) => Err(unknown("route", wanted, known)),
        (None, [only]) => Ok(only),
        (None, known) => Err(Failure::new(
            ExitCode::Data,
            format!("there are several routes: name one of {} with --route", known.join(", ")),
        )),
    }
}

fn unknown(what: &str, wanted: &str, known: &[&str]) -> Failure {
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there are {}", known.join(", ")) };
    Failure::new(ExitCode::Data, format!("{wanted:?} names no {what} of the configuration: {known}"))
}

/// The call as a client would send it, so that it is parsed like a client's.
fn body(arguments: &Arguments) -> Result<String, Failure> {
    let mut body = format!("Action={}", percent::encode(&arguments.action));
    for parameter in &arguments.parameters {
        let (name, value) = parameter.split_once('=').ok_or_else(|| {
            Failure::new(ExitCode::Data, format!("{parameter:?} is not a parameter: write it as NAME=VALUE"))
        })?;
        let _infallible = write!(body, "&{}={}", percent::encode(name), percent::encode(value));
    }
    Ok(body)
}
