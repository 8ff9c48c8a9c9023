//! `countersign policy explain`: whether a call would be allowed, and which rule decides.

use clap::Args;
use serde::Serialize;

use super::decided::{Decided, Decision, Why, form, route, unknown};
use crate::app::build::clients::clients;
use crate::authorize::{Client, Mode, RouteView};
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::format::{Format, FormatOption, Outcome, print_json};
use crate::cli::live;
use crate::cli::output::print_line;
use crate::config::settings::{Listener, Route, Settings};
use crate::query::FormError;

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
    #[command(flatten)]
    output: FormatOption,
}

/// What is printed. Members are null as far as the command did not get.
#[derive(Debug, Default, Serialize)]
struct Explanation {
    client: Option<String>,
    /// The file of `conf.d/` that the client is in.
    client_tenant: Option<String>,
    route: Option<String>,
    /// The file of `conf.d/` that the route is in.
    route_tenant: Option<String>,
    /// The listeners on which the client does not see the route.
    hidden_by: Vec<String>,
    action: Option<String>,
    /// What happens today to a call that the rules refuse.
    mode: Option<&'static str>,
    decision: Option<Decision>,
    why: Option<Why>,
    /// The rule that decided or, where none did, the one that the reason names.
    rule: Option<String>,
    rule_text: Option<String>,
    reason: Option<String>,
}

/// Runs the command. The rules decide whatever the client's mode is: the result is the one that holds once they are
/// enforced.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut explanation = Explanation::default();
    let ended = explain(arguments, &mut explanation);
    match arguments.output.format {
        Format::Text => explanation.print(),
        Format::Json => print_json(Outcome::of(&ended), &explanation, &ended),
    }
    ended
}

fn explain(arguments: &Arguments, explanation: &mut Explanation) -> Result<(), Failure> {
    let settings = live::settings(&arguments.config)?;
    let route = route(&settings, arguments.route.as_deref(), "--route")?;
    let clients = clients(&settings, None);
    let client = clients.named(&arguments.client).ok_or_else(|| {
        let known: Vec<&str> = clients.iter().map(|client| client.name.as_str()).collect();
        unknown("client", &arguments.client, &known)
    })?;
    let parameters = arguments.parameters.iter().map(|parameter| {
        parameter.split_once('=').ok_or_else(|| {
            Failure::new(ExitCode::Data, format!("{parameter:?} is not a parameter: write it as NAME=VALUE"))
        })
    });
    let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
    let form = form(route.profile.signing.dialect().vocabulary(), &arguments.action, parameters);
    let decided = match Decided::of(client, route, form.as_bytes()) {
        Ok(decided) => decided,
        Err(error) if is_of_names(&error) => Decided::refused(&error),
        Err(error) => return Err(Failure::because(ExitCode::Data, &error)),
    };
    let (decision, why) = (decided.decision, decided.why);
    *explanation = Explanation {
        client: Some(client.name.clone()),
        client_tenant: client.tenant.clone(),
        route: Some(route.name.to_string()),
        route_tenant: route.tenant.as_ref().map(ToString::to_string),
        hidden_by: hidden_by(&settings, client, route),
        action: Some(arguments.action.escape_default().to_string()),
        mode: Some(mode(client.mode)),
        decision: Some(decided.decision),
        why: Some(decided.why),
        rule: decided.rule,
        rule_text: decided.rule_text,
        reason: Some(decided.reason),
    };
    let message = match (decision, why, client.mode) {
        (Decision::Allow, _, _) => return Ok(()),
        (Decision::Deny, Why::Form, _) => "the call would be refused, whoever makes it",
        (Decision::Deny, _, Mode::Enforce) => "the call would be refused",
        (Decision::Deny, _, Mode::Record) => {
            "the call would be refused if this client were not in record mode; as it is, it passes"
        }
    };
    Err(Failure::new(ExitCode::Negative, message))
}

impl Explanation {
    fn print(&self) {
        let Self { route: Some(route), action: Some(action), decision: Some(decision), reason: Some(reason), .. } =
            self
        else {
            return;
        };
        print_line!("{} {route}:{action}: {reason}", decision.as_str());
        for (what, tenant) in [("client", &self.client_tenant), ("route", &self.route_tenant)] {
            if let Some(tenant) = tenant {
                print_line!("the {what} belongs to tenant {tenant}: conf.d/{tenant}.toml");
            }
        }
        for listener in &self.hidden_by {
            print_line!(
                "listener {listener} hides the route from this client: its calls there are answered with 404, like \
                 those of a route that does not exist"
            );
        }
    }
}

/// The listeners that serve the route and hide it from the client.
fn hidden_by(settings: &Settings, client: &Client, route: &Route) -> Vec<String> {
    let hides = |listener: &&Listener| listener.view == RouteView::Own && listener.routes.include(&route.name);
    match client.seen.include(route.name.as_str()) {
        true => Vec::new(),
        false => settings.listeners.iter().filter(hides).map(|listener| listener.name.to_string()).collect(),
    }
}

/// The word of the configuration.
pub(super) fn mode(mode: Mode) -> &'static str {
    Mode::WORDS.into_iter().find(|(_, other)| *other == mode).map_or("", |(word, _)| word)
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
