//! The endpoint of a route: its URL, and how the connection to it is protected.

use std::path::{Path, PathBuf};

use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, file, flag, text};
use crate::config::settings::{Endpoint, Transport};
use crate::signing::authority::is_loopback;
use crate::signing::{EndpointUrl, Scheme};
use crate::trust::Roots;

/// What `danger_plaintext` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plaintext {
    LoopbackOnly,
    DangerAnywhere,
}

/// Reads `endpoint`, `ca_file` and `danger_plaintext` of a route.
pub(crate) fn read(table: &mut Table<'_>) -> Option<Endpoint> {
    const WHY: &str = "say where signed requests go, e.g. \"https://importexport.amazonaws.com/\"";
    let url = table.required("endpoint", WHY, url);
    let ca_file = table.get("ca_file", None, |given| file(given).map(Some));
    let danger = table.get("danger_plaintext", Plaintext::LoopbackOnly, |given| {
        flag(given).map(|danger| if danger { Plaintext::DangerAnywhere } else { Plaintext::LoopbackOnly })
    });
    let (url, ca_file, danger) = (url?, ca_file?, danger?);
    let transport = match url.scheme {
        Scheme::Https => Transport::Tls { trust: ca_file.map_or(Roots::Platform, Roots::File) },
        Scheme::Http => plaintext(table, &url, ca_file.as_deref(), danger)?,
    };
    Some(Endpoint { transport, host: url.host, port: url.port, path: url.path })
}

/// Reads `jwks_url`: `None` when a fault was reported, `Some(None)` when the key is absent.
///
/// What comes from it are public keys, but whoever can replace them can make tokens. There is therefore no switch that
/// allows plain HTTP beyond loopback.
pub(crate) fn read_keys(table: &mut Table<'_>, ca_file: Option<PathBuf>) -> Option<Option<Endpoint>> {
    let Some(url) = table.get("jwks_url", None, |given| url(given).map(Some))? else {
        return Some(None);
    };
    let transport = match url.scheme {
        Scheme::Https => Transport::Tls { trust: ca_file.map_or(Roots::Platform, Roots::File) },
        Scheme::Http if !is_loopback(&url.host) => {
            let why = "over http whoever is on the way could put keys of their own in";
            table.fault("jwks_url", format!("`{}` is not this machine, and {why}: write https", url.host));
            return None;
        }
        Scheme::Http if ca_file.is_some() => {
            table.fault("jwks_ca_file", "is for an https `jwks_url`, and this one is http: remove one of the two");
            return None;
        }
        Scheme::Http => Transport::Plaintext,
    };
    Some(Some(Endpoint { transport, host: url.host, port: url.port, path: url.path }))
}

fn plaintext(table: &Table<'_>, url: &EndpointUrl, ca_file: Option<&Path>, danger: Plaintext) -> Option<Transport> {
    let allowed = match danger {
        Plaintext::DangerAnywhere => true,
        Plaintext::LoopbackOnly => is_loopback(&url.host),
    };
    if !allowed {
        table.fault(
            "endpoint",
            format!(
                "`{}` is not this machine, and http would show signed requests to everyone on the way: write https, \
                 or set `danger_plaintext = true` on this route",
                url.host
            ),
        );
    }
    if ca_file.is_some() {
        table.fault("ca_file", "is for https endpoints, and this one is http: remove one of the two");
    }
    (allowed && ca_file.is_none()).then_some(Transport::Plaintext)
}

fn url(given: &Given<'_>) -> Result<EndpointUrl, String> {
    EndpointUrl::parse(text(given)?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, parse_with, settings};
    use crate::signing::SigningTarget;

    /// `check` accepts nothing that cannot be signed for.
    #[test]
    fn every_endpoint_that_is_accepted_can_be_signed_for() {
        for byte in 0x20..0x7f_u8 {
            let url = format!("https://h.example/a{}b", char::from(byte));
            let text = LEAST.replace("\"https://importexport.amazonaws.com/\"", &format!("{url:?}"));
            let accepted = parse_with(&text, &[]).map(|settings| settings.routes[0].endpoint.url());
            assert_eq!(accepted.is_ok(), SigningTarget::from_url(&url).is_ok(), "{url}");
            assert!(accepted.is_err() || accepted == Ok(url));
        }
    }

    #[test]
    fn plaintext_beyond_loopback_needs_the_danger_line() {
        let http = |host: &str| LEAST.replace("https://importexport.amazonaws.com/", &format!("http://{host}/"));
        for host in ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"] {
            let endpoint = &settings(&http(host)).routes[0].endpoint;
            assert_eq!((&endpoint.transport, endpoint.is_authentic()), (&Transport::Plaintext, true));
        }
        let found = faults(&http("heat:8000"));
        assert!(found[0].starts_with("f:5:12: route.ie.endpoint: `heat` is not this machine"), "{found:?}");
        let danger = http("heat:8000").replace("[key.main]", "danger_plaintext = true\n[key.main]");
        let endpoint = &settings(&danger).routes[0].endpoint;
        assert_eq!((endpoint.authority().as_str(), endpoint.is_authentic()), ("heat:8000", false));
        assert!(settings(LEAST).routes[0].endpoint.is_authentic());
    }

    #[test]
    fn a_ca_file_is_for_https() {
        let text = LEAST.replace("https://importexport.amazonaws.com/\"", "http://localhost/\"\nca_file = \"/ca.pem\"");
        assert_eq!(faults(&text).len(), 1);
        assert!(faults(&text)[0].starts_with("f:6:11: route.ie.ca_file: is for https endpoints"));
    }

    #[test]
    fn a_route_without_an_endpoint_is_refused() {
        let found = faults(&LEAST.replace("endpoint = ", "# "));
        assert!(found[0].starts_with("f:4:8: route.ie.endpoint: missing"), "{found:?}");
        let port = faults(&LEAST.replace("\"https://importexport.amazonaws.com/\"", "443"));
        assert!(port[0].contains("`443` is not a text"), "{port:?}");
    }
}
