//! Where requests begin and end, read a second time: a head is what stands before an empty line, and each of its lines
//! is good or not.

use std::net::SocketAddrV6;

use super::responses::find;

/// What a connection's bytes are.
pub(super) struct Messages {
    /// For each message whose head is complete, whether it must be refused for that head. None follows one that must,
    /// nor one whose body does not end as it should.
    pub(super) refused: Vec<bool>,
    /// Whether a head has begun behind these: what is wrong with it already may be refused already.
    pub(super) unfinished: bool,
    /// Whether the last head that has begun is that of a HEAD, whose answer has no body.
    pub(super) to_head: bool,
}

/// Reads `input` to its end.
pub(super) fn messages(mut input: &[u8]) -> Messages {
    let (mut refused, mut to_head) = (Vec::new(), false);
    while !input.is_empty() {
        let blank = if input.starts_with(b"\r\n") { 2 } else { 0 };
        to_head = input[blank..].starts_with(b"HEAD ");
        let Some(end) = find(&input[blank..], b"\r\n\r\n").map(|end| blank + end) else {
            return Messages { refused, unfinished: true, to_head };
        };
        let body = read_head(&input[blank..end]).filter(|_| end + 4 <= 16 * 1024);
        refused.push(body.is_none());
        let behind = &input[end + 4..];
        let length = match body {
            None => None,
            Some(Body::Length(length)) => usize::try_from(length).ok().filter(|length| *length <= behind.len()),
            Some(Body::Chunked) => chunked(behind),
        };
        let Some(length) = length else { break };
        input = &behind[length..];
    }
    Messages { refused, unfinished: false, to_head }
}

enum Body {
    Length(u64),
    Chunked,
}

/// `None` for a head that must be refused.
fn read_head(head: &[u8]) -> Option<Body> {
    let text: String = head.iter().map(|&byte| char::from(byte)).collect(); // Latin-1: a character for every byte
    let mut lines = text.split("\r\n");
    let request_line: Vec<&str> = lines.next()?.split(' ').collect();
    let [method, target, version @ ("HTTP/1.1" | "HTTP/1.0")] = request_line[..] else { return None };
    let in_target = |c: char| c.is_ascii_graphic() && !"\"#<>[\\]^`{|}".contains(c);
    if !is_token(method) || method == "CONNECT" || !path(target)?.chars().all(in_target) {
        return None;
    }
    let (mut lengths, mut codings, mut count) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        count += 1;
        let (name, value) = line.split_once(':')?;
        if !is_token(name) || !value.chars().all(is_text) {
            return None;
        }
        let value = value.trim_matches([' ', '\t']);
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        match letters.to_ascii_lowercase().as_str() {
            "contentlength" if name.eq_ignore_ascii_case("Content-Length") => lengths.push(value),
            "transferencoding" if name.eq_ignore_ascii_case("Transfer-Encoding") => codings.push(value),
            "contentlength" | "transferencoding" => return None,
            _ => {}
        }
    }
    match (&lengths[..], &codings[..]) {
        _ if count > 64 => None,
        ([], []) => Some(Body::Length(0)),
        ([length], []) if length.chars().all(|c| c.is_ascii_digit()) => {
            length.parse().ok().filter(|length| *length < 1 << 63).map(Body::Length)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && version == "HTTP/1.1" => Some(Body::Chunked),
        _ => None,
    }
}

/// The path of a target in origin form, or in absolute form without anything unusual in its authority.
fn path(target: &str) -> Option<&str> {
    if target.starts_with('/') {
        return Some(target);
    }
    let (scheme, rest) = target.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_name = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let is_address = || format!("{host}:1").parse::<SocketAddrV6>().is_ok() && !host.contains('%');
    let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_plain = ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str())
        && (is_name || is_address())
        && port.is_none_or(is_port);
    is_plain.then_some(path)
}

/// The length of a chunked body; `None` when it is not one, or not complete.
fn chunked(body: &[u8]) -> Option<usize> {
    let mut rest = body;
    loop {
        let (line, behind) = take_line(rest)?;
        let (size, extension) = line.split_once(';').unwrap_or((&line, ""));
        let size = size.trim_end_matches([' ', '\t']);
        let hexadecimal = !size.is_empty() && size.chars().all(|c| c.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| hexadecimal && extension.chars().all(is_text))?;
        rest = behind;
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok()?;
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    loop {
        let (line, behind) = take_line(rest)?;
        rest = behind;
        if line.is_empty() {
            return Some(body.len() - rest.len());
        }
        if !is_token(&line[..1]) || !line.chars().all(is_text) {
            return None;
        }
    }
}

fn take_line(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = find(bytes, b"\r\n")?;
    Some((bytes[..end].iter().map(|&byte| char::from(byte)).collect(), &bytes[end + 2..]))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

fn is_text(c: char) -> bool {
    c == '\t' || (c >= ' ' && c != '\u{7f}')
}
