//! Header fields that pass through: those that a route lists towards the endpoint, all but the hop-by-hop ones
//! towards the client.

use http::HeaderName;

use crate::downstream::Reply;
use crate::http1::{Fields, NameSet, same_name};

/// On responses of our own: whether the endpoint may have received the request.
pub const SENT: &str = "x-proxy-sent";
/// The request ID, which the log line has too.
pub const REQUEST_ID: &str = "countersign-request-id";
/// RFC 9209.
pub const PROXY_STATUS: &str = "proxy-status";

/// A header field that countersign writes on responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenField {
    /// Its name in lower case.
    pub name: &'static str,
    /// On which responses it is written.
    pub on: WrittenOn,
    /// What happens to a field of this name in the endpoint's response.
    pub of_endpoint: EndpointsField,
    /// What it says, for the reference.
    pub meaning: &'static str,
}

/// On which responses a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenOn {
    /// Every response.
    Every,
    /// Responses of our own, some or all.
    Own,
    /// Every response to a GET, and to a head with a fault.
    Get,
    /// Not applicable to one kind: the connection writes it where the body's framing needs it.
    Framing,
}

/// What happens to the endpoint's field of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointsField {
    /// It is passed on.
    Passed,
    /// It is dropped, so that nobody can forge ours.
    Dropped,
}

/// Every header field that countersign writes on responses: the one list, which tests of both languages iterate.
pub const WRITTEN: [WrittenField; 11] = [
    written(REQUEST_ID, WrittenOn::Every, EndpointsField::Dropped, "the ID of the request in log and audit"),
    written(
        "date",
        WrittenOn::Every,
        EndpointsField::Passed,
        "when the response was made, if the endpoint did not say",
    ),
    written(
        SENT,
        WrittenOn::Own,
        EndpointsField::Dropped,
        "`yes` if the endpoint may have received the request, else `no`",
    ),
    written(
        PROXY_STATUS,
        WrittenOn::Own,
        EndpointsField::Dropped,
        "the error type of RFC 9209, and the code in `details`",
    ),
    written("content-type", WrittenOn::Own, EndpointsField::Passed, "`text/xml;charset=utf-8` or `application/json`"),
    written("retry-after", WrittenOn::Own, EndpointsField::Passed, "with 503 and `Throttling`: seconds to wait"),
    written("allow", WrittenOn::Own, EndpointsField::Passed, "with 405: `POST`, or the methods that the route accepts"),
    written(
        "cache-control",
        WrittenOn::Get,
        EndpointsField::Passed,
        "`no-store`, in place of the endpoint's, which is about a `POST`",
    ),
    written("connection", WrittenOn::Framing, EndpointsField::Dropped, "`close` when the connection ends"),
    written("content-length", WrittenOn::Framing, EndpointsField::Dropped, "the length of the body"),
    written("transfer-encoding", WrittenOn::Framing, EndpointsField::Dropped, "`chunked` for a body of unknown length"),
];

const fn written(
    name: &'static str,
    on: WrittenOn,
    of_endpoint: EndpointsField,
    meaning: &'static str,
) -> WrittenField {
    WrittenField { name, on, of_endpoint, meaning }
}

