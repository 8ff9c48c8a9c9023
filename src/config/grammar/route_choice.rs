//! What chooses a route: `Host` values, path prefixes, and the scopes of clients' signatures.

use crate::config::reading::value::shown;
use crate::signing::authority::Authority;
use crate::signing::client_signature::ClientScope;

/// A `Host` value: lower case, with the port unless it is 80.
pub(crate) fn host(text: &str) -> Result<String, String> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!("{} has capitals: write it in lower case", shown(text)));
    }
    if text.contains('*') {
        return Err(format!(
            "{} is a pattern: list each one; on a listener, `name:*` stands for every port",
            shown(text)
        ));
    }
    if text.contains('/') {
        return Err(format!("{} is not a host: write `name` or `name:port`, without scheme and path", shown(text)));
    }
    let parsed = Authority::parse(text).map_err(|why| format!("{} {why}", shown(text)))?;
    if parsed.port == Some(80) {
        return Err(format!(
            "{} names the default port, which clients leave out: write \"{}\"",
            shown(text),
            parsed.host
        ));
    }
    Ok(text.to_owned())
}

/// A `Host` value of a listener: [`host`], or a name with `:*`, which stands for any port and none.
pub(crate) fn listener_host(text: &str) -> Result<String, String> {
    let Some(name) = text.strip_suffix(":*") else { return host(text) };
    let parsed = host(name).and_then(|name| {
        let has_port = Authority::parse(&name).is_ok_and(|parsed| parsed.port.is_some());
        if has_port { Err(format!("{} has two ports: write `name:*`", shown(text))) } else { Ok(name) }
    });
    parsed.map(|_| text.to_owned())
}

/// The path prefix that chooses a route.
pub(crate) fn path_prefix(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("{} does not start with `/`", shown(text)));
    }
    if text.len() > 1 && text.ends_with('/') {
        let fix = text.trim_end_matches('/');
        let fix = if fix.is_empty() { "/" } else { fix };
        return Err(format!("{} ends with `/`: write \"{fix}\", which stands for both", shown(text)));
    }
    if text.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'?' | b'#' | b'%')) {
        return Err(format!(
            "{} is not a plain path: spaces, `?`, `#`, `%` and characters beyond ASCII have no place in it",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// The service and region of a client's signature.
pub(crate) fn scope(text: &str) -> Result<ClientScope, String> {
    let wrong = || {
        format!("{} is not a scope: write SERVICE/REGION as clients sign them, e.g. \"ec2/eu-central-1\"", shown(text))
    };
    ClientScope::parse(text).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_exact_lower_case_and_without_port_80() {
        for good in ["ie.internal", "ie.internal:8021", "[::1]:8021", "10.0.0.1"] {
            assert_eq!(host(good), Ok(good.to_owned()));
        }
        for (text, why) in [
            ("IE.internal", "lower case"),
            ("*.internal", "is a pattern"),
            ("http://ie", "without scheme"),
            ("ie:80", "write \"ie\""),
            ("ie:0", "no port"),
            ("", "no valid host name"),
        ] {
            assert!(host(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn the_host_of_a_listener_may_have_any_port() {
        for good in ["ie.internal", "ie.internal:8021", "ie.internal:*", "[2001:db8::1]:*", "10.0.0.1:*"] {
            assert_eq!(listener_host(good), Ok(good.to_owned()));
        }
        for (text, why) in [
            ("IE.internal:*", "lower case"),
            ("*:*", "is a pattern"),
            ("ie:1:*", "two ports"),
            ("ie:*:*", "is a pattern"),
            (":*", "no valid host name"),
        ] {
            assert!(listener_host(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn a_scope_is_a_service_and_a_region() {
        for good in ["ec2/eu-central-1", "sqs/ru-central1", "heat/RegionOne"] {
            assert!(scope(good).is_ok(), "{good}");
        }
        for wrong in ["ec2", "ec2/", "/eu-central-1", "ec2/eu/1", "ec2/eu central", ""] {
            assert!(scope(wrong).unwrap_err().contains("SERVICE/REGION"), "{wrong}");
        }
    }

    #[test]
    fn path_prefixes_start_with_a_slash_and_do_not_end_with_one() {
        for good in ["/", "/ie", "/a/b.c~"] {
            assert_eq!(path_prefix(good), Ok(good.to_owned()));
        }
        for (text, why) in [
            ("", "does not start"),
            ("ie", "does not start"),
            ("/ie/", "write \"/ie\""),
            ("//", "write \"/\""),
            ("/a b", "plain path"),
            ("/a?b", "plain path"),
            ("/a#b", "plain path"),
            ("/a%20b", "plain path"),
            ("/é", "plain path"),
        ] {
            assert!(path_prefix(text).unwrap_err().contains(why), "{text}");
        }
    }
}
