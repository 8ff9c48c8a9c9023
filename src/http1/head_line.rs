//! The grammar of one line of a head, to the letter: what is good here is read in one way by every parser.

use std::ops::Range;

use super::request_head::HeadFault;
use crate::fields::{Place, are_text, is_text};

/// The first line, by places in the head.
#[derive(Debug, Clone)]
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    /// A path, and a query if there is one.
    pub(super) target: Range<usize>,
    pub(super) version: Version,
}

/// The versions that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

/// RFC 9112 section 3, with a path as its target. The line begins at `begin`.
pub(super) fn read_request_line(line: &[u8], begin: usize) -> Result<RequestLine, HeadFault> {
    let (method, rest) = split_at_space(line, TOKEN)?;
    let (target, rest) = split_at_space(rest, GRAPHIC)?;
    check_target(method, target)?;
    let version = match rest {
        b"HTTP/1.1\r\n" => Version::Http11,
        b"HTTP/1.0\r\n" => Version::Http10,
        _ => return Err(version_fault(rest)),
    };
    let method = span(begin, method.len());
    let target = span(method.end.saturating_add(1), target.len());
    Ok(RequestLine { method, target, version })
}

fn version_fault(rest: &[u8]) -> HeadFault {
    match split_behind(rest, GRAPHIC).0 {
        b"HTTP/1.1" | b"HTTP/1.0" => HeadFault::LineEnd,
        version if version.starts_with(b"HTTP/") => HeadFault::Version,
        _ => HeadFault::RequestLine,
    }
}

const fn span(start: usize, length: usize) -> Range<usize> {
    start..start.saturating_add(length)
}

/// One or more bytes of this class, and what stands behind the space that ends them.
fn split_at_space(bytes: &[u8], class: u8) -> Result<(&[u8], &[u8]), HeadFault> {
    let (before, behind) = split_behind(bytes, class);
    let behind = behind.strip_prefix(b" ").filter(|_| !before.is_empty());
    behind.map(|behind| (before, behind)).ok_or(HeadFault::RequestLine)
}

fn check_target(method: &[u8], target: &[u8]) -> Result<(), HeadFault> {
    if method == b"CONNECT" {
        return Err(HeadFault::Connect);
    }
    if !target.starts_with(b"/") {
        return Err(HeadFault::Target);
    }
    // whether a `?` may be there is for later
    if split_behind(target, PATH).1.is_empty() { Ok(()) } else { Err(HeadFault::Path) }
}

/// A header field.
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) place: Place,
}

/// RFC 9112 section 5. The line begins at `begin`.
pub(super) fn read_field(line: &[u8], begin: usize) -> Result<Field<'_>, HeadFault> {
    let (name, rest) = split_behind(line, TOKEN);
    let padded = match (name, rest) {
        ([], [b' ' | b'\t', ..]) => return Err(HeadFault::Folded),
        (_, [b'\r' | b'\n', ..]) => return Err(HeadFault::LineEnd),
        ([_, ..], [b':', value @ ..]) => read_value(value)?,
        _ => return Err(HeadFault::FieldName),
    };
    let value = padded.trim_ascii_start();
    let padding = padded.len().saturating_sub(value.len());
    let value = value.trim_ascii_end();
    let place = Place {
        name: span(begin, name.len()),
        value: span(begin.saturating_add(name.len()).saturating_add(1).saturating_add(padding), value.len()),
    };
    Ok(Field { name, value, place })
}

/// What stands between the colon and the end of the line.
fn read_value(rest: &[u8]) -> Result<&[u8], HeadFault> {
    if let Some(value) = rest.strip_suffix(b"\r\n")
        && are_text(value)
    {
        return Ok(value);
    }
    let wrong = rest.iter().find(|byte| !is_text(byte));
    Err(if matches!(wrong, Some(b'\r' | b'\n')) { HeadFault::LineEnd } else { HeadFault::FieldValue })
}

/// The bytes of this class, and all from the first that is of another.
fn split_behind(bytes: &[u8], class: u8) -> (&[u8], &[u8]) {
    bytes.split_at_checked(count(bytes, class)).unwrap_or((bytes, &[]))
}

/// How many bytes of this class come first. On its own, the loop is half as long as where it is used.
#[inline(never)]
fn count(bytes: &[u8], class: u8) -> usize {
    bytes.iter().position(|byte| !is(byte, class)).unwrap_or(bytes.len())
}

/// RFC 9110 section 5.6.2.
const TOKEN: u8 = 1;
/// RFC 3986: `pchar`, `/` and `?`.
const PATH: u8 = 2;
/// ASCII that can be seen.
const GRAPHIC: u8 = 4;

/// The classes of each byte.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // the compiler computes it, and checks
    while byte < classes.len() {
        let character = byte as u8;
        if character.is_ascii_alphanumeric() {
            classes[byte] = TOKEN | PATH;
        }
        if character.is_ascii_graphic() {
            classes[byte] |= GRAPHIC;
        }
        byte += 1;
    }
    let more: [(&[u8], u8); 2] = [(b"!#$%&'*+-.^_`|~", TOKEN), (b"/-._~%!$&'()*+,;=:@?", PATH)];
    let mut class = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // as above
    while class < more.len() {
        let mut at = 0;
        while at < more[class].0.len() {
            classes[more[class].0[at] as usize] |= more[class].1;
            at += 1;
        }
        class += 1;
    }
    classes
};

fn is(byte: &u8, class: u8) -> bool {
    CLASSES.get(usize::from(*byte)).is_some_and(|classes| classes & class != 0)
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(byte: &u8) -> bool {
    is(byte, TOKEN)
}
