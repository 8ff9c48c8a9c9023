//! The names of request headers: those that may be passed on, and one that every request must have.

use super::never_forwarded::never_forwarded;
use crate::config::reading::value::shown;

/// Headers that browsers send by themselves.
pub(crate) const ORDINARY: [&str; 36] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "alt-used",
    "cache-control",
    "connection",
    "content-language",
    "content-length",
    "content-type",
    "cookie",
    "device-memory",
    "dnt",
    "downlink",
    "dpr",
    "ect",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "keep-alive",
    "last-event-id",
    "origin",
    "pragma",
    "priority",
    "proxy-connection",
    "purpose",
    "range",
    "referer",
    "rtt",
    "save-data",
    "te",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "viewport-width",
];

/// The name of a request header that may be passed on.
pub(crate) fn forwarded_header(text: &str) -> Result<String, String> {
    let token = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9') || b"!#$%&'*+-.^_`|~".contains(&b);
    // before the case: whoever is told to write it in lower case would find it forbidden the next time
    if let Some(why) = never_forwarded(&text.to_ascii_lowercase()) {
        return Err(format!("{} is never passed on: {why}", shown(text)));
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!("{} has capitals: write it in lower case", shown(text)));
    }
    if text.is_empty() || !text.bytes().all(token) {
        return Err(format!("{} is not the name of a header", shown(text)));
    }
    if text.contains('*') {
        return Err(format!("{} is a pattern: list each header by its name", shown(text)));
    }
    Ok(text.to_owned())
}

/// The name of a header that every request must have: one that a web page's form cannot make a browser send.
pub(crate) fn required_header(text: &str) -> Result<String, String> {
    let token = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if text.is_empty() || !text.bytes().all(token) {
        return Err(format!("{} is not the name of a header in lower case", shown(text)));
    }
    if ORDINARY.contains(&text) || text.starts_with("sec-") {
        return Err(format!(
            "{} proves nothing: browsers send it too; choose another, e.g. \"x-requested-by\"",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_required_header_is_one_that_browsers_do_not_send_by_themselves() {
        assert_eq!(required_header("x-requested-by"), Ok("x-requested-by".to_owned()));
        for wrong in ["", "X-Requested-By", "a b", "content-type", "sec-fetch-site", "user-agent", "range", "dnt"] {
            assert!(required_header(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ordinary_headers_may_be_passed_on() {
        for good in ["x-request-id", "traceparent", "user-agent", "accept"] {
            assert_eq!(forwarded_header(good), Ok(good.to_owned()));
        }
    }

    #[test]
    fn credentials_framing_and_origin_headers_are_refused() {
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "host",
            "content-type",
            "content-length",
            "x-amz-security-token",
            "x-auth-token",
            "x-api-key",
            "x-forwarded-for",
            "forwarded",
            "via",
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "expect",
            "proxy-connection",
            "origin",
            "referer",
            "sec-fetch-site",
        ] {
            for spelt in [name.to_owned(), name.to_ascii_uppercase()] {
                assert!(forwarded_header(&spelt).unwrap_err().contains("is never passed on"), "{spelt}");
            }
        }
    }

    #[test]
    fn what_is_no_header_name_is_refused() {
        assert!(forwarded_header("X-Request-Id").unwrap_err().contains("lower case"));
        for name in ["", "a b", "a:", "é", "a\r\nb"] {
            assert!(forwarded_header(name).unwrap_err().contains("is not the name of a header"), "{name}");
        }
        for pattern in ["*", "x-*", "x-trace*"] {
            assert!(forwarded_header(pattern).unwrap_err().contains("list each header by its name"), "{pattern}");
        }
    }
}
