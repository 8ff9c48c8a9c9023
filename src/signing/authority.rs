//! `host[:port]`, as in URLs and `Host` headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// Longest host name in bytes (RFC 1035 section 2.3.4, without the length octets).
const LONGEST_NAME: usize = 253;
/// Longest label of a host name in bytes (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A host with an optional port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'t> {
    /// A name or an IP address; IPv6 in brackets.
    pub host: &'t str,
    /// The port, if the text has one.
    pub port: Option<u16>,
}

/// Why a text is not an authority. Messages show no more than the host, because the rest may be a password. They
/// complete a sentence that begins with the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// There is a `[` without a `]`.
    #[error("has a `[` without a `]`")]
    OpenBracket,
    /// The brackets have no IPv6 address in them. A zone (`%eth0`) is refused too, because it has a meaning on one
    /// machine only.
    #[error("has no IPv6 address in its brackets")]
    BracketedHost,
    /// After the `]` there is something other than a port.
    #[error("has something other than a port after the `]`")]
    AfterBracket,
    /// There are several colons outside brackets.
    #[error("has an IPv6 address without brackets: write [::1]")]
    BareIpv6,
    /// The port is not a number from 1 to 65535.
    #[error("has no port from 1 to 65535 after the `:`")]
    Port,
    /// The host is an internationalized name that is not encoded.
    #[error("has a host with characters beyond ASCII: write its `xn--` form")]
    NotAscii,
    /// The host is neither an address nor a name of lower-case letters, digits, `-`, `_` and dots.
    #[error("has no valid host name")]
    HostName,
    /// The host looks like a number. Resolvers disagree about `127.1`, `0x7f.1` and `2130706433`, so whether they are
    /// loopback is unclear.
    #[error("has the host `{0}`, which is neither a name nor an IPv4 address of four numbers")]
    NumericHost(String),
}

impl<'t> Authority<'t> {
    /// Splits and checks `host[:port]`. The host must be in lower case already.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn parse(text: &'t str) -> Result<Self, AuthorityError> {
        let end = if text.starts_with('[') {
            text.find(']').map(|at| at.saturating_add(1)).ok_or(AuthorityError::OpenBracket)?
        } else {
            text.find(':').unwrap_or(text.len())
        };
        let (host, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        if let Some(address) = bracketed(host) {
            address.parse::<Ipv6Addr>().map_err(|_| AuthorityError::BracketedHost)?;
        } else {
            check_name(host)?;
        }
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return Err(AuthorityError::AfterBracket),
            Some(port) if port.contains(':') => return Err(AuthorityError::BareIpv6),
            Some(port) => Some(parse_port(port)?),
        };
        Ok(Self { host, port })
    }
}

/// Whether a host is on this machine, by its text alone. A name that only resolves to a loopback address does not
/// count, except `localhost`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || bracketed(host).is_some_and(|host| host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()))
}

fn bracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']'))
}

fn parse_port(text: &str) -> Result<u16, AuthorityError> {
    // `parse` alone would accept `+443`
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or(AuthorityError::Port)
}

/// A host name or an IPv4 address.
fn check_name(host: &str) -> Result<(), AuthorityError> {
    if !host.is_ascii() {
        return Err(AuthorityError::NotAscii);
    }
    let bare = host.strip_suffix('.').unwrap_or(host);
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let label = |label: &str| {
        let length = (1..=LONGEST_LABEL).contains(&label.len());
        length && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    if host.len() > LONGEST_NAME || !bare.split('.').all(label) {
        return Err(AuthorityError::HostName);
    }
    let last = bare.rsplit('.').next().unwrap_or(bare);
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if number && host.parse::<Ipv4Addr>().is_err() {
        return Err(AuthorityError::NumericHost(host.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_with_an_optional_port() {
        for (text, host, port) in [
            ("example.com", "example.com", None),
            ("example.com.", "example.com.", None),
            ("a_b:8000", "a_b", Some(8000)),
            ("10.0.0.1:1", "10.0.0.1", Some(1)),
            ("[::1]:65535", "[::1]", Some(65535)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
        ] {
            assert_eq!(Authority::parse(text), Ok(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn anything_but_an_authority_is_refused() {
        for text in [
            "",
            ":80",
            ".",
            "a..b",
            "-a",
            "a-",
            "a b",
            "A",
            "ex%61mple",
            "é",
            "a:",
            "a:0",
            "a:+1",
            "a:65536",
            "a:b",
            "[",
            "[::1",
            "[]",
            "[1.2.3.4]",
            "[::1]x",
            "[::1%1]",
            "::1",
            "127.1",
            "1",
            "0x7f.1",
            "0x7f000001",
            "1.2.3.4.5",
            "256.0.0.1",
            "1.2.3.4.",
            "a/b",
            "a@b",
            "a\\b",
        ] {
            assert!(Authority::parse(text).is_err(), "{text:?}");
        }
        assert!(Authority::parse(&"a".repeat(64)).is_err());
        assert!(Authority::parse(&"a.".repeat(200)).is_err());
    }

    #[test]
    fn only_the_text_decides_what_is_loopback() {
        for host in ["localhost", "127.0.0.1", "127.255.255.254", "[::1]", "[0:0:0:0:0:0:0:1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["localhost.", "localhost.example.com", "10.0.0.1", "128.0.0.1", "[::]", "[::ffff:127.0.0.1]", "::1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
