//! One line of a head, read strictly: every parser reads a line that is accepted here in the same way.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::fields::FieldSpan;
use super::grammar::{ByteClass, GRAPHIC, HOST, PATH, TOKEN, is_value, is_value_byte};
use super::head_fault::HeadFault;
use super::persistence::Version;

/// The first line, as spans of the head.
#[derive(Debug, Clone)]
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    /// The host and port of a target in absolute form.
    pub(super) authority: Option<Range<usize>>,
    /// A path, and a query if there is one. Empty when a target in absolute form has none.
    pub(super) target: Range<usize>,
    pub(super) version: Version,
}

/// RFC 9112 section 3, with a target in origin form or in absolute form. The line begins at `begin`.
pub(super) fn read_request_line(line: &[u8], begin: usize) -> Result<RequestLine, HeadFault> {
    let (method, rest) = split_at_space(line, TOKEN)?;
    let (target, rest) = split_at_space(rest, GRAPHIC)?;
    let before = check_target(method, target)?;
    let version = match rest {
        b"HTTP/1.1\r\n" => Version::Http11,
        b"HTTP/1.0\r\n" => Version::Http10,
        _ => return Err(version_fault(rest)),
    };
    let method = span(begin, method.len());
    let begin = method.end.saturating_add(1);
    let path = begin.saturating_add(before.scheme).saturating_add(before.authority);
    Ok(RequestLine {
        method,
        authority: (before.scheme > 0).then(|| span(begin.saturating_add(before.scheme), before.authority)),
        target: path..begin.saturating_add(target.len()),
        version,
    })
}

fn version_fault(rest: &[u8]) -> HeadFault {
    match GRAPHIC.split(rest).0 {
        b"HTTP/1.1" | b"HTTP/1.0" => HeadFault::LineEnd,
        version if version.starts_with(b"HTTP/") => HeadFault::Version,
        _ => HeadFault::RequestLine,
    }
}

const fn span(start: usize, length: usize) -> Range<usize> {
    start..start.saturating_add(length)
}

/// One or more bytes of this class, and what follows the space that ends them.
fn split_at_space(bytes: &[u8], class: ByteClass) -> Result<(&[u8], &[u8]), HeadFault> {
    let (before, behind) = class.split(bytes);
    let behind = behind.strip_prefix(b" ").filter(|_| !before.is_empty());
    behind.map(|behind| (before, behind)).ok_or(HeadFault::RequestLine)
}

/// The lengths of what precedes the path of a target in absolute form; both are 0 in origin form.
struct BeforePath {
    scheme: usize,
    authority: usize,
}

fn check_target(method: &[u8], target: &[u8]) -> Result<BeforePath, HeadFault> {
    if method == b"CONNECT" {
        return Err(HeadFault::Connect);
    }
    let (before, path) = split_before_path(target).ok_or(HeadFault::Target)?;
    // a `?` passes here: the proxy refuses a query with an error of its own
    if PATH.split(path).1.is_empty() { Ok(before) } else { Err(HeadFault::Path) }
}

/// RFC 9112 section 3.2.2. A query needs a path before it, which RFC 3986 does not demand but some parsers do.
fn split_before_path(target: &[u8]) -> Option<(BeforePath, &[u8])> {
    if target.starts_with(b"/") {
        return Some((BeforePath { scheme: 0, authority: 0 }, target));
    }
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))?;
    let behind = target.get(scheme.len()..)?;
    let length = behind.iter().position(|byte| *byte == b'/').unwrap_or(behind.len());
    let (authority, path) = behind.split_at_checked(length)?;
    is_authority(authority).then_some((BeforePath { scheme: scheme.len(), authority: length }, path))
}

/// A host and perhaps a port: RFC 3986 section 3.2, without the user information that RFC 9110 section 4.2.4 forbids,
/// and without escapes.
fn is_authority(authority: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(authority) else { return false };
    let (is_host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let length = text.find(':').unwrap_or(text.len());
            let (host, port) = text.split_at_checked(length).unwrap_or((text, ""));
            (!host.is_empty() && HOST.split(host.as_bytes()).1.is_empty(), port)
        }
    };
    let is_port = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok();
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// A header field.
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) span: FieldSpan,
}

/// RFC 9112 section 5. The line begins at `begin`.
pub(super) fn read_field(line: &[u8], begin: usize) -> Result<Field<'_>, HeadFault> {
    let (name, rest) = TOKEN.split(line);
    let padded = match (name, rest) {
        ([], [b' ' | b'\t', ..]) => return Err(HeadFault::Folded),
        (_, [b'\r' | b'\n', ..]) => return Err(HeadFault::LineEnd),
        ([_, ..], [b':', value @ ..]) => read_value(value)?,
        _ => return Err(HeadFault::FieldName),
    };
    let value = padded.trim_ascii_start();
    let padding = padded.len().saturating_sub(value.len());
    let value = value.trim_ascii_end();
    let span = FieldSpan {
        name: span(begin, name.len()),
        value: span(begin.saturating_add(name.len()).saturating_add(1).saturating_add(padding), value.len()),
    };
    Ok(Field { name, value, span })
}

/// The bytes between the colon and the end of the line.
fn read_value(rest: &[u8]) -> Result<&[u8], HeadFault> {
    if let Some(value) = rest.strip_suffix(b"\r\n")
        && is_value(value)
    {
        return Ok(value);
    }
    let wrong = rest.iter().find(|byte| !is_value_byte(byte));
    Err(if matches!(wrong, Some(b'\r' | b'\n')) { HeadFault::LineEnd } else { HeadFault::FieldValue })
}
