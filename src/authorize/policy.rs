//! Decides whether a client may call an Action. Only this file makes an [`Authorized`].

use thiserror::Error;

use super::client::Mode;
use super::identity::ClientIdentity;
use super::rule::{Misspelled, RuleId, Verdict};
use crate::query::QueryForm;

/// What decides on the calls of one listener. It follows from the listener's [`super::Admission`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// `any_local = true`: clients are not identified, and every local process may call every Action.
    AnyLocal,
    /// Each client may call what its rules allow, and nothing else.
    ByClient,
}

/// A form that the policy allowed. Signing needs this value, so that the form which is sent is the one which the policy
/// saw.
#[derive(Debug)]
pub struct Authorized<'a> {
    form: QueryForm<'a>,
    decision: Decision,
}

/// Why the policy allowed a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Any local process may call the listener.
    AnyLocal,
    /// This rule allows it.
    Allowed(RuleId),
    /// The client is in record mode, and its rules deny the call: this rule, or `None` because no rule allows it.
    Recorded(Option<RuleId>),
}

/// Why the policy denied a form. Rules are those of the client's own table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denied {
    /// This rule denies it.
    #[error("the rule {0} of this client denies this call")]
    ByRule(RuleId),
    /// No rule allows it.
    #[error("no rule of this client allows this call")]
    NoRule,
    /// No rule allows it, but this one allows the same Action in another spelling.
    #[error("no rule of this client allows this call; {0} allows another spelling of its Action")]
    OtherSpelling(RuleId),
    /// Another parameter may be taken for one that a rule asks about.
    #[error(transparent)]
    Misspelled(#[from] Misspelled),
    /// The kind of identity does not correspond to the kind of policy. This is a bug in countersign, and must not allow
    /// a call.
    #[error("this client may not call here")]
    WrongPolicy,
}

impl Policy {
    /// Decides on a call on the route called `route`, and passes the form on only when it is allowed.
    ///
    /// # Errors
    /// [`Denied`] says why it is not.
    pub fn authorize<'a>(
        &self,
        client: &ClientIdentity<'_>,
        route: &str,
        form: QueryForm<'a>,
    ) -> Result<Authorized<'a>, Denied> {
        let decision = match (self, client) {
            (Self::AnyLocal, ClientIdentity::AnyLocal) => Decision::AnyLocal,
            (Self::ByClient, ClientIdentity::Named { client, .. }) => match (client.judge(route, &form), client.mode) {
                (Verdict::Allow(rule), _) => Decision::Allowed(rule),
                (verdict, Mode::Record) => Decision::Recorded(verdict.rule()),
                (Verdict::Deny(rule), Mode::Enforce) => return Err(Denied::ByRule(rule)),
                (Verdict::NoRule, Mode::Enforce) => return Err(Denied::NoRule),
                (Verdict::OtherSpelling(rule), Mode::Enforce) => return Err(Denied::OtherSpelling(rule)),
                (Verdict::Misspelled(misspelled), Mode::Enforce) => return Err(misspelled.into()),
            },
            (Self::AnyLocal, ClientIdentity::Named { .. }) | (Self::ByClient, ClientIdentity::AnyLocal) => {
                return Err(Denied::WrongPolicy);
            }
        };
        Ok(Authorized { form, decision })
    }
}

impl<'a> Authorized<'a> {
    /// The form that was judged.
    #[must_use]
    pub const fn form(&self) -> &QueryForm<'a> {
        &self.form
    }

    /// Why it was allowed.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        self.decision
    }
}

impl Decision {
    /// The name in log and audit. That of a denial is [`Denied::WORD`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnyLocal => "any_local",
            Self::Allowed(_) => "allow",
            Self::Recorded(_) => "recorded",
        }
    }

    /// The rule that decided, if any.
    #[must_use]
    pub const fn rule(self) -> Option<RuleId> {
        match self {
            Self::AnyLocal => None,
            Self::Allowed(rule) => Some(rule),
            Self::Recorded(rule) => rule,
        }
    }
}

impl Denied {
    /// The name in log and audit.
    pub const WORD: &'static str = "deny";

    /// The rule that decided, if any.
    #[must_use]
    pub const fn rule(&self) -> Option<RuleId> {
        match self {
            Self::ByRule(rule) | Self::Misspelled(Misspelled { rule, .. }) => Some(*rule),
            Self::NoRule | Self::OtherSpelling(_) | Self::WrongPolicy => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Client, Identifiers};
    use super::super::condition::{Condition, Test};
    use super::super::evidence::Method;
    use super::super::pattern::{ActionPattern, RouteActionPattern, RoutePattern};
    use super::super::route_view::SeenRoutes;
    use super::super::rule::{Effect, Rule, RuleList};
    use super::*;
    use crate::query::FormLimits;

    fn rule(number: usize, effect: Effect, action: &str, conditions: Vec<Condition>) -> Rule {
        let patterns = vec![RouteActionPattern {
            route: RoutePattern::Named("ie".to_owned()),
            action: ActionPattern::parse(action).unwrap(),
        }];
        Rule { id: RuleId { list: RuleList::Rule, number }, effect, patterns, conditions, only: None }
    }

    /// May read everything, and create jobs that are only validated; may never ask for a label.
    fn client(mode: Mode) -> Client {
        let validated = Condition { parameter: "ValidateOnly".to_owned(), test: Test::Equals("true".to_owned()) };
        let rules = vec![
            rule(1, Effect::Allow, "Get*", Vec::new()),
            rule(2, Effect::Allow, "CreateJob", vec![validated]),
            rule(3, Effect::Deny, "GetShippingLabel", Vec::new()),
        ];
        let identifiers = Identifiers { uids: vec![1], ..Identifiers::default() };
        Client {
            index: 0,
            name: "a".to_owned(),
            tenant: None,
            identifiers,
            rules,
            mode,
            rate: None,
            quota: None,
            seen: SeenRoutes::default(),
        }
    }

    const fn named(client: &Client) -> ClientIdentity<'_> {
        ClientIdentity::Named { client, method: Method::UnixPeer, token: None }
    }

