//! What a request's head must be before anything else is looked at: a form POST, meant for us, not from a web page. That it is
//! framed plainly, and its target a path, has been seen to before (`downstream::request_head`).

use std::net::SocketAddr;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, ORIGIN, TRANSFER_ENCODING, VIA,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use thiserror::Error;

use crate::upstream::client::VIA_COUNTERSIGN;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeadError {
    /// No route for this host and path.
    #[error("no route is configured for this Host and path")]
    RouteNotFound,
    /// Not POST.
    #[error("only POST is allowed")]
    Method,
    /// Not a form in UTF-8.
    #[error("the Content-Type must be application/x-www-form-urlencoded, in UTF-8")]
    MediaType,
    /// Compressed or otherwise encoded.
    #[error("a Content-Encoding is not allowed")]
    ContentEncoding,
    /// Sent by a web page.
    #[error("requests from web pages are not allowed")]
    WebPage,
    /// `Host` names somebody else.
    #[error(
        "the Host is not one of this listener's names; add it to the listener's or the route's `hosts` if it should be"
    )]
    ForeignHost,
    /// No `Host`, more than one, or not text.
    #[error("the request must have exactly one Host")]
    Host,
    /// A `?` in the request target.
    #[error("a query string is not allowed: parameters belong into the body")]
    QueryString,
    /// Neither `Content-Length` nor `Transfer-Encoding`: what follows the head would be taken for the next request.
    #[error("the request must say how long its body is, by Content-Length or Transfer-Encoding: chunked")]
    LengthRequired,
    /// An expectation nobody defined.
    #[error("the only expectation supported is 100-continue")]
    Expectation,
    /// Without the header field that the listener requires of every request.
    #[error("the request lacks a header that this listener requires")]
    RequiredHeader,
    /// The request has passed through a countersign before.
    #[error("the request has passed through countersign before: an endpoint points back to a listener")]
    Loop,
}

/// A `Host` value, compared without regard to case.
#[derive(Debug, Clone, Copy)]
pub struct HostName<'a>(&'a str);

impl HostName<'_> {
    /// Whether this is `name`, which is in lower case.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

/// The part of a head that chooses a route.
#[derive(Debug, Clone, Copy)]
pub struct RequestTarget<'a> {
    /// From the `Host` field.
    pub host: HostName<'a>,
    /// The path on the request line.
    pub path: &'a str,
}

/// The names under which a listener may be called. A page that resolves its own name to our address (DNS rebinding) cannot
/// choose one of these.
#[derive(Debug, Clone)]
pub struct OwnNames(Names);

#[derive(Debug, Clone)]
enum Names {
    /// A Unix socket: no page and no name leads there.
    Any,
    Tcp {
        exact: Vec<String>,
        any_address_with_port: Option<u16>,
    },
}

impl OwnNames {
    /// The listener's address, `localhost` with its port when that reaches it, and the configured `extra` names (lower case).
    /// A listener on the unspecified address answers to every IP address literal with its port.
    #[must_use]
    pub fn new(address: SocketAddr, extra: &[String]) -> Self {
        let port = address.port();
        let mut exact = vec![address.to_string()];
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            exact.push(format!("localhost:{port}"));
        }
        if port == 80 {
            let portless: Vec<String> =
                exact.iter().filter_map(|name| name.strip_suffix(":80")).map(str::to_owned).collect();
            exact.extend(portless);
        }
        exact.extend_from_slice(extra);
        Self(Names::Tcp { exact, any_address_with_port: address.ip().is_unspecified().then_some(port) })
    }

    /// Every name: for Unix sockets, which no web page reaches.
    #[must_use]
    pub const fn any() -> Self {
        Self(Names::Any)
    }

    fn admit(&self, host: HostName<'_>) -> bool {
        match &self.0 {
            Names::Any => true,
            Names::Tcp { exact, any_address_with_port } => {
                let is_address =
                    || host.0.parse().is_ok_and(|address: SocketAddr| Some(address.port()) == *any_address_with_port);
                exact.iter().any(|name| host.is(name)) || is_address()
            }
        }
    }
}

