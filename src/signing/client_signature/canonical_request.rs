//! The canonical request of AWS Signature Version 4, made from what came: method, path, query, signed fields, body.

use sha2::{Digest as _, Sha256};

use crate::http1::Fields;
use crate::query::percent;

/// A request as it came.
#[derive(Clone, Copy)]
pub struct ReceivedParts<'r> {
    /// The method.
    pub method: &'r str,
    /// The path on the request line.
    pub path: &'r str,
    /// The query string; empty without one.
    pub query: &'r str,
    /// The header fields.
    pub fields: &'r Fields,
    /// The body, decoded from its framing; empty where the form is in the query string.
    pub body: &'r [u8],
}

/// Whose values a description may show: they hold no secret.
const SHOWN: [&str; 6] = ["content-length", "content-type", "date", "host", "x-amz-content-sha256", "x-amz-date"];

/// Writes the canonical request, with the names of `signed_headers`.
pub(super) fn write(parts: &ReceivedParts<'_>, signed_headers: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut write = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    write(&[parts.method.as_bytes(), b"\n", path(parts.path).as_bytes(), b"\n", &query(parts.query), b"\n"]);
    for name in signed_headers.split(';') {
        write(&[name.as_bytes(), b":", &value(parts.fields, name), b"\n"]);
    }
    write(&[b"\n", signed_headers.as_bytes(), b"\n", hex(&Sha256::digest(parts.body)).as_bytes()]);
    out
}

/// The same for a person to read. The query string and the values of fields that may hold a secret are left out.
pub(super) fn describe(parts: &ReceivedParts<'_>, signed_headers: &str) -> String {
    let mut lines = vec![parts.method.to_owned(), path(parts.path), left_out(parts.query.len())];
    for name in signed_headers.split(';') {
        let value = value(parts.fields, name);
        let shown = if SHOWN.contains(&name) { String::from_utf8_lossy(&value).into() } else { left_out(value.len()) };
        lines.push(format!("{name}:{shown}"));
    }
    lines.extend([String::new(), signed_headers.to_owned(), hex(&Sha256::digest(parts.body))]);
    lines.join("\n")
}

fn left_out(length: usize) -> String {
    if length == 0 { String::new() } else { format!("({length} bytes)") }
}

/// What came is encoded once more: so every service but S3 has it.
fn path(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        percent::encode_bytes_into(segment.as_bytes(), &mut out);
    }
    String::from_utf8(out).unwrap_or_default() // it is ASCII
}

/// The parameters as they are encoded, in order of name and value. A client that encodes them otherwise than the
/// algorithm says has signed something else.
fn query(query: &str) -> Vec<u8> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    let written: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    written.join("&").into_bytes()
}

/// All values of a field, with each run of white space as one space.
fn value(fields: &Fields, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, value) in fields.all(name).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
    }
    out
}

/// In lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'r>(path: &'r str, query: &'r str, fields: &'r Fields) -> ReceivedParts<'r> {
        ReceivedParts { method: "POST", path, query, fields, body: b"" }
    }

    #[test]
    fn a_path_is_encoded_twice_and_its_slashes_are_kept() {
        for (came, written) in [("/", "/"), ("/v1/", "/v1/"), ("/a%20b/c:d", "/a%2520b/c%3Ad"), ("//x", "//x")] {
            assert_eq!(path(came), written);
        }
    }

    #[test]
    fn a_query_is_sorted_and_every_parameter_has_its_equals_sign() {
        assert_eq!(query("b=2&a=2&a=1&c&&%41=x"), b"%41=x&a=1&a=2&b=2&c=");
        assert_eq!(query(""), b"");
    }

    #[test]
    fn values_are_trimmed_and_joined_and_runs_of_spaces_collapse() {
        let fields: Fields = [("X", "  a   b \t c "), ("Other", "z"), ("x", "d")].into_iter().collect();
        assert_eq!(value(&fields, "x"), b"a b c,d");
    }

    #[test]
    fn a_description_has_no_query_and_no_value_that_may_be_a_secret() {
        let fields: Fields = [("Host", "h"), ("Cookie", "marker"), ("X-Amz-Date", "d")].into_iter().collect();
        let told = describe(&parts("/p", "Parameter=marker", &fields), "cookie;host;x-amz-date");
        assert!(!told.contains("marker"), "{told}");
        assert!(told.starts_with("POST\n/p\n(16 bytes)\ncookie:(6 bytes)\nhost:h\nx-amz-date:d\n\n"), "{told}");
    }
}
