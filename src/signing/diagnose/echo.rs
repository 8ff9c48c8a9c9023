//! Compares the string that an endpoint says it would have signed with the one that was signed, and names what differs,
//! without values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use percent_encoding::percent_decode_str;

use super::cause::{Cause, HostDifference, Order, PathDifference};
use super::encoding::Encoding;
use super::request_line;
use super::rewrite::{Rewritten, SentParameter, join, sent_parameters};
use crate::query::{EndpointError, ShownName};
use crate::signing::target::SigningTarget;

/// How many parameters are named at most; the others are counted.
const MAX_NAMED: usize = 8;

/// Longest query string, in bytes, for which all common mistakes are tried.
const MAX_TRIED: usize = 64 * 1024;

/// One difference between what was signed and what the endpoint would have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The first line: GET or POST.
    Method,
    /// The host, and how the one that was signed differs from the expected one.
    Host(HostDifference),
    /// The path, likewise.
    Path(PathDifference),
    /// Parameters that only one of the two strings has, or that have another value.
    Parameters(Vec<ShownName>),
    /// The same parameters in another order, and which order it is, if it is a common one.
    Order(Option<Order>),
    /// The same values in another encoding: which encoding it is, if it is a common one, and of which parameters.
    Encoding(Option<Encoding>, Vec<ShownName>),
}

/// The string to sign in an endpoint's error. AWS's services put it into the message, S3 and its relatives into a
/// separate element. `None` when there is none, or when it belongs to another signature version.
#[must_use]
pub fn echoed(error: &EndpointError) -> Option<&str> {
    const INTRODUCTIONS: [&str; 3] = [
        "The Canonical String for this request should have been",
        "The String-to-Sign should have been",
        "server string to sign is",
    ];
    let in_message = INTRODUCTIONS.iter().filter_map(|introduction| error.message.split_once(introduction));
    let candidates = in_message.map(|(_, rest)| quoted(rest)).chain(error.string_to_sign.as_deref());
    candidates.map(str::trim).find(|text| Lines::of(text).is_some())
}

/// The text in quotation marks at the beginning of `rest`, or the text up to an empty line.
fn quoted(rest: &str) -> &str {
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    match rest.strip_prefix('\'') {
        Some(inside) => inside.split_once('\'').map_or(inside, |(inside, _)| inside),
        None => rest.split_once("\n\n").map_or(rest, |(text, _)| text),
    }
}

/// The four parts of a string to sign of Signature Version 2.
struct Lines<'a> {
    method: &'a str,
    host: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut lines = text.splitn(4, '\n').map(|line| line.trim_end_matches('\r'));
        let lines = Self { method: lines.next()?, host: lines.next()?, path: lines.next()?, query: lines.next()? };
        // Signature Version 4 has the path on its second line
        (!lines.host.starts_with('/') && lines.query.contains("AWSAccessKeyId=")).then_some(lines)
    }
}

/// All differences, in the order of the string. If there is none, the strings are equal, and it is the secret keys that
/// differ. `None` when one of the two is not a string to sign of Signature Version 2.
#[must_use]
pub fn differences(signed: &str, expected: &str) -> Option<Vec<Difference>> {
    let (signed, expected) = (Lines::of(signed)?, Lines::of(expected)?);
    let mut found = Vec::new();
    if signed.method != expected.method {
        found.push(Difference::Method);
    }
    let target = SigningTarget { host: expected.host.to_owned(), path: expected.path.to_owned() };
    let cause = |candidates: Vec<request_line::Candidate>, line: &str| {
        candidates.into_iter().find(|(candidate, _)| candidate == line).and_then(|(_, cause)| cause)
    };
    if signed.host != expected.host {
        found.push(match cause(request_line::hosts(&target, &[signed.host]), signed.host) {
            Some(Cause::Host { difference, .. }) => Difference::Host(difference),
            _ => Difference::Host(HostDifference::Other),
        });
    }
    if signed.path != expected.path {
        found.push(match cause(request_line::paths(&target, &[signed.path]), signed.path) {
            Some(Cause::Path { difference, .. }) => Difference::Path(difference),
            _ => Difference::Path(PathDifference::Other),
        });
    }
    if signed.query != expected.query {
        found.extend(query_differences(signed.query, expected.query));
    }
    Some(found)
}

/// One parameter as the query string has it.
struct Pair<'a> {
    name: Cow<'a, str>,
    raw: &'a str,
}

fn pairs(query: &str) -> Vec<Pair<'_>> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces.filter_map(|raw| form_urlencoded::parse(raw.as_bytes()).next().map(|(name, _)| Pair { name, raw })).collect()
}

