//! `[listener.NAME.tls]` and `[listener.NAME.service_account]`: what certificates and tokens are verified with.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::reading::quantity::duration;
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, text};
use crate::config::settings::{ClientAuthority, ListenerTls, ServiceAccount, TokenKeys};
use crate::config::tables::endpoint;
use crate::downstream::TokenAlgorithm;

/// Reads `[listener.NAME.tls]`.
pub(crate) fn tls(mut table: Table<'_>) -> Option<ListenerTls> {
    let directory = table.directory();
    let certificate =
        table.required("certificate", "name the PEM file with the certificate chain", |given| directory.file(given));
    let private_key =
        table.required("private_key", "name the PEM file with the private key", |given| directory.file(given));
    let client_ca = table.get("client_ca", None, |given| directory.file(given).map(Some));
    let crl = table.files("crl");
    let session_lifetime = table.get("session_lifetime", Duration::from_secs(600), duration);
    if table.has("crl") && !table.has("client_ca") {
        table.fault("crl", "means nothing without `client_ca`: add it, or remove this line");
    }
    table.finish();
    let authority = |ca: PathBuf, revocation_lists| ClientAuthority { ca, revocation_lists };
    let crl = crl?;
    Some(ListenerTls {
        certificate: certificate?,
        private_key: private_key?,
        clients: client_ca?.map(|ca| authority(ca, crl)),
        session_lifetime: session_lifetime?,
    })
}

/// Reads `[listener.NAME.service_account]`.
pub(crate) fn service_account(mut table: Table<'_>) -> Option<ServiceAccount> {
    let issuer = table.required("issuer", "name the issuer of the tokens, as their `iss` claim has it", claim);
    let audience = table.required("audience", "name the audience that tokens for countersign are made for", claim);
    let algorithm = table.required(
        "algorithm",
        "name the one algorithm of the issuer, e.g. \"RS256\"",
        choice(&TokenAlgorithm::WORDS),
    );
    let keys = token_keys(&mut table);
    table.finish();
    Some(ServiceAccount { issuer: issuer?, audience: audience?, algorithm: algorithm?, keys: keys? })
}

/// Reads `jwks_file`, or `jwks_url` with its CA and token files.
fn token_keys(table: &mut Table<'_>) -> Option<TokenKeys> {
    let directory = table.directory();
    let from_file = table.get("jwks_file", None, |given| directory.file(given).map(Some));
    let ca_file = table.get("jwks_ca_file", None, |given| directory.file(given).map(Some));
    let token_file = table.get("jwks_token_file", None, |given| directory.file(given).map(Some));
    let there = (table.has("jwks_file"), table.has("jwks_url"));
    let endpoint = endpoint::read_keys(table, ca_file.clone().flatten());
    match there {
        (true, true) => {
            table.fault("jwks_url", "stands beside `jwks_file`: the keys come from one place; remove one of the two");
        }
        (false, false) => {
            table.missing("jwks_file", "say where the issuer's public keys are: name their file, or set `jwks_url`");
        }
        (true, false) | (false, true) => {}
    }
    for key in ["jwks_ca_file", "jwks_token_file"] {
        if table.has(key) && !there.1 {
            table.fault(key, "means nothing without `jwks_url`: add it, or remove this line");
        }
    }
    let (from_file, endpoint, _ca_file, token_file) = (from_file?, endpoint?, ca_file?, token_file?);
    match (from_file, endpoint) {
        (Some(path), None) => Some(TokenKeys::File(path)),
        (None, Some(endpoint)) => Some(TokenKeys::Url { endpoint, token_file }),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// The exact value of a claim.
fn claim(given: &Given<'_>) -> Result<String, String> {
    let claim = text(given)?;
    if claim.is_empty() || claim.trim() != claim || claim.chars().any(char::is_control) {
        return Err(format!("{} cannot be the value of a claim", given.shown()));
    }
    Ok(claim.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{faults, settings};
    use crate::config::settings::Transport;
    use crate::trust::{ClientTlsSettings, Roots};

    fn with(lines: &str) -> String {
        format!(
            "[listener.local]\nauthenticate = [\"service-account\"]\n[listener.local.service_account]\n\
             issuer = \"i\"\naudience = \"a\"\nalgorithm = \"RS256\"\n{lines}\n\
             [client.c]\nservice_account = \"a/b\"\nallow = [\"*:*\"]\n\
             [route.ie]\nendpoint = \"https://importexport.amazonaws.com/\"\n\
             [key.main]\nfile = \"/main.age\"\nidentity_file = \"/id\"\n"
        )
    }

    fn keys(lines: &str) -> TokenKeys {
        settings(&with(lines)).listeners.remove(0).service_account.unwrap().keys
    }

    #[track_caller]
    fn refused(lines: &str, why: &str) {
        let found = faults(&with(lines));
        assert!(found.len() == 1 && found[0].contains(why), "{found:?}");
    }

    #[test]
    fn token_keys_come_from_a_file_or_a_url() {
        assert_eq!(keys("jwks_file = \"/jwks.json\""), TokenKeys::File("/jwks.json".into()));
        let lines = "jwks_url = \"https://kubernetes.default.svc/openid/v1/jwks\"\n\
                     jwks_ca_file = \"/ca.crt\"\njwks_token_file = \"/token\"";
        let TokenKeys::Url { endpoint, token_file } = keys(lines) else { panic!("a URL") };
        assert_eq!(endpoint.url(), "https://kubernetes.default.svc/openid/v1/jwks");
        let trust = Roots::File("/ca.crt".into());
        assert_eq!(endpoint.transport, Transport::Tls { trust, client: ClientTlsSettings::PLAIN });
        assert_eq!(token_file, Some("/token".into()));
        let TokenKeys::Url { endpoint, token_file } = keys("jwks_url = \"http://127.0.0.1:8001/keys\"") else {
            panic!("a URL")
        };
        assert_eq!((endpoint.transport, endpoint.port, token_file), (Transport::Plaintext, 8001, None));
    }

    #[test]
    fn token_keys_come_from_one_place_and_no_more() {
        refused("", "listener.local.service_account.jwks_file: missing: say where the issuer's public keys are");
        refused("jwks_file = \"/k\"\njwks_url = \"https://k/\"", "jwks_url: stands beside `jwks_file`");
        refused("jwks_file = \"/k\"\njwks_ca_file = \"/ca\"", "jwks_ca_file: means nothing without `jwks_url`");
        refused("jwks_file = \"/k\"\njwks_token_file = \"/t\"", "jwks_token_file: means nothing without `jwks_url`");
        refused("jwks = \"https://k/\"\njwks_file = \"/k\"", "write `jwks_url` instead of `jwks`");
    }

    #[test]
    fn token_keys_are_not_believed_over_plain_http() {
        refused("jwks_url = \"http://keys.example/\"", "jwks_url: `keys.example` is not this machine");
        refused("jwks_url = \"http://localhost/\"\njwks_ca_file = \"/ca\"", "jwks_ca_file: is for an https `jwks_url`");
        refused("jwks_url = \"keys\"", "jwks_url: is not an absolute URL");
    }
}
