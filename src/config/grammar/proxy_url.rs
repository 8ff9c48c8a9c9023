//! The URL of an egress proxy.

use crate::signing::Scheme;
use crate::signing::authority::Authority;

/// Where an egress proxy listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProxyUrl {
    /// Whether the connection to the proxy has TLS.
    pub(crate) scheme: Scheme,
    /// Host name (lower case) or address, IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Reads an absolute URL. The messages complete a sentence that begins with the key or variable; they never show the
/// text, which may have a password in it.
pub(crate) fn proxy_url(text: &str) -> Result<ProxyUrl, String> {
    if text.contains('@') {
        return Err("has a user name or a password in its URL, which logs and process lists would show: put \
                    `user:password` into a file that only countersign can read, name the file in \
                    `egress_credentials_file`, and take it out of the URL"
            .to_owned());
    }
    let (scheme, rest) =
        text.split_once("://").ok_or("is not the URL of a proxy: write e.g. \"http://proxy.example:3128\"")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => {
            return Err(
                "names a SOCKS proxy, and countersign supports only HTTP proxies (CONNECT): write the proxy's \
                        http:// or https:// URL"
                    .to_owned(),
            );
        }
        _ => return Err("begins with a scheme other than http or https".to_owned()),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
    if authority.contains(['/', '?', '#']) {
        return Err("has a path, and a proxy has none: remove what follows the port".to_owned());
    }
    let parsed = Authority::parse(&authority).map_err(|why| why.to_string())?;
    let port = match (parsed.port, scheme) {
        (Some(port), _) => port,
        (None, Scheme::Https) => scheme.default_port(),
        // programs differ: curl takes 1080, others 80, and most proxies listen on 3128 or 8080
        (None, Scheme::Http) => {
            return Err("names no port: write the one the proxy listens on, e.g. `:3128`".to_owned());
        }
    };
    let host = parsed.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(ProxyUrl { scheme, host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Scheme, String, u16), String> {
        proxy_url(text).map(|url| (url.scheme, url.host, url.port))
    }

    #[test]
    fn a_proxy_has_a_scheme_a_host_and_a_port() {
        assert_eq!(read("http://proxy.example:3128"), Ok((Scheme::Http, "proxy.example".into(), 3128)));
        assert_eq!(read("HTTP://Proxy.Example:80/"), Ok((Scheme::Http, "proxy.example".into(), 80)));
        assert_eq!(read("https://[::1]:8443"), Ok((Scheme::Https, "::1".into(), 8443)));
        assert_eq!(read("https://proxy.example"), Ok((Scheme::Https, "proxy.example".into(), 443)));
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_the_reason() {
        for (text, why) in [
            ("proxy.example:3128", "is not the URL of a proxy"),
            ("http://proxy.example", "names no port"),
            ("socks5h://proxy.example:1080", "SOCKS"),
            ("ftp://proxy.example:21", "other than http or https"),
            ("http://proxy.example:3128/pac", "has a path"),
            ("http://proxy.example:3128?x", "has a path"),
            ("http://proxy.example:0", "no port from 1"),
            ("http://:3128", "no valid host name"),
            ("http://[proxy]:3128", "no IPv6 address"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn credentials_in_the_url_are_refused_and_not_shown() {
        for text in ["http://marker:word@proxy.example:3128", "marker:word@proxy.example:3128", "http://marker@p:1"] {
            let message = read(text).unwrap_err();
            assert!(message.contains("egress_credentials_file") && !message.contains("marker"), "{message}");
            assert!(!message.contains("word@"), "{message}");
        }
    }
}