fn query_differences(signed: &str, expected: &str) -> Vec<Difference> {
    let (ours, theirs) = (pairs(signed), pairs(expected));
    let (mut other_contents, mut other_spelling) = (Vec::new(), Vec::new());
    let mut unmatched: HashMap<&str, &str> = theirs.iter().map(|their| (&*their.name, their.raw)).collect();
    for pair in &ours {
        match unmatched.remove(&*pair.name) {
            Some(their) if their == pair.raw => {}
            Some(their) if same_value(pair.raw, their) => other_spelling.push(ShownName::of(&pair.name)),
            Some(_) | None => other_contents.push(ShownName::of(&pair.name)),
        }
    }
    let only_theirs = theirs.iter().filter(|their| unmatched.contains_key(&*their.name));
    other_contents.extend(only_theirs.map(|their| ShownName::of(&their.name)));
    let same_order = ours.iter().map(|pair| &pair.name).eq(theirs.iter().map(|pair| &pair.name));
    let mistake = if other_contents.is_empty() { common_mistake(signed, expected) } else { None };

    let mut found = Vec::new();
    if !same_order && other_contents.is_empty() {
        found.push(Difference::Order(mistake.and_then(|(order, _)| order)));
    }
    if !other_contents.is_empty() {
        found.push(Difference::Parameters(other_contents));
    }
    if !other_spelling.is_empty() || found.is_empty() {
        found.push(Difference::Encoding(mistake.and_then(|(_, encoding)| encoding), other_spelling));
    }
    found
}

/// The common mistake that turns one string into the other, if any. Long strings are not tried, since this takes some
/// hundred times as long as signing them.
fn common_mistake(signed: &str, expected: &str) -> Option<(Option<Order>, Option<Encoding>)> {
    const ORDERS: [Option<Order>; 4] =
        [None, Some(Order::CaseInsensitive), Some(Order::EncodedNames), Some(Order::WholePairs)];
    if signed.len() > MAX_TRIED {
        return None;
    }
    let sent: Vec<SentParameter<'_>> = sent_parameters(signed.as_bytes());
    let encodings = std::iter::once(None).chain(Encoding::ALL.map(Some));
    for encoding in encodings {
        let written: Vec<Rewritten<'_>> = sent.iter().map(|parameter| Rewritten::new(parameter, encoding)).collect();
        if let Some(order) = ORDERS.into_iter().find(|order| join(&written, *order) == expected.as_bytes()) {
            return Some((order, encoding));
        }
    }
    None
}

/// Whether two encodings mean the same value, with `+` as a space or as itself.
fn same_value(one: &str, other: &str) -> bool {
    let form = |text: &str| form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
    form(one) == form(other) || percent_decode_str(one).eq(percent_decode_str(other))
}

impl fmt::Display for Difference {
    /// Describes the difference with names of parameters, never with values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("another HTTP method"),
            Self::Host(difference) => f.write_str(match difference {
                HostDifference::WithPort => "a host without the port that was signed",
                HostDifference::WithoutPort => "a host with a port that was not signed",
                HostDifference::Case => "a host in other letter case",
                HostDifference::TrailingDot => "a host that differs by its trailing dot",
                HostDifference::Region => "a host that differs by the region",
                HostDifference::Other => "another host",
            }),
            Self::Path(difference) => f.write_str(match difference {
                PathDifference::Empty => "a path where an empty one was signed",
                PathDifference::TrailingSlash => "a path that differs by its last slash",
                PathDifference::Escaping => "a path that is escaped in another way",
                PathDifference::Other => "another path",
            }),
            Self::Parameters(names) => write_names(f, "other contents of", names),
            Self::Order(order) => f.write_str(match order {
                Some(Order::CaseInsensitive) => "parameters sorted without regard to case",
                Some(Order::EncodedNames) => "parameters sorted by their encoded names",
                Some(Order::WholePairs) => "parameters sorted as whole `name=value` strings",
                Some(Order::AsSent) | None => "parameters in another order",
            }),
            Self::Encoding(_, names) if names.is_empty() => f.write_str("parameters joined in another way"),
            Self::Encoding(encoding, names) => {
                write_names(f, "another percent-encoding of", names)?;
                encoding.map_or(Ok(()), |encoding| write!(f, " ({} there)", encoding.sentence()))
            }
        }
    }
}

fn write_names(f: &mut fmt::Formatter<'_>, what: &str, names: &[ShownName]) -> fmt::Result {
    let shown: Vec<String> = names.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    write!(f, "{what} {}", shown.join(", "))?;
    match names.len().checked_sub(MAX_NAMED) {
        Some(more) if more > 0 => write!(f, " and {more} more"),
        Some(_) | None => Ok(()),
    }
}
