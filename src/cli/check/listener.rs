//! Listeners: where they listen, who may call, and how far they reach.

use super::findings::{Findings, Kind, Section};
use super::section_notes::{circumstances, warn_of_expiry};
use crate::app::expiry::Expiring;
use crate::app::serve::rehearsal::Rehearsed;
use crate::authorize::Admission;
use crate::config::settings::{Exposure, Listener, ListenerTls, ServedRoutes, TokenKeys};
use crate::downstream::dates::Dates;

pub(super) fn listener_section(
    found: &mut Findings,
    listener: &Listener,
    dates: Option<&Dates>,
    rehearsed: &[Rehearsed],
    expiring: &[Expiring],
) {
    let section = found.section(Kind::Listener, Some(&listener.name), listener.shown_addresses());
    section.fact("address", listener.shown_addresses());
    for address in &listener.addresses {
        circumstances(section, &format!("listener.{}", listener.name), address, rehearsed);
    }
    match &listener.callers {
        Admission::AnyLocal => section.detail("callers: any_local, whoever can connect may call"),
        Admission::Clients(methods) => {
            section.detail(format!(
                "callers: clients, by {}",
                methods.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(", ")
            ));
        }
    }
    if let Some(tls) = &listener.tls {
        listener_tls(section, tls);
        if let Some((_, validity)) = dates.and_then(Dates::certificate) {
            section.detail(format!("certificate: holds until {}", validity.ends));
            section.fact("certificate_expires", validity.ends.to_string());
        }
        warn_of_expiry(section, &format!("listener.{}", listener.name), expiring);
    }
    if let Some(tokens) = &listener.service_account {
        let keys = match &tokens.keys {
            TokenKeys::File(path) => path.display().to_string(),
            TokenKeys::Url { endpoint, .. } => format!("{}, not asked now", endpoint.url()),
        };
        section.detail(format!(
            "service accounts: issuer {}, audience {}, keys from {keys}",
            tokens.issuer, tokens.audience
        ));
    }
    if let Some(relays) = &listener.relays {
        section.detail(format!("PROXY protocol: a header (version 2) is required from {relays}"));
    }
    if let Some(header) = &listener.required_header {
        section.detail(format!("requires: the header {header}"));
    }
    match &listener.routes {
        ServedRoutes::All => section.detail("routes: all"),
        ServedRoutes::Named(names) => {
            section.detail(format!("routes: {}", names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
        }
    }
    match listener.exposure {
        Exposure::Loopback => {}
        Exposure::Authenticated => section.detail("reach: beyond this machine, over TLS"),
        Exposure::DangerCleartextTokens => {
            section.danger("danger_cleartext_tokens: whoever is on the way can read the tokens of clients");
        }
        Exposure::DangerBeyondLoopback => {
            section.danger("danger_beyond_loopback: whoever reaches this address may have requests signed");
        }
    }
}

fn listener_tls(section: &mut Section, tls: &ListenerTls) {
    section.detail(format!("tls: {}, key {}", tls.certificate.display(), tls.private_key.display()));
    if let Some(clients) = &tls.clients {
        let lists: Vec<_> = clients.revocation_lists.iter().map(|path| path.display().to_string()).collect();
        let revoked = if lists.is_empty() {
            "no revocation list configured".to_owned()
        } else {
            format!("revoked: {}", lists.join(", "))
        };
        section.detail(format!(
            "client certificates: of {}, {revoked}, asked again after {:?}",
            clients.ca.display(),
            tls.session_lifetime
        ));
    }
}
