//! The endpoint of a route: its URL, and how the connection to it is protected.

use std::path::{Path, PathBuf};

use crate::config::grammar::address;
use crate::config::reading::path::Bounds;
use crate::config::reading::quantity::duration;
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, flag, shown, text};
use crate::config::settings::{Endpoint, Transport};
use crate::config::tables::endpoint_tls;
use crate::signing::authority::{Authority, is_loopback};
use crate::signing::{self, EndpointUrl, Scheme, SigningTarget};
use crate::trust::{ClientTlsSettings, Roots};
use crate::upstream::NextHop;

/// What `danger_plaintext` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plaintext {
    LoopbackOnly,
    DangerAnywhere,
}

/// Reads `endpoint`, `connect`, `ca_file`, `danger_plaintext` and what is asked of TLS.
pub(crate) fn read(table: &mut Table<'_>) -> Option<Endpoint> {
    const WHY: &str = "say where signed requests go, e.g. \"https://importexport.amazonaws.com/\"";
    let url = table.required("endpoint", WHY, url);
    let directory = table.directory();
    let connect = table.get("connect", None, |given| next_hop(given, directory.bounds).map(Some));
    let ca_file = table.get("ca_file", None, |given| directory.file(given).map(Some));
    let client = endpoint_tls::read(table);
    let danger = table.get("danger_plaintext", Plaintext::LoopbackOnly, |given| {
        flag(given).map(|danger| if danger { Plaintext::DangerAnywhere } else { Plaintext::LoopbackOnly })
    });
    let (url, connect, ca_file, client, danger) = (url?, connect?, ca_file?, client?, danger?);
    let transport = match url.scheme {
        Scheme::Https => Transport::Tls { trust: ca_file.map_or(Roots::Platform, Roots::File), client },
        Scheme::Http => plaintext(table, &url, connect.as_ref(), ca_file.as_deref(), danger)?,
    };
    Some(endpoint(transport, &url, connect))
}

fn endpoint(transport: Transport, url: &EndpointUrl, connect: Option<NextHop>) -> Endpoint {
    let next_hop = connect.unwrap_or_else(|| its_own(url));
    Endpoint { transport, host: url.name().to_owned(), port: url.port, path: url.path.clone(), next_hop }
}

/// The endpoint itself. The dot of an absolute name stays: a resolver then adds no domain of its own to it.
fn its_own(url: &EndpointUrl) -> NextHop {
    NextHop::Tcp { host: url.host.trim_start_matches('[').trim_end_matches(']').to_owned(), port: url.port }
}

/// Whether signer and endpoint read the endpoint's path alike.
pub(crate) fn fits(table: &Table<'_>, endpoint: Option<&Endpoint>, signing: Option<&signing::Profile>) -> bool {
    let (Some(endpoint), Some(signing)) = (endpoint, signing) else { return true };
    let target = SigningTarget { host: endpoint.authority(), path: endpoint.path.clone() };
    let checked = signing.check_target(&target);
    checked.map_err(|error| table.fault("endpoint", error.to_string())).is_ok()
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
        Scheme::Https => {
            let trust = ca_file.map_or(Roots::Platform, Roots::File);
            Transport::Tls { trust, client: ClientTlsSettings::PLAIN }
        }
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
    Some(Some(endpoint(transport, &url, None)))
}

/// Reads the `endpoint` and `ca_file` of a collector of traces, which is no endpoint that anything is signed for.
///
/// `None` when a fault was reported, `Some(None)` when `endpoint` is absent.
pub(crate) fn read_collector(table: &mut Table<'_>) -> Option<Option<Endpoint>> {
    const PATH: &str = "/v1/traces";
    let url = table.get("endpoint", None, |given| url(given).map(Some));
    let directory = table.directory();
    let ca_file = table.get("ca_file", None, |given| directory.file(given).map(Some));
    let danger = table.get("danger_plaintext", false, flag);
    let (Some(mut url), ca_file, danger) = (url?, ca_file?, danger?) else { return Some(None) };
    if url.path.trim_end_matches('/').ends_with(PATH) {
        table.fault("endpoint", format!("ends with `{PATH}`, which countersign adds: write the base URL"));
        return None;
    }
    url.path = format!("{}{PATH}", url.path.trim_end_matches('/'));
    let transport = match url.scheme {
        Scheme::Https => {
            let trust = ca_file.map_or(Roots::Platform, Roots::File);
            Transport::Tls { trust, client: ClientTlsSettings::PLAIN }
        }
        Scheme::Http if !is_loopback(&url.host) && !danger => {
            let message = format!(
                "`{}` is not this machine, and http would show to everyone on the way who calls what, and what is in \
                 `headers_file`: write https, or set `danger_plaintext = true` in [trace]",
                url.host
            );
            table.fault("endpoint", message);
            return None;
        }
        Scheme::Http if ca_file.is_some() => {
            table.fault("ca_file", "is for an https `endpoint`, and this one is http: remove one of the two");
            return None;
        }
        Scheme::Http => Transport::Plaintext,
    };
    Some(Some(endpoint(transport, &url, None)))
}

/// The rule is about the network: what goes to a loopback address or into a Unix socket does not cross it, whoever
/// passes it on from there.
fn plaintext(
    table: &Table<'_>,
    url: &EndpointUrl,
    connect: Option<&NextHop>,
    ca_file: Option<&Path>,
    danger: Plaintext,
) -> Option<Transport> {
    let (key, to) = match connect {
        Some(next_hop) => ("connect", next_hop.to_string()),
        None => ("endpoint", url.host.clone()),
    };
    let allowed = match danger {
        Plaintext::DangerAnywhere => true,
        Plaintext::LoopbackOnly => connect.unwrap_or(&its_own(url)).is_on_this_machine(),
    };
    if !allowed {
        table.fault(
            key,
            format!(
                "`{to}` is not this machine, and http would show signed requests to everyone on the way: write https, \
                 or set `danger_plaintext = true` on this route"
            ),
        );
    }
    if ca_file.is_some() {
        table.fault("ca_file", "is for https endpoints, and this one is http: remove this line, or write https");
    }
    endpoint_tls::refuse(table);
    (allowed && ca_file.is_none() && !endpoint_tls::is_given(table)).then_some(Transport::Plaintext)
}

