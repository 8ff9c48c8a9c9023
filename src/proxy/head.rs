//! Checks of a request's head before its body is read: a form, for one of our names, not from a web page. The grammar
//! of the head and the framing of the body have been checked before (`http1::request_head`).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use http::header::HeaderName;
use thiserror::Error;

use super::unrouted::{Asked, Hidden, Served};
use crate::downstream::RequestHead;
use crate::http1::{Fields, same_name, without_port};
use crate::query::{Charset, FormPlace, ShownName};
use crate::upstream::client::VIA_COUNTERSIGN;

/// Ends a configured name that is ours with any port.
const ANY_PORT: &str = ":*";

/// Why a head is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum HeadError {
    /// No route for this host and path.
    #[error("{asked}")]
    RouteNotFound {
        asked: Asked,
        /// For the log: the client is told less.
        #[source]
        served: Served,
    },
    /// A route on which the rules of the client allow nothing, where the listener hides such routes. The client is told
    /// the same as of a route that does not exist.
    #[error("{asked}")]
    RouteHidden {
        asked: Asked,
        /// For the log.
        #[source]
        hidden: Hidden,
    },
    /// Neither POST nor GET where a GET is accepted.
    #[error("only {0} is allowed")]
    Method(&'static str),
    /// Not a form in UTF-8.
    #[error("the Content-Type must be application/x-www-form-urlencoded, in UTF-8; it {0}")]
    MediaType(Came),
    /// Compressed or otherwise encoded.
    #[error("a Content-Encoding is not allowed: turn off request compression in the client; it {0}")]
    ContentEncoding(Came),
    /// A web page sent the request.
    #[error("requests from web pages are not allowed")]
    WebPage,
    /// `Host` is not one of the listener's names.
    #[error(
        "the Host is not one of this listener's names; add it to the listener's or the route's `hosts` if it should be \
         (it is {0})"
    )]
    ForeignHost(ShownName),
    /// The same, where the client takes this for a forward proxy: the target is a URL of another host.
    #[error(
        "countersign is not a forward proxy: set the SDK's endpoint URL to its address, not the SDK's HTTP proxy; the \
         request is for {0}"
    )]
    ForwardProxy(ShownName),
    /// No `Host`, more than one, or not text.
    #[error("the request must have exactly one Host")]
    Host,
    /// A `?` in the request target.
    #[error("a query string is not allowed: parameters belong in the body")]
    QueryString,
    /// A body, and a GET or a query string.
    #[error("a request whose parameters are in the query string must have no body")]
    BodyBesideQuery,
    /// A query string that would be too large a body.
    #[error("the query string is larger than {limit} bytes, which is `limits.body` of the route")]
    QueryTooLong { limit: usize },
    /// Neither `Content-Length` nor `Transfer-Encoding`: the body would be taken for the next request.
    #[error("the request must say how long its body is, by Content-Length or Transfer-Encoding: chunked")]
    LengthRequired,
    /// `Expect` has another value than `100-continue`.
    #[error("the only expectation supported is 100-continue")]
    Expectation,
    /// The header field that the listener requires is missing.
    #[error("the request lacks a header that this listener requires")]
    RequiredHeader,
    /// The request has passed through countersign before.
    #[error("the request has passed through countersign before: an endpoint points back to a listener")]
    Loop,
}

/// What came in a header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    One(ShownName),
    Several,
}

impl Came {
    fn in_field(fields: &Fields, name: &str) -> Self {
        let mut values = fields.all(name);
        match (values.next(), values.next()) {
            (None, _) => Self::Nothing,
            (Some(value), None) => Self::One(ShownName::of(&String::from_utf8_lossy(value))),
            (Some(_), Some(_)) => Self::Several,
        }
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("is missing"),
            Self::One(value) => write!(f, "is {value}"),
            Self::Several => f.write_str("came more than once"),
        }
    }
}

/// A `Host` value, compared without regard to case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostName<'a>(&'a [u8]);

impl HostName<'_> {
    /// As messages show it.
    pub(super) fn shown(self) -> ShownName {
        ShownName::of(&String::from_utf8_lossy(self.0))
    }

    /// Whether this is `name`, which is in lower case.
    #[must_use]
    pub(super) fn is(self, name: &str) -> bool {
        same_name(self.0, name)
    }
}

/// The part of a head that chooses a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTarget<'a> {
    /// The value of the `Host` field, or the authority of a target in absolute form.
    pub(super) host: HostName<'a>,
    /// The path on the request line.
    pub(super) path: &'a str,
}