/// Fields of the endpoint's response that are not passed on beside those of [`WRITTEN`]: for one hop only (RFC 9110
/// section 7.6.1), or an invitation to call the endpoint past countersign.
pub const NEVER_PASSED: [&str; 8] = [
    "alt-svc",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// What [`relay`] drops, in the form that is searched fastest; a test compares it with the two lists.
const DROPPED: NameSet = NameSet::of(&[
    "alt-svc",
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
    PROXY_STATUS,
    REQUEST_ID,
    SENT,
]);

/// The endpoint's permissions for web pages (CORS) do not hold for countersign, which serves no web page.
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

/// Turns the fields of the endpoint's response into those for the client: drops what is for one hop only, and adds our
/// request ID.
pub fn relay(fields: &mut Fields, request_id: &[u8]) {
    // the usual values name no field, so nothing has to be compared with them
    let is_plain = |value: &[u8]| same_name(value, "keep-alive") || same_name(value, "close");
    let claimed = (!fields.all("connection").all(is_plain)).then(|| fields.clone());
    let is_claimed = |name: &[u8]| claimed.as_ref().is_some_and(|fields| is_claimed(fields, name));
    fields.retain(|name| !is_dropped(name) && !is_claimed(name));
    fields.push(REQUEST_ID, request_id);
}

/// A response to a GET, which no cache may store. A cache on the way would answer the next one without any check of who
/// asks, and a call that changes something would not be made. What the endpoint says of its response to a POST, also to
/// single kinds of caches (RFC 9213), is not about a GET.
pub fn unstored<B>(mut reply: Reply<B>) -> Reply<B> {
    const ENDING: &[u8] = b"cache-control";
    let is_for_caches = |name: &[u8]| {
        let end = name.len().checked_sub(ENDING.len()).and_then(|start| name.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(ENDING))
            || same_name(name, "surrogate-control")
            || same_name(name, "expires")
    };
    reply.fields.retain(|name| !is_for_caches(name));
    reply.fields.push("cache-control", b"no-store");
    reply
}

fn is_dropped(name: &[u8]) -> bool {
    let is_listed = |name: &[u8]| {
        let start = name.get(..FOR_WEB_PAGES.len());
        DROPPED.contains(name) || start.is_some_and(|start| start.eq_ignore_ascii_case(FOR_WEB_PAGES))
    };
    let is_mark = |byte: &u8| !byte.is_ascii_alphanumeric();
    // to what makes variables of fields (CGI, WSGI, Rack), `Transfer_Encoding` is the same as `Transfer-Encoding`
    let in_variables = || name.iter().map(|byte| if is_mark(byte) { b'-' } else { *byte }).collect::<Vec<_>>();
    is_listed(name) || (name.iter().any(|byte| is_mark(byte) && *byte != b'-') && is_listed(&in_variables()))
}

/// Whether any `Connection` field lists this name. A value with bytes beyond ASCII still lists its names.
fn is_claimed(fields: &Fields, name: &[u8]) -> bool {
    let elements = fields.all("connection").flat_map(|value| value.split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).any(|element| element.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

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
    fn a_field_of_ours_is_passed_on_or_dropped_as_the_list_says() {
        for WrittenField { name, of_endpoint, .. } in WRITTEN.into_iter().filter(|field| field.name != REQUEST_ID) {
            let mut sent = fields(&[(name, "theirs")]);
            relay(&mut sent, b"id");
            assert_eq!(sent.contain(name), of_endpoint == EndpointsField::Passed, "{name}");
        }
        let dropped = WRITTEN.into_iter().filter(|field| field.of_endpoint == EndpointsField::Dropped);
        for name in dropped.map(|field| field.name).filter(|name| name.contains('-')) {
            for spelled in [name.replace('-', "_"), name.to_uppercase().replace('-', ".")] {
                let mut sent = fields(&[(&spelled, "theirs")]);
                relay(&mut sent, b"id");
                assert_eq!(names(&sent), [REQUEST_ID], "{spelled}");
            }
        }
        for name in NEVER_PASSED {
            let mut sent = fields(&[(name, "theirs")]);
            relay(&mut sent, b"id");
            assert_eq!(names(&sent), [REQUEST_ID], "{name}");
        }
    }

    #[test]
    fn the_fields_of_responses_are_in_the_reference() {
        let mut table = String::from("| header field | on | the endpoint's own | meaning |\n|---|---|---|---|\n");
        for WrittenField { name, on, of_endpoint, meaning } in WRITTEN {
            let on = match on {
                WrittenOn::Every => "every response",
                WrittenOn::Own => "responses of countersign",
                WrittenOn::Get => "responses to a `GET`, refusals of a head",
                WrittenOn::Framing => "as the body needs it",
            };
            let of_endpoint = match of_endpoint {
                EndpointsField::Passed => "passed on",
                EndpointsField::Dropped => "dropped",
            };
            writeln!(table, "| `{name}` | {on} | {of_endpoint} | {meaning} |").unwrap();
        }
        crate::telemetry::reference_page::check("docs/reference/protocol.md", "response fields", &table);
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