    fn decide(mode: Mode, route: &str, body: &str) -> Result<Decision, String> {
        let form = QueryForm::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap();
        let decided = Policy::ByClient.authorize(&named(&client(mode)), route, form);
        decided.map(|allowed| allowed.decision()).map_err(|denied| denied.to_string())
    }

    fn id(number: usize) -> RuleId {
        RuleId { list: RuleList::Rule, number }
    }

    #[test]
    fn the_rule_that_decides_is_named() {
        let enforced = |body| decide(Mode::Enforce, "ie", body);
        assert_eq!(enforced("Action=GetStatus"), Ok(Decision::Allowed(id(1))));
        assert_eq!(enforced("Action=CreateJob&ValidateOnly=true"), Ok(Decision::Allowed(id(2))));
        let denied = Err("the rule rule[3] of this client denies this call".to_owned());
        assert_eq!(enforced("Action=GetShippingLabel"), denied);
        for body in ["Action=CreateJob", "Action=CreateJob&ValidateOnly=false", "Action=CancelJob"] {
            assert_eq!(enforced(body), Err("no rule of this client allows this call".to_owned()), "{body}");
        }
        assert!(decide(Mode::Enforce, "other", "Action=GetStatus").is_err());
    }

    #[test]
    fn a_client_in_record_mode_passes_and_the_decision_says_so() {
        let recorded = |body| decide(Mode::Record, "ie", body).unwrap();
        assert_eq!(recorded("Action=GetStatus"), Decision::Allowed(id(1)));
        assert_eq!(recorded("Action=CancelJob"), Decision::Recorded(None));
        assert_eq!(recorded("Action=GetShippingLabel"), Decision::Recorded(Some(id(3))));
        assert_eq!(recorded("Action=CancelJob").as_str(), "recorded");
    }

    #[test]
    fn another_spelling_of_an_action_is_not_allowed_and_is_denied_where_the_action_is() {
        let enforced = |body| decide(Mode::Enforce, "ie", body);
        let other = "no rule of this client allows this call; rule[1] allows another spelling of its Action";
        assert_eq!(enforced("Action=getStatus"), Err(other.to_owned()));
        let denied = Err("the rule rule[3] of this client denies this call".to_owned());
        assert_eq!(enforced("Action=getShippinglabel"), denied);
        let recorded = |body| decide(Mode::Record, "ie", body).unwrap();
        assert_eq!(recorded("Action=getStatus"), Decision::Recorded(None));
        assert_eq!(recorded("Action=GETSHIPPINGLABEL"), Decision::Recorded(Some(id(3))));
    }

    #[test]
    fn another_spelling_of_a_parameter_that_a_rule_asks_about_is_refused() {
        let enforced = |body: &str| decide(Mode::Enforce, "ie", body);
        let refused = |name: &str| {
            format!(
                "parameter '{name}' could be taken for 'ValidateOnly', which the rule rule[2] of this client asks about"
            )
        };
        for name in ["validateOnly", "validate_only", "ValidateOnly.value", "ValidateOnly "] {
            assert_eq!(enforced(&format!("Action=CreateJob&{name}=false")), Err(refused(name)));
        }
        assert_eq!(enforced("Action=CreateJob&ValidateOnly=true&ValidateOnly.x=1"), Err(refused("ValidateOnly.x")));
        assert_eq!(enforced("Action=GetStatus&validateonly=1"), Ok(Decision::Allowed(id(1))), "no rule asks about it");
        assert!(decide(Mode::Enforce, "other", "Action=CreateJob&validateonly=1").unwrap_err().contains("no rule"));
        let recorded = decide(Mode::Record, "ie", "Action=CreateJob&validateOnly=1").unwrap();
        assert_eq!(recorded, Decision::Recorded(Some(id(2))));
    }

    #[test]
    fn a_policy_that_does_not_fit_the_client_denies() {
        let form = || QueryForm::parse(b"Action=GetStatus", FormLimits::DEFAULT).unwrap();
        let stranger = Policy::ByClient.authorize(&ClientIdentity::AnyLocal, "ie", form());
        assert_eq!(stranger.unwrap_err(), Denied::WrongPolicy);
        let named = Policy::AnyLocal.authorize(&named(&client(Mode::Record)), "ie", form());
        assert_eq!(named.unwrap_err(), Denied::WrongPolicy);
    }
}