/// The names under which a listener may be called. A web page that lets its own name resolve to our address (DNS
/// rebinding) cannot send one of these as its `Host`.
#[derive(Debug, Clone)]
pub struct OwnNames {
    exact: Vec<String>,
    /// Names that are ours with every port and without one.
    with_any_port: Vec<String>,
    /// The ports of every IP address.
    ports_of_any_address: Vec<u16>,
}

impl OwnNames {
    /// The listener's TCP addresses, and the configured `extra` names in lower case, of which `name:*` is one with any
    /// port. A listener on the unspecified address answers to every IP address literal with its port. Loopback
    /// addresses and `localhost` are names of every listener, with any port and without one: ports are forwarded and
    /// mapped, and some libraries leave them out. A web page cannot let a name of its own be one of these.
    #[must_use]
    pub fn new(addresses: &[SocketAddr], extra: &[String]) -> Self {
        let mut exact: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let portless: Vec<String> =
            exact.iter().filter_map(|name| name.strip_suffix(":80")).map(str::to_owned).collect();
        exact.extend(portless);
        exact.extend(extra.iter().filter(|name| !name.ends_with(ANY_PORT)).cloned());
        let with_any_port = extra.iter().filter_map(|name| name.strip_suffix(ANY_PORT)).map(str::to_owned).collect();
        let everywhere = addresses.iter().filter(|address| address.ip().is_unspecified());
        Self { exact, with_any_port, ports_of_any_address: everywhere.map(SocketAddr::port).collect() }
    }

    fn admit(&self, host: HostName<'_>) -> bool {
        let is_address = || {
            let address = text(host.0).and_then(|host| host.parse().ok());
            address.is_some_and(|address: SocketAddr| self.ports_of_any_address.contains(&address.port()))
        };
        let name = || text(host.0).and_then(without_port);
        let is_with_any_port =
            || name().is_some_and(|name| self.with_any_port.iter().any(|ours| name.eq_ignore_ascii_case(ours)));
        self.exact.iter().any(|name| host.is(name))
            || name().is_some_and(is_loopback)
            || is_with_any_port()
            || is_address()
    }
}

/// Whether a host is `localhost` or a loopback address, perhaps with the dot that ends a name.
fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let in_brackets = || name.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || in_brackets().is_some_and(|address| address.to_canonical().is_loopback())
}

/// Reads the host and the path, which choose a route.
///
/// # Errors
/// A head without exactly one readable `Host`, also where the target's authority takes its place.
pub(super) fn target(head: &RequestHead) -> Result<RequestTarget<'_>, HeadError> {
    let field = head.fields().only("host").filter(|host| host.is_ascii()).ok_or(HeadError::Host)?;
    let host = head.authority().map_or(field, str::as_bytes);
    Ok(RequestTarget { host: HostName(host), path: head.path() })
}

/// Checks that the request has the field that the listener requires, with any value: a web page's form cannot set it.
///
/// # Errors
/// [`HeadError::RequiredHeader`].
pub(super) fn require(head: &RequestHead, field: Option<&HeaderName>) -> Result<(), HeadError> {
    match field {
        Some(field) if !head.fields().contain(field.as_str()) => Err(HeadError::RequiredHeader),
        Some(_) | None => Ok(()),
    }
}

/// Where an admitted request has its form, and in what charset.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdmittedForm {
    pub(super) place: FormPlace,
    pub(super) charset: Charset,
}

