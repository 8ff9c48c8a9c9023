//! What an endpoint says it would have signed, beside what was signed: which part of the two strings differs, without a value.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use percent_encoding::percent_decode_str;

use super::cause::{Cause, HostDifference, Order, PathDifference};
use super::encoding::Encoding;
use super::{Sent, Written, joined, request_line};
use crate::query::EndpointError;
use crate::query::ShownName;
use crate::signing::target::SigningTarget;

/// Most parameters that are named one by one.
const MOST_NAMED: usize = 8;

/// Longest query string that is written in all usual spellings, in bytes.
const LONGEST_TRIED: usize = 64 * 1024;

/// One difference between what was signed and what the endpoint would have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The first line: GET or POST.
    Method,
    /// The host. The spelling is that of what was signed.
    Host(HostDifference),
    /// The path, likewise.
    Path(PathDifference),
    /// Parameters that one of the two does not have, or has with another value.
    Parameters(Vec<ShownName>),
    /// The same parameters in another order; which one, when it is a usual one.
    Order(Option<Order>),
    /// The same values in another spelling; which one, when it is a usual one, and of which parameters.
    Encoding(Option<Encoding>, Vec<ShownName>),
}

/// The string to sign in an endpoint's refusal. AWS's services write it into the message, S3 and its relatives into an element
/// of its own. `None` when there is none, or it is one of another signature version.
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

/// In quotation marks, or up to an empty line.
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

/// Everything in which the two differ, in the order of the string. Empty: they are equal, so the secret keys are not. `None` when
/// one of them is no string to sign of Signature Version 2.
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

/// One parameter as it stands in a query string.
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
    let strange = theirs.iter().filter(|their| unmatched.contains_key(&*their.name));
    other_contents.extend(strange.map(|their| ShownName::of(&their.name)));
    let same_order = ours.iter().map(|pair| &pair.name).eq(theirs.iter().map(|pair| &pair.name));
    let usual = if other_contents.is_empty() { usual_spelling(signed, expected) } else { None };

    let mut found = Vec::new();
    if !same_order && other_contents.is_empty() {
        found.push(Difference::Order(usual.and_then(|(order, _)| order)));
    }
    if !other_contents.is_empty() {
        found.push(Difference::Parameters(other_contents));
    }
    if !other_spelling.is_empty() || found.is_empty() {
        found.push(Difference::Encoding(usual.and_then(|(_, encoding)| encoding), other_spelling));
    }
    found
}

/// Which of the usual mistakes turns the one string into the other. Long strings are not tried: it would take some hundred times
/// as long as signing them.
fn usual_spelling(signed: &str, expected: &str) -> Option<(Option<Order>, Option<Encoding>)> {
    const ORDERS: [Option<Order>; 4] =
        [None, Some(Order::CaseInsensitive), Some(Order::EncodedNames), Some(Order::WholePairs)];
    if signed.len() > LONGEST_TRIED {
        return None;
    }
    let sent: Vec<Sent<'_>> = super::as_sent(signed.as_bytes());
    let encodings = std::iter::once(None).chain(Encoding::ALL.map(Some));
    for encoding in encodings {
        let written: Vec<Written<'_>> = sent.iter().map(|pair| Written::new(pair, encoding)).collect();
        if let Some(order) = ORDERS.into_iter().find(|order| joined(&written, *order) == expected.as_bytes()) {
            return Some((order, encoding));
        }
    }
    None
}

/// Whether two spellings mean the same, in at least one reading of `+`.
fn same_value(one: &str, other: &str) -> bool {
    let form = |text: &str| form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
    form(one) == form(other) || percent_decode_str(one).eq(percent_decode_str(other))
}

impl fmt::Display for Difference {
    /// What differs. Names stand here, values never.
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
    let shown: Vec<String> = names.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    write!(f, "{what} {}", shown.join(", "))?;
    match names.len().checked_sub(MOST_NAMED) {
        Some(more) if more > 0 => write!(f, " and {more} more"),
        Some(_) | None => Ok(()),
    }
}