/// Reads what chooses a route.
///
/// # Errors
/// A head without exactly one readable `Host`.
pub fn target(head: &Parts) -> Result<RequestTarget<'_>, HeadError> {
    let host = single(&head.headers, &HOST).ok_or(HeadError::Host)?;
    let host = host.to_str().map_err(|_| HeadError::Host)?;
    Ok(RequestTarget { host: HostName(host), path: head.uri.path() })
}

/// Looks for the field that the listener requires, whatever its value: a form of a web page cannot set one.
///
/// # Errors
/// [`HeadError::RequiredHeader`].
pub fn require(head: &Parts, field: Option<&HeaderName>) -> Result<(), HeadError> {
    match field {
        Some(field) if !head.headers.contains_key(field) => Err(HeadError::RequiredHeader),
        Some(_) | None => Ok(()),
    }
}

/// Admits a head to a route whose own `hosts` are `own`, or says what is wrong with it. Nothing of the body has been read yet.
///
/// # Errors
/// The first fault found, the gravest first: who sent it, what it is.
pub fn admit(head: &Parts, host: HostName<'_>, own: &[String], names: &OwnNames) -> Result<(), HeadError> {
    let headers = &head.headers;
    if !names.admit(host) && !own.iter().any(|name| host.is(name)) {
        return Err(HeadError::ForeignHost);
    }
    if headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE) {
        return Err(HeadError::WebPage);
    }
    if head.method != Method::POST {
        return Err(HeadError::Method);
    }
    if !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
        return Err(HeadError::LengthRequired);
    }
    if headers.get_all(VIA).iter().any(names_us) {
        return Err(HeadError::Loop);
    }
    if head.uri.query().is_some() {
        return Err(HeadError::QueryString);
    }
    if headers.get_all(EXPECT).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(HeadError::Expectation);
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(HeadError::ContentEncoding);
    }
    let media_type = single(headers, &CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if media_type.is_some_and(is_utf8_form) { Ok(()) } else { Err(HeadError::MediaType) }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { None } else { first }
}

fn names_us(via: &HeaderValue) -> bool {
    via.to_str().is_ok_and(|via| via.split(',').any(|hop| hop.trim() == VIA_COUNTERSIGN))
}

/// `application/x-www-form-urlencoded`, alone or with `charset=utf-8` (RFC 9110 section 8.3: names without regard to case,
/// values possibly quoted).
fn is_utf8_form(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && parts.filter(|parameter| !parameter.is_empty()).all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
                name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_in_utf8_are_forms() {
        for good in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; Charset=\"UTF-8\"",
            "application/x-www-form-urlencoded;charset=utf-8",
            "application/x-www-form-urlencoded;",
        ] {
            assert!(is_utf8_form(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; charset=utf-7",
            "application/x-www-form-urlencoded; boundary=x",
            "application/x-www-form-urlencoded, text/plain",
            "application/x-www-form-urlencoded; charset=\"utf-8",
        ] {
            assert!(!is_utf8_form(bad), "{bad}");
        }
    }

    #[test]
    fn a_listener_answers_to_its_address_to_localhost_and_to_configured_names_only() {
        let names = OwnNames::new("127.0.0.1:8021".parse().unwrap(), &["signer.internal".to_owned()]);
        for own in ["127.0.0.1:8021", "localhost:8021", "LocalHost:8021", "signer.internal"] {
            assert!(names.admit(HostName(own)), "{own}");
        }
        for foreign in ["localhost", "127.0.0.1", "127.0.0.1:80", "attacker.example:8021", "[::1]:8021", ""] {
            assert!(!names.admit(HostName(foreign)), "{foreign}");
        }
        let everywhere = OwnNames::new("0.0.0.0:8021".parse().unwrap(), &[]);
        assert!(everywhere.admit(HostName("192.0.2.7:8021")));
        assert!(!everywhere.admit(HostName("192.0.2.7:8022")));
        assert!(!everywhere.admit(HostName("attacker.example:8021")));
        let web = OwnNames::new("127.0.0.1:80".parse().unwrap(), &[]);
        assert!(web.admit(HostName("localhost")) && web.admit(HostName("127.0.0.1:80")));
    }
}
