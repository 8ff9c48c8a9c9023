//! The endpoint of a route: its URL, and how the connection to it is protected.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use crate::config::grammar::address;
use crate::config::reading::table::Table;
use crate::config::reading::value;
use crate::config::settings::{Endpoint, Transport, Trust};

/// An endpoint's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Url {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// What `danger_plaintext` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plaintext {
    LoopbackOnly,
    DangerAnywhere,
}

/// Reads `endpoint`, `ca_file` and `danger_plaintext` of a route.
pub(crate) fn read(table: &mut Table<'_>) -> Option<Endpoint> {
    const WHY: &str = "say where signed requests go, e.g. \"https://importexport.amazonaws.com/\"";
    let url = table.required("endpoint", WHY, |given| parse(value::text(given)?));
    let ca_file = table.get("ca_file", None, |given| value::file(given).map(Some));
    let danger = table.get("danger_plaintext", Plaintext::LoopbackOnly, |given| {
        value::flag(given).map(|danger| if danger { Plaintext::DangerAnywhere } else { Plaintext::LoopbackOnly })
    });
    let (url, ca_file, danger) = (url?, ca_file?, danger?);
    let transport = match url.scheme {
        Scheme::Https => Transport::Tls { trust: ca_file.map_or(Trust::Platform, Trust::File) },
        Scheme::Http => plaintext(table, &url, ca_file.as_deref(), danger)?,
    };
    Some(Endpoint { transport, host: url.host, port: url.port, path: url.path })
}

/// Reads `jwks_url`. Outside: without fault; inside: there at all. What comes from it are public keys, but whoever can put
/// others in their place makes tokens: there is no switch that allows plain HTTP beyond loopback.
pub(crate) fn read_keys(table: &mut Table<'_>, ca_file: Option<PathBuf>) -> Option<Option<Endpoint>> {
    let Some(url) = table.get("jwks_url", None, |given| parse(value::text(given)?).map(Some))? else {
        return Some(None);
    };
    let transport = match url.scheme {
        Scheme::Https => Transport::Tls { trust: ca_file.map_or(Trust::Platform, Trust::File) },
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

fn plaintext(table: &Table<'_>, url: &Url, ca_file: Option<&Path>, danger: Plaintext) -> Option<Transport> {
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

/// Loopback by its text alone: a name that merely resolves to it today does not count, except `localhost`.
pub(crate) fn is_loopback(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || v6.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()))
}

/// Parses an endpoint's URL. Messages show none of it: it may hold a password or a signature.
///
/// The path is kept byte for byte, since it is signed: a URL library would normalise it.
fn parse(text: &str) -> Result<Url, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("is not an absolute URL: write e.g. \"https://importexport.amazonaws.com/\"".to_owned());
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err("begins with a scheme other than https or http".to_owned()),
    };
    if rest.contains('#') {
        return Err("has a fragment (`#...`), which is never sent: remove it".to_owned());
    }
    if rest.contains('?') {
        return Err("has a query string (`?...`): requests are forms, and nothing else is signed; remove it".to_owned());
    }
    let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err("has user info (`...@`): keys go into a sealed file; remove it".to_owned());
    }
    let authority = authority.to_ascii_lowercase();
    let authority = address::authority(&authority)?;
    if let Some(wrong) = path.chars().find(|c| !stands_in_path(*c)) {
        return Err(format!("has {wrong:?} in its path: percent-encode it"));
    }
    let default = match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    Ok(Url {
        scheme,
        host: authority.host.to_owned(),
        port: authority.port.unwrap_or(default),
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
    })
}

/// RFC 3986's path characters and `%`.
fn stands_in_path(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, parse_with, settings};
    use crate::signing::SigningTarget;

    fn url(scheme: Scheme, host: &str, port: u16, path: &str) -> Url {
        Url { scheme, host: host.into(), port, path: path.into() }
    }

    #[test]
    fn urls_are_absolute_and_have_default_ports() {
        for (text, expected) in [
            ("https://importexport.amazonaws.com/", url(Scheme::Https, "importexport.amazonaws.com", 443, "/")),
            ("https://importexport.amazonaws.com", url(Scheme::Https, "importexport.amazonaws.com", 443, "/")),
            ("HTTPS://Example.COM.:8443/V1/%7eX//../y/", url(Scheme::Https, "example.com.", 8443, "/V1/%7eX//../y/")),
            ("http://127.0.0.1", url(Scheme::Http, "127.0.0.1", 80, "/")),
            ("http://[::1]:8000/v1", url(Scheme::Http, "[::1]", 8000, "/v1")),
            ("http://[2001:DB8::1]", url(Scheme::Http, "[2001:db8::1]", 80, "/")),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_absolute_http_url_is_refused() {
        for (text, why) in [
            ("", "not an absolute URL"),
            ("importexport.amazonaws.com", "not an absolute URL"),
            ("/v1", "not an absolute URL"),
            ("https:/example.com", "not an absolute URL"),
            ("ftp://example.com", "scheme other than"),
            ("https://", "no valid host name"),
            ("https:///v1", "no valid host name"),
            ("https://example.com:", "no port from 1"),
            ("https://example.com\\@evil.com/", "user info"),
            ("https://ex ample.com/", "no valid host name"),
            ("https://example.com/a b", "has ' ' in its path"),
            ("https://example.com/é", "has 'é' in its path"),
            ("https://example.com/\r\nX: y", "has '\\r' in its path"),
            ("https://example.com/{tenant}", "has '{' in its path"),
            ("https://bücher.example/", "`xn--` form"),
        ] {
            assert!(parse(text).unwrap_err().contains(why), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn user_info_query_and_fragment_are_refused_and_not_shown() {
        for (text, why) in [
            ("https://AKIAIOSFODNN7EXAMPLE:marker@example.com/", "user info"),
            ("https://example.com/?Signature=marker", "query string"),
            ("https://example.com?marker", "query string"),
            ("https://example.com/#marker", "fragment"),
            ("marker:x@example.com", "not an absolute URL"),
            ("https://example.com:marker/", "no port"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(why) && !message.contains("marker"), "{message}");
        }
    }

    #[test]
    fn loopback_is_a_matter_of_the_text() {
        for host in ["localhost", "127.0.0.1", "127.255.255.254", "[::1]", "[0:0:0:0:0:0:0:1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["localhost.", "localhost.example.com", "10.0.0.1", "128.0.0.1", "[::]", "[::ffff:127.0.0.1]", "::1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

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
