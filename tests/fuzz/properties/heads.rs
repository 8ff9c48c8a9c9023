//! The rules for request heads, written down a second time: in one pass over the fields, and without a gravest fault.

use std::net::{Ipv4Addr, Ipv6Addr};

use countersign::http1::{self, RequestHead};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

/// Most fields that a connection hands on.
const MOST_FIELDS: usize = 64;

/// The head as `http` has it.
pub(super) fn as_http(head: &RequestHead) -> Request<()> {
    let version = match head.version() {
        http1::Version::Http10 => Version::HTTP_10,
        http1::Version::Http11 => Version::HTTP_11,
    };
    let mut request = Request::builder().method(head.method()).uri(head.target()).version(version).body(()).unwrap();
    for (name, value) in head.fields().iter() {
        let (name, value) = (HeaderName::from_bytes(name).unwrap(), HeaderValue::from_bytes(value).unwrap());
        request.headers_mut().append(name, value);
    }
    assert_eq!(request.headers().len(), head.fields().count(), "`http` takes every field");
    // the authority of a target takes the place of one Host
    if let Some(authority) = head.authority().filter(|_| head.fields().only("host").is_some()) {
        request.headers_mut().insert("host", HeaderValue::from_str(authority).unwrap());
    }
    request
}

/// What no request may be that reaches a handler, whatever the handler would make of it.
pub(super) fn assert_plain(request: &Request<()>) {
    assert!(request.headers().len() <= MOST_FIELDS, "{} fields", request.headers().len());
    for (name, value) in request.headers() {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(!name.as_str().is_empty() && name.as_str().bytes().all(token), "{name:?}");
        let text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert!(value.as_bytes().iter().all(|&byte| text(byte)), "{value:?}");
    }
}

/// Whether a head may be forwarded by a listener that is called by one of `names`, in lower case, with one route at
/// `/`.
pub(super) fn is_lawful(request: &Request<()>, names: &[&str]) -> bool {
    let headers = request.headers();
    let host = values(headers, "host");
    let media_type = values(headers, "content-type");
    let framing = values(headers, "transfer-encoding");
    let lower = |value: &[u8]| String::from_utf8_lossy(value).to_ascii_lowercase();
    let imitates = |name: &str| {
        let letters = name.replace(|c: char| !c.is_ascii_alphanumeric(), "");
        ["content-length", "transfer-encoding"].iter().any(|real| letters == real.replace('-', "") && name != *real)
    };
    request.method() == "POST"
        && request.uri().to_string().as_str() == "/" // as text: to `Uri` itself, `/?` is `/`
        && host.len() == 1
        && is_own(&lower(host[0]), names)
        && media_type.len() == 1
        && is_form(&lower(media_type[0]))
        && framing.len() <= 1
        && framing.iter().all(|value| lower(value) == "chunked")
        && values(headers, "content-length").len() <= 1
        && (headers.contains_key("content-length") || headers.contains_key("transfer-encoding"))
        && values(headers, "expect").iter().all(|value| lower(value) == "100-continue")
        && !headers.keys().any(|name| imitates(name.as_str()))
        && values(headers, "content-encoding").iter().all(|value| lower(value) == "identity")
        && !["origin", "sec-fetch-site"].iter().any(|name| headers.contains_key(*name))
        && !values(headers, "via").iter().any(|via| {
            let hop = |hop: &[u8]| String::from_utf8_lossy(hop).trim_matches([' ', '\t']) == "1.1 countersign";
            // bytes beyond ASCII make it text that nobody of ours wrote
            via.is_ascii() && via.split(|&byte| byte == b',').any(hop)
        })
}

/// The values of `name` that are passed on: none when a `Connection` field claims it for this hop.
pub(super) fn passed_on(headers: &HeaderMap, name: &str) -> Vec<String> {
    let claims = |value: &&[u8]| {
        value.split(|&byte| byte == b',').any(|claimed| claimed.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    if values(headers, "connection").iter().any(claims) {
        return Vec::new();
    }
    values(headers, name).into_iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

fn values<'h>(headers: &'h HeaderMap, wanted: &str) -> Vec<&'h [u8]> {
    headers.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.as_bytes()).collect()
}

/// Whether a listener is called by one of `names`, or by a loopback name with any port or none.
fn is_own(host: &str, names: &[&str]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((_, end)) if end.ends_with(']') => host,
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok() => name,
        Some(_) => "",
        None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let in_brackets = || name.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    names.contains(&host)
        || name == "localhost"
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || in_brackets().is_some_and(|address| address.to_canonical().is_loopback())
}

/// A form, in UTF-8 or in a charset that has ASCII in its place: whether its body is ASCII then, the head does not say.
fn is_form(media_type: &str) -> bool {
    const LIKE_ASCII: [&str; 11] = [
        "ascii",
        "us-ascii",
        "ansi_x3.4",
        "iso-8859-",
        "iso8859-",
        "iso_8859-",
        "latin",
        "windows-125",
        "cp125",
        "koi8-",
        "euc-",
    ];
    let is_charset = |part: &str| {
        let Some(value) = part.strip_prefix("charset=") else { return false };
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        let name = quoted.unwrap_or(value);
        ["utf-8", "utf8"].contains(&name) || LIKE_ASCII.iter().any(|begin| name.starts_with(begin))
    };
    let mut parts = media_type.split(';').map(|part| part.trim_matches([' ', '\t']));
    parts.next() == Some("application/x-www-form-urlencoded") && parts.all(|part| part.is_empty() || is_charset(part))
}
