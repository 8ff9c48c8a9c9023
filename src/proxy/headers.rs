//! Header fields on their way through: a listed few up, all but the hop-by-hop ones down.

use http::header::{
    ALT_SVC, CONNECTION, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::response::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Version};

/// Says, on answers of our own, whether the endpoint may have received the request.
pub const SENT: HeaderName = HeaderName::from_static("x-proxy-sent");
/// Carries the request id to the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("countersign-request-id");
/// RFC 9209.
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// RFC 9110 section 7.6.1, and `Content-Length`, which is written anew from what the body is known to be.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Fields that only we may set, or that would tell a browser or client to bypass us.
const NOT_THE_ENDPOINTS: [HeaderName; 4] = [ALT_SVC, PROXY_STATUS, REQUEST_ID, SENT];

/// The fields among `listed` that the client sent, without those that its `Connection` fields claim for this hop.
#[must_use]
pub fn forwarded(headers: &HeaderMap, listed: &[HeaderName]) -> HeaderMap {
    let mut forwarded = HeaderMap::new();
    if listed.is_empty() {
        return forwarded;
    }
    let claimed = claimed_by_connection(headers);
    for name in listed.iter().filter(|name| !claimed.contains(name)) {
        for value in headers.get_all(name) {
            forwarded.append(name.clone(), value.clone());
        }
    }
    forwarded
}

/// The endpoint's answer as the client may see it: same status, end-to-end fields only, our request id.
pub fn relay(answer: &mut Parts, request_id: Option<HeaderValue>) {
    let headers = &mut answer.headers;
    let claimed = claimed_by_connection(headers);
    // few answers have more than one or two of these: they are looked for before they are taken out
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_for_this_hop(name) || claimed.contains(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
    headers.extend(request_id.map(|id| (REQUEST_ID, id)));
    answer.version = Version::HTTP_11;
    answer.extensions = Extensions::new(); // hyper would repeat the endpoint's reason phrase from there
}

fn is_for_this_hop(name: &HeaderName) -> bool {
    // answers meant for any web page on the endpoint's side are not meant for any web page on ours
    HOP_BY_HOP.contains(name) || NOT_THE_ENDPOINTS.contains(name) || name.as_str().starts_with("access-control-")
}

/// The names in every `Connection` field. One that has something else in it claims its names all the same.
fn claimed_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let elements = headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    elements.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn hop_by_hop_fields_and_all_that_any_connection_line_names_are_dropped() {
        let (mut answer, ()) = http::Response::new(()).into_parts();
        answer.headers = headers(&[
            ("connection", "x-one, close"),
            ("connection", "X-Two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "4"),
            ("access-control-allow-origin", "*"),
            ("x-proxy-sent", "no"),
            ("content-type", "text/xml"),
            ("content-type", "text/plain"),
        ]);
        relay(&mut answer, Some(HeaderValue::from_static("id")));
        let left: Vec<&str> = answer.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert_eq!(answer.headers["x-three"], "3");
        assert_eq!(answer.headers["countersign-request-id"], "id");
        assert_eq!(answer.headers.get_all("content-type").iter().count(), 2);
    }

    #[test]
    fn a_connection_field_with_bytes_beyond_ascii_claims_its_names_all_the_same() {
        let mut sent = headers(&[("x-a", "1"), ("x-b", "2")]);
        sent.append(CONNECTION, HeaderValue::from_bytes(b"x-a, \xff").unwrap());
        let listed = [HeaderName::from_static("x-a"), HeaderName::from_static("x-b")];
        assert_eq!(forwarded(&sent, &listed).keys().collect::<Vec<_>>(), ["x-b"]);
        let (mut answer, ()) = http::Response::new(()).into_parts();
        answer.headers = sent;
        relay(&mut answer, None);
        assert_eq!(answer.headers.keys().collect::<Vec<_>>(), ["x-b"]);
    }

    #[test]
    fn only_listed_request_fields_are_passed_on() {
        let sent = headers(&[("accept", "text/xml"), ("x-a", "1"), ("x-b", "2"), ("connection", "x-b")]);
        let listed = [HeaderName::from_static("x-a"), HeaderName::from_static("x-b"), HeaderName::from_static("x-c")];
        let passed = forwarded(&sent, &listed);
        assert_eq!(passed.len(), 1);
        assert_eq!(passed["x-a"], "1");
        assert!(forwarded(&sent, &[]).is_empty());
    }
}
