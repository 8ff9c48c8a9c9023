//! Parses the URL of an endpoint, for the configuration and for the commands that sign and verify.

use thiserror::Error;

use super::authority::{Authority, AuthorityError};

/// An endpoint's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    /// The part before `://`.
    pub scheme: Scheme,
    /// Host name (lower case) or IP address (IPv6 in brackets); a trailing dot stays.
    pub host: String,
    /// The port; the scheme's default if the URL has none.
    pub port: u16,
    /// The path with its bytes unchanged, because it is signed and a URL library would normalize it. `/` if the URL has
    /// none.
    pub path: String,
}

/// The protocol of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The name before `://`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The value of the `Host` header: the scheme's default port is left out.
    #[must_use]
    pub fn authority(self, host: &str, port: u16) -> String {
        if port == self.default_port() { host.to_owned() } else { format!("{host}:{port}") }
    }
}

/// Why a URL cannot be an endpoint. Messages show no more than the host, because the rest may be a password or a
/// signature. They complete a sentence that begins with the URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// There is no `://`.
    #[error("is not an absolute URL: write e.g. \"https://importexport.amazonaws.com/\"")]
    Relative,
    /// The scheme is neither `http` nor `https`.
    #[error("begins with a scheme other than https or http")]
    Scheme,
    /// There is a `#`, which cannot be sent on a request line.
    #[error("has a fragment (`#...`), which is never sent: remove it")]
    Fragment,
    /// There is a `?`. A POST is signed without a query string.
    #[error("has a query string (`?...`): requests are forms, and nothing else is signed; remove it")]
    Query,
    /// There is a user name or password.
    #[error("has user info (`...@`): keys go into a sealed file; remove it")]
    UserInfo,
    /// The host or the port is invalid.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The path has a character that RFC 3986 section 3.3 requires to be escaped. Programs differ in how they send it.
    #[error("has {0:?} in its path: percent-encode it")]
    Path(char),
}

impl EndpointUrl {
    /// Parses an endpoint's URL. The host is lower-cased and keeps a trailing dot, the path keeps its bytes.
    ///
    /// # Errors
    /// A [`UrlError`] that names the invalid part.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Relative)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        if rest.contains('?') {
            return Err(UrlError::Query);
        }
        let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let authority = authority.to_ascii_lowercase();
        let authority = Authority::parse(&authority)?;
        if let Some(wrong) = path.chars().find(|c| !is_path_character(*c)) {
            return Err(UrlError::Path(wrong));
        }
        Ok(Self {
            scheme,
            host: authority.host.to_owned(),
            port: authority.port.unwrap_or(scheme.default_port()),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        })
    }

    /// The value of the `Host` header: the scheme's default port is left out, and so is the dot of an absolute name,
    /// which is for resolvers only. Servers know themselves, and their certificates, by the name without it.
    #[must_use]
    pub fn authority(&self) -> String {
        self.scheme.authority(self.name(), self.port)
    }

    /// The host without a trailing dot.
    #[must_use]
    pub fn name(&self) -> &str {
        self.host.strip_suffix('.').unwrap_or(&self.host)
    }
}

/// RFC 3986 section 3.3: `pchar`, the `%` of its escapes, and `/`.
fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%/".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(scheme: Scheme, host: &str, port: u16, path: &str) -> EndpointUrl {
        EndpointUrl { scheme, host: host.into(), port, path: path.into() }
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
            assert_eq!(EndpointUrl::parse(text), Ok(expected), "{text}");
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
            let message = EndpointUrl::parse(text).unwrap_err().to_string();
            assert!(message.contains(why), "{text}: {message}");
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
            let message = EndpointUrl::parse(text).unwrap_err().to_string();
            assert!(message.contains(why) && !message.contains("marker"), "{message}");
        }
    }
}
