//! The part of the endpoint that is signed: the `Host` header and the path, both from configuration.

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// Where a signature is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningTarget {
    /// The `Host` header as sent, lower case, with the port unless it is the scheme's default.
    pub host: String,
    /// The path on the request line, `/` when empty.
    pub path: String,
}

/// Why a URL is not an endpoint's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Neither `http://` nor `https://`.
    #[error("an endpoint begins with https:// or http://")]
    Scheme,
    /// A user name or password, which belong in no configuration.
    #[error("an endpoint has no user name or password")]
    UserInfo,
    /// A `?`: a POST is signed without a query string.
    #[error("an endpoint has no query string")]
    Query,
    /// A `#`, which no request line can carry.
    #[error("an endpoint has no fragment")]
    Fragment,
    /// No host, or one that is neither a name nor an address.
    #[error("the endpoint's host is neither a name (letters, digits, `-`, `_`, dots) nor an IP address")]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("the endpoint's port is not a number from 1 to 65535")]
    Port,
    /// A byte in the path that RFC 3986 wants escaped: two programs would not write it alike on the request line.
    #[error("the endpoint's path has a character that must be percent-encoded")]
    Path,
}

impl SigningTarget {
    /// Longest host name in bytes, without a trailing dot (RFC 1035 section 2.3.4, less the length octets).
    const MAX_NAME: usize = 253;

    /// Reads an endpoint's URL. The host is lower-cased and keeps a trailing dot, the scheme's default port is left out, the
    /// path keeps its bytes.
    ///
    /// # Errors
    /// A [`TargetError`] that says which part cannot be used.
    pub fn from_url(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "https" => 443,
            "http" => 80,
            _ => return Err(TargetError::Scheme),
        };
        if rest.contains('#') {
            return Err(TargetError::Fragment);
        }
        if rest.contains('?') {
            return Err(TargetError::Query);
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        if authority.contains('@') {
            return Err(TargetError::UserInfo);
        }
        if !path.bytes().all(is_path_byte) {
            return Err(TargetError::Path);
        }
        let (host, port) = split_port(authority)?;
        check_host(host)?;
        let host = host.to_ascii_lowercase();
        let host = match port.map(parse_port).transpose()? {
            Some(port) if port != default_port => format!("{host}:{port}"),
            Some(_) | None => host,
        };
        Ok(Self { host, path: path.to_owned() })
    }
}

/// Separates the port; the colons inside an IPv6 address's brackets separate nothing.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), TargetError> {
    if authority.starts_with('[') {
        let end = authority.rfind(']').ok_or(TargetError::Host)?;
        let (host, rest) = authority.split_at(end.saturating_add(1));
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(TargetError::Host),
        };
    }
    Ok(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))))
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    // `parse` alone would take `+443`
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0).ok_or(TargetError::Port)
}

fn check_host(host: &str) -> Result<(), TargetError> {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').ok_or(TargetError::Host)?;
        return address.parse::<Ipv6Addr>().map(drop).map_err(|_| TargetError::Host);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let plain = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // a last label of digits makes it an address for the URL standard: `127.1` and `1.2.3.256` are no names
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let address_if_numeric = !numeric || name.parse::<Ipv4Addr>().is_ok();
    let usable = name.len() <= SigningTarget::MAX_NAME && name.split('.').all(plain) && address_if_numeric;
    if usable { Ok(()) } else { Err(TargetError::Host) }
}

/// RFC 3986 section 3.3: `pchar`, `%` of its escapes, and `/`.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'%'
                | b'/'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_written_as_the_host_header_has_it() {
        for (url, host) in [
            ("https://importexport.amazonaws.com", "importexport.amazonaws.com"),
            ("https://ImportExport.AmazonAWS.com/", "importexport.amazonaws.com"),
            ("HTTPS://h.example:443/", "h.example"),
            ("http://h.example:443/", "h.example:443"),
            ("http://h.example:0080/", "h.example"),
            ("https://h.example:80/", "h.example:80"),
            ("https://h.example./", "h.example."),
            ("https://[2001:DB8::1]:8443/x", "[2001:db8::1]:8443"),
            ("https://[::1]/", "[::1]"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ] {
            assert_eq!(SigningTarget::from_url(url).unwrap().host, host, "{url}");
        }
    }

    #[test]
    fn the_path_keeps_its_bytes() {
        for (url, path) in [
            ("https://h.example", "/"),
            ("https://h.example/", "/"),
            ("https://h.example//a/../B%2f/", "//a/../B%2f/"),
            ("https://h.example/$x@y:z", "/$x@y:z"),
        ] {
            assert_eq!(SigningTarget::from_url(url).unwrap().path, path, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_an_endpoint_is_refused_with_its_reason() {
        let long = format!("https://{}", "a.".repeat(128));
        for (url, error) in [
            ("", TargetError::Scheme),
            ("h.example", TargetError::Scheme),
            ("ftp://h.example", TargetError::Scheme),
            (" https://h.example", TargetError::Scheme),
            ("https://a:b@h.example", TargetError::UserInfo),
            ("https://h.example/?a=b", TargetError::Query),
            ("https://h.example?", TargetError::Query),
            ("https://h.example/#x", TargetError::Fragment),
            ("https://", TargetError::Host),
            ("https:///path", TargetError::Host),
            ("https://.", TargetError::Host),
            ("https://a..b", TargetError::Host),
            ("https://h\u{e9}.example", TargetError::Host),
            ("https://h.example\\x", TargetError::Host),
            ("https://127.1", TargetError::Host),
            ("https://1.2.3.256", TargetError::Host),
            ("https://[::1", TargetError::Host),
            ("https://[::1]x", TargetError::Host),
            ("https://[fe80::1%25eth0]", TargetError::Host),
            ("https://h.example:", TargetError::Port),
            ("https://h.example:0", TargetError::Port),
            ("https://h.example:+443", TargetError::Port),
            ("https://h.example:65536", TargetError::Port),
            ("https://::1", TargetError::Host),
            ("https://h.example/a b", TargetError::Path),
            ("https://h.example/\u{e9}", TargetError::Path),
            ("https://h.example/\r\nX: y", TargetError::Path),
            (&long, TargetError::Host),
        ] {
            assert_eq!(SigningTarget::from_url(url), Err(error), "{url}");
        }
    }
}