fn url(given: &Given<'_>) -> Result<EndpointUrl, String> {
    EndpointUrl::parse(text(given)?).map_err(|error| error.to_string())
}

/// `connect`: `host:port` or `unix:/path`.
fn next_hop(given: &Given<'_>, bounds: Bounds<'_>) -> Result<NextHop, String> {
    let text = text(given)?;
    if let Some(path) = address::unix_path(text)? {
        return bounds.check(path).map(NextHop::Unix);
    }
    let wrong = |why: String| format!("{} {why}: write \"127.0.0.1:8443\" or \"unix:/path\"", shown(text));
    if text.contains("://") {
        return Err(wrong("is a URL, and `connect` is only an address with a port".to_owned()));
    }
    if duration(given).is_ok() {
        return Err(wrong(
            "is a duration, and `connect` is an address; the time limit is `timeouts.connect`".to_owned(),
        ));
    }
    let lower = text.to_ascii_lowercase();
    let Authority { host, port } = Authority::parse(&lower).map_err(|error| wrong(error.to_string()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = port.ok_or_else(|| wrong("has no port".to_owned()))?;
    Ok(NextHop::Tcp { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, parse_with, settings};

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

    fn connecting(endpoint: &str, connect: &str) -> String {
        LEAST.replace("https://importexport.amazonaws.com/\"", &format!("{endpoint}\"\nconnect = \"{connect}\""))
    }

    #[test]
    fn connect_changes_where_connections_go_and_nothing_else() {
        let plain = &settings(LEAST).routes[0].endpoint;
        assert_eq!(plain.next_hop.to_string(), "importexport.amazonaws.com:443");
        for (connect, next_hop) in [
            ("127.0.0.1:8443", "127.0.0.1:8443"),
            ("[::1]:8443", "[::1]:8443"),
            ("VPCE-0a1b.Example:443", "vpce-0a1b.example:443"),
            ("vpce-0a1b.example.:443", "vpce-0a1b.example.:443"),
            ("unix:/run/envoy.sock", "unix:/run/envoy.sock"),
        ] {
            let endpoint = &settings(&connecting("https://importexport.amazonaws.com/", connect)).routes[0].endpoint;
            assert_eq!(endpoint.next_hop.to_string(), next_hop);
            assert_eq!((endpoint.authority(), endpoint.bare_host()), (plain.authority(), plain.bare_host()));
            assert_eq!((&endpoint.transport, endpoint.url()), (&plain.transport, plain.url()));
        }
    }

    #[test]
    fn connect_is_an_address_with_a_port_or_a_unix_socket() {
        for (connect, why) in [
            ("127.0.0.1", "`127.0.0.1` has no port: write"),
            ("https://envoy:8443/", "is a URL"),
            ("5s", "`timeouts.connect`"),
            ("::1:8443", "no valid host name"),
            ("127.1:8443", "neither a name nor"),
            ("envoy:0", "no port from 1"),
            ("unix:run/envoy.sock", "is not a Unix socket"),
            ("unix:", "is not a Unix socket"),
            ("", "no valid host name"),
        ] {
            let found = faults(&connecting("https://importexport.amazonaws.com/", connect));
            assert!(found.len() == 1 && found[0].starts_with("f:6:11: route.ie.connect: "), "{found:?}");
            assert!(found[0].contains(why), "{found:?}");
        }
    }

    #[test]
    fn plaintext_may_go_to_this_machine_only_wherever_the_endpoint_is() {
        for connect in ["127.0.0.1:8000", "[::1]:8000", "localhost:8000", "unix:/run/envoy.sock"] {
            let endpoint = &settings(&connecting("http://heat:8000/", connect)).routes[0].endpoint;
            assert_eq!((&endpoint.transport, endpoint.is_authentic()), (&Transport::Plaintext, true), "{connect}");
        }
        for connect in ["heat:8000", "10.0.0.1:8000", "localhost.:8000"] {
            let found = faults(&connecting("http://127.0.0.1:8000/", connect));
            let told = format!("f:6:11: route.ie.connect: `{connect}` is not this machine");
            assert!(found.len() == 1 && found[0].starts_with(&told), "{found:?}");
        }
        let danger =
            connecting("http://127.0.0.1/", "10.0.0.1:80").replace("[key.main]", "danger_plaintext = true\n[key.main]");
        assert!(!settings(&danger).routes[0].endpoint.is_authentic(), "it leaves this machine");
    }

    #[test]
    fn the_dot_of_an_absolute_name_is_for_the_resolver_alone() {
        let text = LEAST.replace("importexport.amazonaws.com", "ImportExport.amazonaws.com.:8443");
        let endpoint = &settings(&text).routes[0].endpoint;
        assert_eq!(endpoint.next_hop.to_string(), "importexport.amazonaws.com.:8443");
        assert_eq!(endpoint.authority(), "importexport.amazonaws.com:8443");
        assert_eq!(endpoint.bare_host(), "importexport.amazonaws.com");
        let found = faults(&LEAST.replace("https://importexport.amazonaws.com", "http://localhost."));
        assert!(found[0].contains("`localhost.` is not this machine"), "{found:?}");
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
