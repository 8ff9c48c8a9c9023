//! What the rules of a client decide on one call, for `policy explain` and `policy test`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::authorize::{Client, Misspelled, RuleId, Spelling, Verdict};
use crate::cli::exit::{ExitCode, Failure};
use crate::config::settings::{Route, Settings};
use crate::query::{Action, FormError, FormLimits, QueryForm, Reader, Vocabulary, percent};

/// Whether a call passes once the rules are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decision {
    Allow,
    Deny,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// A rule that applies to the call.
    Rule,
    /// No rule applies to it.
    NoRule,
    /// A rule would allow another spelling of the Action.
    OtherSpelling,
    /// A parameter could be taken for one that a rule asks about.
    OtherParameter,
    /// The form is refused, whoever sends it.
    Form,
}

/// A decision and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Decided {
    pub(super) decision: Decision,
    pub(super) why: Why,
    /// The rule that decided or, where none did, the one that the reason names: `allow[1]`.
    pub(super) rule: Option<String>,
    /// Its patterns and conditions.
    pub(super) rule_text: Option<String>,
    /// The reason in words. It names parameters and has none of their values.
    pub(super) reason: String,
}

impl Decision {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl Decided {
    /// What the rules of `client` decide on a form that it sends to `route`, whatever its mode is.
    ///
    /// # Errors
    /// The form is refused before any rule is asked. [`Self::refused`] makes a decision of it.
    pub(super) fn of(client: &Client, route: &Route, form: &[u8]) -> Result<Self, FormError> {
        let names = route.profile.signing.dialect().vocabulary();
        let form = QueryForm::parse_as(names, Reader::Policy, form, FormLimits::UNLIMITED)?;
        let route = route.name.as_str();
        let verdict = client.judge(route, &form);
        let (decision, why, id) = match &verdict {
            Verdict::Allow(id) => (Decision::Allow, Why::Rule, Some(*id)),
            Verdict::Deny(id) => (Decision::Deny, Why::Rule, Some(*id)),
            Verdict::NoRule => (Decision::Deny, Why::NoRule, None),
            Verdict::OtherSpelling(id) => (Decision::Deny, Why::OtherSpelling, Some(*id)),
            Verdict::Misspelled(Misspelled { rule, .. }) => (Decision::Deny, Why::OtherParameter, Some(*rule)),
        };
        Ok(Self {
            decision,
            why,
            rule: id.map(|id| id.to_string()),
            rule_text: id.map(|id| shown(client, id)),
            reason: reason(&verdict, client, route, form.action()),
        })
    }

    /// The decision on a form that is refused, whoever sends it.
    pub(super) fn refused(error: &FormError) -> Self {
        let reason = format!("the form is refused: {error}");
        Self { decision: Decision::Deny, why: Why::Form, rule: None, rule_text: None, reason }
    }
}

fn shown(client: &Client, id: RuleId) -> String {
    client.rules.iter().find(|rule| rule.id == id).map(ToString::to_string).unwrap_or_default()
}

/// The rule that decided, and the spelling that it depends on.
fn reason(verdict: &Verdict, client: &Client, route: &str, action: &Action) -> String {
    let name = &client.name;
    let shown = |id: RuleId| shown(client, id);
    let is_as_written = |id: RuleId| {
        let rule = client.rules.iter().find(|rule| rule.id == id);
        rule.is_some_and(|rule| rule.patterns.iter().any(|one| one.matches(route, action, Spelling::Exact)))
    };
    match verdict {
        Verdict::Allow(id) => format!("{id} of client {name}: {}", shown(*id)),
        Verdict::Deny(id) if is_as_written(*id) => format!("{id} of client {name}: {}", shown(*id)),
        Verdict::Deny(id) => format!("{id} of client {name} denies every spelling of the Action: {}", shown(*id)),
        Verdict::NoRule => format!("no rule of client {name} allows it"),
        Verdict::OtherSpelling(id) => {
            format!("no rule of client {name} allows it; {id} allows another spelling of the Action: {}", shown(*id))
        }
        Verdict::Misspelled(Misspelled { rule: id, parameter, asked }) => format!(
            "parameter {parameter} could be taken for {asked}, which {id} of client {name} asks about: {}",
            shown(*id)
        ),
    }
}

/// The call as a client would send it, so that it is parsed like a client's.
pub(super) fn form<'p>(
    names: &Vocabulary,
    action: &str,
    parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
) -> String {
    let mut form = format!("{}={}", names.operation, percent::encode(action));
    for (name, value) in parameters {
        let _infallible = write!(form, "&{}={}", percent::encode(name), percent::encode(value));
    }
    form
}

/// The route called `wanted`, or the only one.
pub(super) fn route<'s>(settings: &'s Settings, wanted: Option<&str>, naming: &str) -> Result<&'s Route, Failure> {
    let known = || -> Vec<&str> { settings.routes.iter().map(|route| route.name.as_str()).collect() };
    match (wanted, settings.routes.as_slice()) {
        (Some(wanted), routes) => {
            let named = routes.iter().find(|route| route.name.as_str() == wanted);
            named.ok_or_else(|| unknown("route", wanted, &known()))
        }
        (None, [only]) => Ok(only),
        (None, _) => Err(Failure::new(
            ExitCode::Data,
            format!("there are several routes: name one of {} with {naming}", known().join(", ")),
        )),
    }
}

pub(super) fn unknown(what: &str, wanted: &str, known: &[&str]) -> Failure {
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there are {}", known.join(", ")) };
    Failure::new(ExitCode::Data, format!("{wanted:?} names no {what} of the configuration: {known}"))
}