/// Checks a head for a route whose `hosts` are `own` and which accepts forms in these places. Nothing of the body has
/// been read yet.
///
/// # Errors
/// The first fault found. Who sent the request is checked before what it is. Without `names`, every name is the
/// listener's.
pub(super) fn admit(
    head: &RequestHead,
    host: HostName<'_>,
    own: &[String],
    accept: &[FormPlace],
    names: Option<&OwnNames>,
) -> Result<AdmittedForm, HeadError> {
    let fields = head.fields();
    if names.is_some_and(|names| !names.admit(host)) && !own.iter().any(|name| host.is(name)) {
        let shown = host.shown();
        let is_url = head.authority().is_some();
        return Err(if is_url { HeadError::ForwardProxy(shown) } else { HeadError::ForeignHost(shown) });
    }
    if fields.contain("origin") || fields.contain("sec-fetch-site") {
        return Err(HeadError::WebPage);
    }
    let place = place(head, accept)?;
    if place.is_query() && browses(fields) {
        return Err(HeadError::WebPage);
    }
    if fields.all("via").any(names_us) {
        return Err(HeadError::Loop);
    }
    match place {
        FormPlace::PostBody if head.has_query() => return Err(HeadError::QueryString),
        FormPlace::GetQuery | FormPlace::PostQuery if announces_a_body(fields) => {
            return Err(HeadError::BodyBesideQuery);
        }
        FormPlace::PostBody | FormPlace::GetQuery | FormPlace::PostQuery => {}
    }
    if fields.all("expect").any(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(HeadError::Expectation);
    }
    if !fields.all("content-encoding").all(|coding| same_name(coding, "identity")) {
        return Err(HeadError::ContentEncoding(Came::in_field(fields, "content-encoding")));
    }
    let named = fields.only("content-type").and_then(charset);
    let charset = match (place, named) {
        (_, Some(charset)) => charset,
        (FormPlace::PostBody, None) => return Err(HeadError::MediaType(Came::in_field(fields, "content-type"))),
        // there is no content that the field could be about
        (FormPlace::GetQuery | FormPlace::PostQuery, None) => Charset::Utf8,
    };
    Ok(AdmittedForm { place, charset })
}

/// The query string, which is the form.
///
/// # Errors
/// [`HeadError::QueryTooLong`]: it is larger than a body may be.
pub(super) fn query(head: &RequestHead, limit: usize) -> Result<&str, HeadError> {
    let query = head.query();
    if query.len() > limit { Err(HeadError::QueryTooLong { limit }) } else { Ok(query) }
}

/// The methods that a route accepts, as the field `Allow` has them.
pub(super) fn allowed_methods(accept: &[FormPlace]) -> &'static str {
    if accept.contains(&FormPlace::GetQuery) { "GET, POST" } else { "POST" }
}

/// Where the form of a request is.
fn place(head: &RequestHead, accept: &[FormPlace]) -> Result<FormPlace, HeadError> {
    let fields = head.fields();
    match head.method() {
        "GET" if accept.contains(&FormPlace::GetQuery) => Ok(FormPlace::GetQuery),
        "POST" if !fields.contain("content-length") && !fields.contain("transfer-encoding") => {
            Err(HeadError::LengthRequired)
        }
        "POST" if head.has_query() && accept.contains(&FormPlace::PostQuery) => Ok(FormPlace::PostQuery),
        "POST" => Ok(FormPlace::PostBody),
        _ => Err(HeadError::Method(allowed_methods(accept))),
    }
}

/// Where the form of a request is whose route, and with it what the route accepts, is not known yet. What [`admit`]
/// admits later has its form there.
pub(super) fn likely_place(head: &RequestHead) -> FormPlace {
    match head.method() {
        "GET" => FormPlace::GetQuery,
        "POST" if head.has_query() && !announces_a_body(head.fields()) => FormPlace::PostQuery,
        _ => FormPlace::PostBody,
    }
}

/// Whether a body is announced; an empty one is none. Whether chunks are empty is not known before they come.
fn announces_a_body(fields: &Fields) -> bool {
    // digits only: the length is well-formed
    let is_empty = |length: &[u8]| length.iter().all(|digit| *digit == b'0');
    fields.contain("transfer-encoding") || !fields.all("content-length").all(is_empty)
}

/// Whether a request bears marks that browsers put on what they load for a page, and that the page cannot remove: for
/// an image or a link there is no `Origin`, and no `Sec-Fetch-Site` from browsers older than 2023, nor from any over
/// plain HTTP to a name other than `localhost`. Programs that run on Node.js write the `*` and `Sec-Fetch-Mode`. A page
/// can write the `*` too, since `Accept-Language` is one of the few fields that it may set, but nothing that begins
/// with `Sec-`; and no browser sends that mode without the site.
fn browses(fields: &Fields) -> bool {
    let is_node = |languages| languages == b"*" && fields.contain("sec-fetch-mode");
    fields.contain("referer") || !fields.all("accept-language").all(is_node)
}

/// A value that is ASCII.
fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|value| value.is_ascii())
}

