//! The part of `countersign check` that says whether replicas share rates, and through which store.

use std::time::Duration;

use super::findings::{Findings, Kind};
use crate::config::settings::{Settings, Transport};
use crate::error_chain::causes;
use crate::rates::{SharingSettings, StoreServer, WhenUnavailable, try_out};
use crate::trust::ClientTlsSettings;

/// The store, to be asked.
pub(super) struct TriedStore {
    pub(super) server: StoreServer,
    pub(super) settings: SharingSettings,
}

/// Describes `[rates]`.
pub(super) fn section(found: &mut Findings, settings: &Settings) {
    let Some(rates) = &settings.rates else { return };
    let url = rates.url();
    let section = found.section(Kind::Rates, None, format!("shared by all replicas through {url}"));
    section.fact("store", url);
    section.detail(match rates.sharing.when_unavailable {
        WhenUnavailable::Local => "while the store is away: each replica applies the rates alone",
        WhenUnavailable::Refuse => "while the store is away: calls of clients with a rate or a quota are refused",
    });
    if rates.sharing.hints {
        section.detail("hints: replicas report endpoints that they cannot reach to each other");
    }
    if !rates.endpoint.is_authentic() {
        section
            .danger("danger_plaintext: whoever sees the traffic to the store can read its password and change rates");
    }
    if let Transport::Tls { client: ClientTlsSettings { identity: Some(files), .. }, .. } = &rates.endpoint.transport {
        section.detail(format!("client certificate: {}", files.certificate.display()));
    }
    if let Some(path) = &rates.password_file {
        section.detail(format!("password: from {}", path.display()));
    }
}

/// Asks the store whether it does what replicas will ask of it.
pub(super) async fn ask(store: TriedStore, limit: Duration) -> Result<(), String> {
    try_out(&store.server, &store.settings, limit).await.map_err(|fault| causes(&fault))
}

/// Tells what it said. That it is away is no fault: calls go on, or are refused, as the configuration says.
pub(super) fn asked(found: &mut Findings, answer: &Result<(), String>) {
    match answer {
        Ok(()) => {
            found.section(Kind::Online, Some(&"rates.store"), "the store of rates can be used");
        }
        Err(why) => {
            let text = format!("the store of rates cannot be used: {}", why.escape_debug());
            found.warning(Kind::Online, Some(&"rates.store"), text);
        }
    }
}
