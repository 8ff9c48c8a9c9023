//! The part of `countersign check` that prints which client may call what.

use super::findings::{Findings, Kind, Section};
use crate::app::build::clients::clients;
use crate::app::build::share_summary::summaries;
use crate::authorize::{Admission, Client, Effect, Identifiers, Mode, Rule};
use crate::config::settings::{Name, Settings};

/// Every client with its identifiers and its rules.
pub(super) fn sections(found: &mut Findings, settings: &Settings) {
    let live = clients(settings, None);
    for client in &settings.clients {
        let Some(live) = live.named(client.name.as_str()) else { continue };
        let identified = format!("identified by {}", identifiers(&client.identifiers).join(", "));
        let section = found.section(Kind::Client, Some(&client.name), identified);
        if let Some(tenant) = &client.tenant {
            section.fact("tenant", tenant.to_string());
            section.detail(tenant_of(tenant));
        }
        if let Some(rate) = client.rate {
            section.detail(format!("rate: {} calls in {:?}, {} at once", rate.calls, rate.period, rate.burst));
        }
        if let Some(quota) = client.quota {
            section.detail(format!("quota: {quota} calls a day"));
        }
        rules(section, live);
        match client.mode {
            Mode::Enforce if !live.rules.iter().any(|rule| rule.effect == Effect::Allow) => {
                section.warn("nothing is allowed: every call of this client is refused");
            }
            Mode::Enforce => {}
            Mode::Record => section.warn("mode record: every call passes, whatever the rules say"),
        }
        if !settings.listeners.iter().any(|listener| serves(&listener.callers, &client.identifiers)) {
            section.warn("no listener can identify it: none has such a method in `authenticate`");
        }
    }
}

/// Whose a client or route is.
pub(super) fn tenant_of(tenant: &Name) -> String {
    format!("tenant: {tenant} (conf.d/{tenant}.toml)")
}

/// Which part of each limit each client may take.
pub(super) fn shares(found: &mut Findings, settings: &Settings) {
    for told in summaries(settings) {
        if told.parts.is_empty() {
            continue;
        }
        let most = format!("at most {}", told.parts.join(", "));
        let section = found.section(Kind::Share, Some(&told.who), most);
        if let Some(warning) = told.warning {
            section.warn(warning);
        }
    }
}

fn serves(callers: &Admission, identifiers: &Identifiers) -> bool {
    match callers {
        Admission::AnyLocal => false,
        Admission::Clients(methods) => methods.iter().any(|method| identifiers.include(*method)),
    }
}

fn identifiers(identifiers: &Identifiers) -> Vec<String> {
    let Identifiers { uids, gids, spiffe_ids, dns_names, tokens, service_accounts, issued_keys } = identifiers;
    let numbers = |key, list: &[u32]| list.iter().map(|id| format!("{key} {id}")).collect::<Vec<_>>();
    let texts = |key, list: &[String]| list.iter().map(|text| format!("{key} {text}")).collect::<Vec<_>>();
    let tokens = match tokens.len() {
        0 => Vec::new(),
        1 => vec!["a token".to_owned()],
        several => vec![format!("{several} tokens")],
    };
    [
        numbers("uid", uids),
        numbers("gid", gids),
        texts("spiffe", spiffe_ids),
        texts("dns", dns_names),
        tokens,
        texts("service_account", service_accounts),
        texts("issued key", issued_keys),
    ]
    .concat()
}

fn rules(section: &mut Section, client: &Client) {
    for rule in &client.rules {
        section.detail(format!("{}: {}", rule.id, described(rule)));
    }
}

fn described(rule: &Rule) -> String {
    let effect = match rule.effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    };
    format!("{effect} {rule}")
}
