//! The part of `countersign check` that prints which client may call what.

use super::output::print_line;
use crate::app::build::clients::clients;
use crate::app::build::share_summary::summaries;
use crate::authorize::{Admission, Client, Effect, Identifiers, Mode, Rule};
use crate::config::settings::Settings;

/// Prints every client with its identifiers and its rules.
pub(super) fn print(settings: &Settings) {
    let live = clients(settings, None);
    for client in &settings.clients {
        let Some(live) = live.named(client.name.as_str()) else { continue };
        print_line!("client {}: identified by {}", client.name, identifiers(&client.identifiers).join(", "));
        if let Some(rate) = client.rate {
            print_line!("  rate: {} calls in {:?}, {} at once", rate.calls, rate.period, rate.burst);
        }
        print_rules(live);
        match client.mode {
            Mode::Enforce if !live.rules.iter().any(|rule| rule.effect == Effect::Allow) => {
                print_line!("  WARNING nothing is allowed: every call of this client is refused");
            }
            Mode::Enforce => {}
            Mode::Record => print_line!("  WARNING mode record: every call passes, whatever the rules say"),
        }
        if !settings.listeners.iter().any(|listener| serves(&listener.callers, &client.identifiers)) {
            print_line!("  WARNING no listener can identify it: none has such a method in `authenticate`");
        }
    }
}

/// Prints which part of each limit each client may take.
pub(super) fn print_shares(settings: &Settings) {
    for told in summaries(settings) {
        if told.parts.is_empty() {
            continue;
        }
        print_line!("share of {}: at most {}", told.who, told.parts.join(", "));
        if let Some(warning) = &told.warning {
            print_line!("  WARNING {warning}");
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
    let Identifiers { uids, gids, spiffe_ids, dns_names, tokens, service_accounts } = identifiers;
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
    ]
    .concat()
}

fn print_rules(client: &Client) {
    for rule in &client.rules {
        print_line!("  {}: {}", rule.id, described(rule));
    }
}

fn described(rule: &Rule) -> String {
    let effect = match rule.effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    };
    format!("{effect} {rule}")
}
