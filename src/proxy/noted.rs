//! What is learnt of an exchange on its way, noted in its record for log, metrics and audit.

use std::rc::Rc;

use smol_str::format_smolstr;

use super::route::Route;
use crate::authorize::{Authorized, ClientIdentity, Decision, Denied, RuleId};
use crate::query::{Action, Vocabulary};
use crate::telemetry::ExchangeRecord;
use crate::telemetry::audit;

/// Notes which Action a refused form asks for.
#[cold]
pub(super) fn note_refused(names: &Vocabulary, form: &[u8], record: &mut ExchangeRecord) {
    if let Some(action) = Action::of_refused_form(names.operation, form) {
        record.note_action(action.as_str());
    }
}

pub(super) fn note_route(route: &Route, record: &mut ExchangeRecord) {
    record.route = Some(Rc::clone(&route.metrics));
    record.route_tenant.clone_from(&route.tenant);
}

pub(super) fn note_client(client: &ClientIdentity<'_>, record: &mut ExchangeRecord) {
    record.client = Some(client.name().into());
    record.client_tenant = client.tenant().map(Into::into);
    record.identified_by = Some(client.identified_by());
    record.token = client.token().map(|token| format_smolstr!("{token}"));
}

pub(super) fn note_decision(decided: &Result<Authorized<'_>, Denied>, record: &mut ExchangeRecord) {
    let (decision, rule) = match decided {
        Ok(allowed) => (recorded(allowed.decision()), allowed.decision().rule()),
        Err(denied) => (audit::Decision::Deny, denied.rule()),
    };
    record.decision = Some(decision);
    record.rule = rule.map(RuleId::name);
}

/// The policy's decision as the audit names it.
const fn recorded(decision: Decision) -> audit::Decision {
    match decision {
        Decision::AnyLocal => audit::Decision::AnyLocal,
        Decision::Allowed(_) => audit::Decision::Allow,
        Decision::Recorded(_) => audit::Decision::Recorded,
    }
}
