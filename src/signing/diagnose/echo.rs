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
use super::signed_text::{CanonicalRequest, SignedText};
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
    /// A query string, where it is not part of the form.
    Query,
    /// Header fields that only one of the two has, or that have another value.
    Fields(Vec<ShownName>),
    /// The form, of which only the hash is known.
    Form,
}

/// What an endpoint says that it would have signed, if it is of the same kind as `signed`. AWS's services put it into
/// the message, S3 and its relatives into a separate element. With Signature Version 4, it is the canonical request.
#[must_use]
pub fn echoed<'e>(signed: &str, error: &'e EndpointError) -> Option<&'e str> {
    const INTRODUCTIONS: [&str; 3] = [
        "The Canonical String for this request should have been",
        "The String-to-Sign should have been",
        "server string to sign is",
    ];
    let signed = SignedText::of(signed)?;
    let in_message = INTRODUCTIONS.iter().filter_map(|introduction| error.message.split_once(introduction));
    let candidates = in_message.map(|(_, rest)| quoted(rest)).chain(error.string_to_sign.as_deref());
    let is_comparable = |text: &&str| SignedText::of(text).is_some_and(|text| text.is_like(&signed));
    candidates.map(str::trim).find(is_comparable)
}

/// The text in quotation marks at the beginning of `rest`, or the text up to an empty line.
fn quoted(rest: &str) -> &str {
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    match rest.strip_prefix('\'') {
        Some(inside) => inside.split_once('\'').map_or(inside, |(inside, _)| inside),
        None => rest.split_once("\n\n").map_or(rest, |(text, _)| text),
    }
}

/// All differences, in the order of the text. If there is none, the texts are equal, and it is the secret keys that
/// differ. `None` when the two are not texts of one kind that are signed.
#[must_use]
pub fn differences(signed: &str, expected: &str) -> Option<Vec<Difference>> {
    match (SignedText::of(signed)?, SignedText::of(expected)?) {
        (
            SignedText::Lines { method, host, path, form },
            SignedText::Lines { method: their_method, host: their_host, path: their_path, form: their_form },
        ) => {
            let target = SigningTarget { host: their_host.to_owned(), path: their_path.to_owned() };
            let forms = if form == their_form { Vec::new() } else { form_differences(form, their_form) };
            let beginning = [methods(method, their_method), hosts(host, &target), paths(path, &target)];
            Some(beginning.into_iter().flatten().chain(forms).collect())
        }
        (
            SignedText::Encoded { method, path, form },
            SignedText::Encoded { method: their_method, path: their_path, form: their_form },
        ) => {
            let other_path = (path != their_path).then_some(Difference::Path(PathDifference::Other));
            let forms = if form == their_form { Vec::new() } else { form_differences(&form, &their_form) };
            Some(methods(method, their_method).into_iter().chain(other_path).chain(forms).collect())
        }
        (SignedText::Canonical(signed), SignedText::Canonical(expected)) => {
            Some(canonical_differences(&signed, &expected))
        }
        _ => None,
    }
}

fn methods(signed: &str, expected: &str) -> Option<Difference> {
    (signed != expected).then_some(Difference::Method)
}

fn cause(candidates: Vec<request_line::Candidate>, line: &str) -> Option<Cause> {
    candidates.into_iter().find(|(candidate, _)| candidate == line).and_then(|(_, cause)| cause)
}

fn hosts(signed: &str, expected: &SigningTarget) -> Option<Difference> {
    (signed != expected.host).then(|| match cause(request_line::hosts(expected, &[signed]), signed) {
        Some(Cause::Host { difference, .. }) => Difference::Host(difference),
        _ => Difference::Host(HostDifference::Other),
    })
}

fn paths(signed: &str, expected: &SigningTarget) -> Option<Difference> {
    (signed != expected.path).then(|| match cause(request_line::paths(expected, &[signed]), signed) {
        Some(Cause::Path { difference, .. }) => Difference::Path(difference),
        _ => Difference::Path(PathDifference::Other),
    })
}

/// Compares line by line. The hash of the form tells that the form differs, and not where.
fn canonical_differences(signed: &CanonicalRequest<'_>, expected: &CanonicalRequest<'_>) -> Vec<Difference> {
    fn field<'a>(fields: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
        fields.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }
    let host = field(&expected.fields, "host").unwrap_or_default().to_owned();
    let target = SigningTarget { host, path: expected.path.to_owned() };
    let names = signed.fields.iter().chain(&expected.fields).map(|(name, _)| *name).filter(|name| *name != "host");
    let differs = |name: &&str| field(&signed.fields, name) != field(&expected.fields, name);
    let mut others: Vec<ShownName> = Vec::new();
    for name in names.filter(differs).map(ShownName::of) {
        if !others.contains(&name) {
            others.push(name);
        }
    }
    let found = [
        methods(signed.method, expected.method),
        hosts(field(&signed.fields, "host").unwrap_or_default(), &target),
        paths(signed.path, &target),
        (signed.query != expected.query).then_some(Difference::Query),
        (!others.is_empty()).then_some(Difference::Fields(others)),
        (!signed.hash.eq_ignore_ascii_case(expected.hash)).then_some(Difference::Form),
    ];
    found.into_iter().flatten().collect()
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

fn form_differences(signed: &str, expected: &str) -> Vec<Difference> {
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
            Self::Query => f.write_str("another query string"),
            Self::Fields(names) => write_names(f, "other contents of the header field", names),
            Self::Form => f.write_str("another form"),
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
