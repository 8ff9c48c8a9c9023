//! What a route asks of TLS towards its endpoint: a version, a key; and the certificate that it shows there.

use crate::config::reading::table::Table;
use crate::config::reading::value::{choice, shown};
use crate::trust::{ClientTlsSettings, IdentityFiles, MinimumTls, PinnedKey};

const KEYS: [&str; 4] = ["client_certificate", "client_key", "pinned_public_keys", "minimum_tls"];

/// Reads `client_certificate`, `client_key`, `pinned_public_keys` and `minimum_tls`.
pub(crate) fn read(table: &mut Table<'_>) -> Option<ClientTlsSettings> {
    let identity = identity(table);
    let pinned_keys = table.list("pinned_public_keys", Vec::new(), pinned_key);
    let minimum = table.get("minimum_tls", MinimumTls::V12, choice(&MinimumTls::WORDS));
    let (identity, pinned_keys, minimum) = (identity?, pinned_keys?, minimum?);
    if table.has("pinned_public_keys") && pinned_keys.is_empty() {
        table.fault("pinned_public_keys", "lists no key: list those that the endpoint may have, or remove this line");
        return None;
    }
    Some(ClientTlsSettings { minimum, pinned_keys, identity })
}

/// Reads `client_certificate` and `client_key`: `None` when a fault was reported, `Some(None)` when both are absent.
#[expect(clippy::option_option, reason = "a fault is not the same as no certificate")]
pub(crate) fn identity(table: &mut Table<'_>) -> Option<Option<IdentityFiles>> {
    let directory = table.directory();
    let certificate = table.get("client_certificate", None, |given| directory.file(given).map(Some));
    let key = table.get("client_key", None, |given| directory.file(given).map(Some));
    match (certificate?, key?) {
        (Some(certificate), Some(key)) => Some(Some(IdentityFiles { certificate, key })),
        (None, None) => Some(None),
        (Some(_), None) => {
            table.missing("client_key", "name the PEM file with the private key of `client_certificate`");
            None
        }
        (None, Some(_)) => {
            table.fault("client_key", "means nothing without `client_certificate`: add it, or remove this line");
            None
        }
    }
}

/// Reports each of these keys in the table of an endpoint without TLS.
pub(crate) fn refuse(table: &Table<'_>) {
    for key in KEYS.into_iter().filter(|key| table.has(key)) {
        table.fault(key, "is for https endpoints, and this one is http: remove this line, or write https");
    }
}

/// Whether any of these keys is given.
pub(crate) fn is_given(table: &Table<'_>) -> bool {
    KEYS.into_iter().any(|key| table.has(key))
}

fn pinned_key(text: &str) -> Result<PinnedKey, String> {
    PinnedKey::parse(text).ok_or_else(|| {
        format!(
            "{} is not the digest of a public key: write \"sha256/\" and the 32 bytes of its SHA-256 in Base64, \
             as for curl's --pinnedpubkey",
            shown(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, fault, faults, route};
    use crate::config::settings::Transport;

    const PIN: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn client_tls(lines: &str) -> ClientTlsSettings {
        let Transport::Tls { client, .. } = route(lines).endpoint.transport else { panic!("https") };
        client
    }

    #[test]
    fn every_line_about_tls_is_read() {
        assert_eq!(client_tls(""), ClientTlsSettings::PLAIN);
        let all = format!(
            "client_certificate = \"/c.pem\"\nclient_key = \"/c.key\"\npinned_public_keys = [\"{PIN}\"]\n\
             minimum_tls = \"1.3\""
        );
        let read = client_tls(&all);
        assert_eq!(read.identity, Some(IdentityFiles { certificate: "/c.pem".into(), key: "/c.key".into() }));
        assert_eq!((read.pinned_keys, read.minimum), (vec![PinnedKey::parse(PIN).unwrap()], MinimumTls::V13));
    }

    #[test]
    fn a_client_certificate_and_its_key_are_named_together() {
        assert!(fault("route.ie", "client_certificate = \"/c.pem\"").contains("client_key: missing"));
        assert!(fault("route.ie", "client_key = \"/c.key\"").contains("means nothing without `client_certificate`"));
    }

    #[test]
    fn what_is_no_digest_of_a_key_or_no_version_is_refused() {
        assert!(fault("route.ie", "pinned_public_keys = [\"sha256/AAAA\"]").contains("as for curl's --pinnedpubkey"));
        assert!(fault("route.ie", "pinned_public_keys = []").contains("lists no key"));
        assert!(fault("route.ie", "minimum_tls = \"1.1\"").contains("write \"1.2\" or \"1.3\""));
        assert!(fault("route.ie", "minimum_tls = 1.3").contains("write \"1.2\" or \"1.3\""));
    }

    #[test]
    fn what_is_asked_of_tls_is_for_https() {
        let plain =
            LEAST.replace("https://importexport.amazonaws.com/\"", "http://localhost/\"\nminimum_tls = \"1.3\"");
        let found = faults(&plain);
        assert!(found.len() == 1 && found[0].contains("route.ie.minimum_tls: is for https endpoints"), "{found:?}");
    }
}
