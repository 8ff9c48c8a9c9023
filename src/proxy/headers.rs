//! Header fields on their way through: a listed few up, all but the hop-by-hop ones down.

use http::HeaderName;

use crate::http1::{Fields, NameSet, same_name};

/// Says, on answers of our own, whether the endpoint may have received the request.
pub const SENT: &str = "x-proxy-sent";
/// Carries the request id to the client.
pub const REQUEST_ID: &str = "countersign-request-id";
/// RFC 9209.
pub const PROXY_STATUS: &str = "proxy-status";

/// RFC 9110 section 7.6.1, and `Content-Length`, which is written anew from what the body is known to be.
const HOP_BY_HOP: NameSet = NameSet::of(&[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
]);

/// Fields that only we may set, or that would tell a browser or client to bypass us.
const NOT_THE_ENDPOINTS: NameSet = NameSet::of(&["alt-svc", PROXY_STATUS, REQUEST_ID, SENT]);

/// Answers meant for any web page on the endpoint's side are not meant for any web page on ours.
const FOR_WEB_PAGES: &[u8] = b"access-control-";

/// The fields among `listed` that the client sent, without those that its `Connection` fields claim for this hop.
#[must_use]
pub fn forwarded(fields: &Fields, listed: &[HeaderName]) -> Fields {
    let mut forwarded = Fields::default();
    for name in listed.iter().map(HeaderName::as_str).filter(|name| !is_claimed(fields, name.as_bytes())) {
        for value in fields.all(name) {
            forwarded.push(name, value);
        }
    }
    forwarded
}

/// The endpoint's answer as the client may see it: end-to-end fields only, our request id.
pub fn relay(fields: &mut Fields, request_id: &[u8]) {
    // these two claim no field that is not for this hop anyway
    let is_plain = |value: &[u8]| same_name(value, "keep-alive") || same_name(value, "close");
    let claimed = (!fields.all("connection").all(is_plain)).then(|| fields.clone());
    let is_claimed = |name: &[u8]| claimed.as_ref().is_some_and(|fields| is_claimed(fields, name));
    fields.retain(|name| !is_for_this_hop(name) && !is_claimed(name));
    fields.push(REQUEST_ID, request_id);
}

fn is_for_this_hop(name: &[u8]) -> bool {
    let start = name.get(..FOR_WEB_PAGES.len());
    HOP_BY_HOP.contains(name)
        || NOT_THE_ENDPOINTS.contains(name)
        || start.is_some_and(|start| start.eq_ignore_ascii_case(FOR_WEB_PAGES))
}

/// Whether any `Connection` field has this name in it. One that has something else in it claims its names all the same.
fn is_claimed(fields: &Fields, name: &[u8]) -> bool {
    let elements = fields.all("connection").flat_map(|value| value.split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).any(|element| element.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        list.iter().copied().collect()
    }

    fn names(fields: &Fields) -> Vec<&str> {
        fields.iter().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn hop_by_hop_fields_and_all_that_any_connection_line_names_are_dropped() {
        let mut answer = fields(&[
            ("Connection", "x-one, close"),
            ("connection", "X-Two"),
            ("X-One", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("Keep-Alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "4"),
            ("Access-Control-Allow-Origin", "*"),
            ("X-Proxy-Sent", "no"),
            ("content-type", "text/xml"),
            ("content-type", "text/plain"),
        ]);
        relay(&mut answer, b"id");
        assert_eq!(names(&answer), ["x-three", "content-type", "content-type", "countersign-request-id"]);
        assert_eq!(answer.only("countersign-request-id"), Some(&b"id"[..]));
    }

    #[test]
    fn a_connection_field_with_bytes_beyond_ascii_claims_its_names_all_the_same() {
        let mut sent = fields(&[("x-a", "1"), ("x-b", "2")]);
        sent.push("connection", b"x-a, \xff");
        let listed = [HeaderName::from_static("x-a"), HeaderName::from_static("x-b")];
        assert_eq!(names(&forwarded(&sent, &listed)), ["x-b"]);
        relay(&mut sent, b"id");
        assert_eq!(names(&sent), ["x-b", "countersign-request-id"]);
    }

    #[test]
    fn only_listed_request_fields_are_passed_on() {
        let sent = fields(&[("accept", "text/xml"), ("X-A", "1"), ("x-b", "2"), ("connection", "x-b")]);
        let listed = [HeaderName::from_static("x-a"), HeaderName::from_static("x-b"), HeaderName::from_static("x-c")];
        let passed = forwarded(&sent, &listed);
        assert_eq!(names(&passed), ["x-a"]);
        assert_eq!(passed.only("x-a"), Some(&b"1"[..]));
        assert_eq!(forwarded(&sent, &[]).count(), 0);
    }
}