fn names_us(via: &[u8]) -> bool {
    // our own entry is ASCII
    via.is_ascii() && via.split(|byte| *byte == b',').any(|hop| hop.trim_ascii() == VIA_COUNTERSIGN.as_bytes())
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The charset of a form. [`FORM`] stands alone or with a `charset` (RFC 9110 section 8.3: names without regard to
/// case, values possibly quoted). `None` for anything else.
fn charset(media_type: &[u8]) -> Option<Charset> {
    // the common case first: no parameters
    if media_type.eq_ignore_ascii_case(FORM.as_bytes()) {
        return Some(Charset::Utf8);
    }
    let mut parts = text(media_type)?.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    if !essence.eq_ignore_ascii_case(FORM) {
        return None;
    }
    parts.filter(|parameter| !parameter.is_empty()).try_fold(Charset::Utf8, |before, parameter| {
        let (name, value) = parameter.split_once('=')?;
        let unquoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        let charset = Charset::named(unquoted.unwrap_or(value)).filter(|_| name.eq_ignore_ascii_case("charset"))?;
        // two names for one form: the stricter one holds
        Some(if charset == Charset::LikeAscii { charset } else { before })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_in_utf8_or_a_charset_like_ascii_are_forms() {
        for good in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; Charset=\"UTF-8\"",
            "application/x-www-form-urlencoded;charset=utf-8",
            "application/x-www-form-urlencoded;charset=utf8;",
            "application/x-www-form-urlencoded; charset='UTF-8' ;",
            "application/x-www-form-urlencoded;",
        ] {
            assert_eq!(charset(good.as_bytes()), Some(Charset::Utf8), "{good}");
        }
        for other in [
            "application/x-www-form-urlencoded; charset=ISO-8859-1",
            "application/x-www-form-urlencoded; charset=\"windows-1252\"; charset=utf-8",
        ] {
            assert_eq!(charset(other.as_bytes()), Some(Charset::LikeAscii), "{other}");
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
            assert_eq!(charset(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_listener_answers_to_its_address_to_loopback_and_to_configured_names_only() {
        let extra = ["signer.internal".to_owned(), "mapped.internal:*".to_owned(), "[2001:db8::1]:*".to_owned()];
        let of = |address: &str, extra: &[String]| OwnNames::new(&[address.parse().unwrap()], extra);
        let names = of("127.0.0.1:8021", &extra);
        for own in [
            "127.0.0.1:8021",
            "localhost:8021",
            "LocalHost:8021",
            "localhost",
            "localhost.",
            "localhost.:9000",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.9.9.9:65535",
            "127.0.0.1.:8021",
            "[::1]",
            "[::1]:8021",
            "[::ffff:127.0.0.1]:1",
            "signer.internal",
            "mapped.internal",
            "Mapped.internal:1",
            "[2001:db8::1]:9",
        ] {
            assert!(names.admit(HostName(own.as_bytes())), "{own}");
        }
        for foreign in [
            "attacker.example:8021",
            "",
            ":8021",
            "localhost:",
            "localhost:+80",
            "localhost:65536",
            "localhost..",
            "localhost.attacker.example",
            "attacker.localhost",
            "127.1:8021",
            "0x7f.0.0.1",
            "2130706433",
            "128.0.0.1",
            "[::2]:8021",
            "::1",
            "[::1",
            "signer.internal:8021",
            "signer.internal.",
            "x.mapped.internal",
            "mapped.internal:*",
            "user@127.0.0.1:8021",
            "127.0.0.1:8021, attacker.example",
        ] {
            assert!(!names.admit(HostName(foreign.as_bytes())), "{foreign}");
        }
    }

    #[test]
    fn a_listener_answers_to_each_of_its_addresses_and_to_every_one_where_it_listens_on_all() {
        let of = |address: &str| OwnNames::new(&[address.parse().unwrap()], &[]);
        let everywhere = of("0.0.0.0:8021");
        assert!(everywhere.admit(HostName(b"192.0.2.7:8021")));
        assert!(!everywhere.admit(HostName(b"192.0.2.7:8022")));
        assert!(!everywhere.admit(HostName(b"attacker.example:8021")));
        let web = of("127.0.0.1:80");
        assert!(web.admit(HostName(b"localhost")) && web.admit(HostName(b"127.0.0.1:80")));
        let several = ["192.0.2.1:80", "[2001:db8::1]:8021", "0.0.0.0:8022"].map(|address| address.parse().unwrap());
        let several = OwnNames::new(&several, &[]);
        for own in ["192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:8021", "198.51.100.1:8022"] {
            assert!(several.admit(HostName(own.as_bytes())), "{own}");
        }
        for foreign in ["192.0.2.1:8021", "[2001:db8::1]", "198.51.100.1:8021"] {
            assert!(!several.admit(HostName(foreign.as_bytes())), "{foreign}");
        }
    }
}
