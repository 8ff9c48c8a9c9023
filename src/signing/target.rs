//! The part of the endpoint's URL that is signed: the `Host` header and the path, both from the configuration.

use super::url::{EndpointUrl, UrlError};

/// The host and path for which a signature is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningTarget {
    /// The value of the `Host` header: lower case, with the port unless it is the scheme's default.
    pub host: String,
    /// The path on the request line; `/` when the URL has none.
    pub path: String,
}

impl SigningTarget {
    /// Parses an endpoint's URL. The host is lower-cased and loses a trailing dot, the scheme's default port is left
    /// out, and the path keeps its bytes.
    ///
    /// # Errors
    /// A [`UrlError`] that names the invalid part.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let url = EndpointUrl::parse(url)?;
        Ok(Self { host: url.authority(), path: url.path })
    }
}

#[cfg(test)]
mod tests {
    use super::super::authority::AuthorityError;
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
            ("https://h.example./", "h.example"),
            ("https://h.example.:8443/", "h.example:8443"),
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
            ("", UrlError::Relative),
            ("h.example", UrlError::Relative),
            ("ftp://h.example", UrlError::Scheme),
            (" https://h.example", UrlError::Scheme),
            ("https://a:b@h.example", UrlError::UserInfo),
            ("https://h.example/?a=b", UrlError::Query),
            ("https://h.example?", UrlError::Query),
            ("https://h.example/#x", UrlError::Fragment),
            ("https://", UrlError::Authority(AuthorityError::HostName)),
            ("https:///path", UrlError::Authority(AuthorityError::HostName)),
            ("https://.", UrlError::Authority(AuthorityError::HostName)),
            ("https://a..b", UrlError::Authority(AuthorityError::HostName)),
            ("https://h\u{e9}.example", UrlError::Authority(AuthorityError::NotAscii)),
            ("https://h.example\\x", UrlError::Authority(AuthorityError::HostName)),
            ("https://127.1", UrlError::Authority(AuthorityError::NumericHost("127.1".to_owned()))),
            ("https://1.2.3.256", UrlError::Authority(AuthorityError::NumericHost("1.2.3.256".to_owned()))),
            ("https://[::1", UrlError::Authority(AuthorityError::OpenBracket)),
            ("https://[::1]x", UrlError::Authority(AuthorityError::AfterBracket)),
            ("https://[fe80::1%25eth0]", UrlError::Authority(AuthorityError::BracketedHost)),
            ("https://h.example:", UrlError::Authority(AuthorityError::Port)),
            ("https://h.example:0", UrlError::Authority(AuthorityError::Port)),
            ("https://h.example:+443", UrlError::Authority(AuthorityError::Port)),
            ("https://h.example:65536", UrlError::Authority(AuthorityError::Port)),
            ("https://::1", UrlError::Authority(AuthorityError::HostName)),
            ("https://h.example/a b", UrlError::Path(' ')),
            ("https://h.example/\u{e9}", UrlError::Path('\u{e9}')),
            ("https://h.example/\r\nX: y", UrlError::Path('\r')),
            (&long, UrlError::Authority(AuthorityError::HostName)),
        ] {
            assert_eq!(SigningTarget::from_url(url), Err(error), "{url}");
        }
    }
}
