//! The hosts and paths that a signer may have signed by mistake.

use percent_encoding::percent_decode_str;

use super::cause::{Cause, HostDifference, PathDifference};
use crate::query::percent;
use crate::signing::target::SigningTarget;

/// How many of the other hosts, and of the other paths, are tried at most.
const MAX_OTHERS: usize = 16;

/// The region that old SDKs use when none is configured.
const DEFAULT_REGION: &str = "us-east-1";

/// A line of the string to sign, and the mistake in it; `None` for the right line.
pub(super) type Candidate = (String, Option<Cause>);

/// The target's host first, then common mistakes for it, then `others`.
pub(super) fn hosts(target: &SigningTarget, others: &[&str]) -> Vec<Candidate> {
    let host = target.host.as_str();
    let (name, port) = split_port(host);
    let mut guesses = Vec::new();
    if port.is_empty() {
        guesses.extend(["443", "80"].map(|port| (format!("{host}:{port}"), HostDifference::WithPort)));
    } else {
        guesses.push((name.to_owned(), HostDifference::WithoutPort));
    }
    let other_dot = name.strip_suffix('.').map_or_else(|| format!("{name}."), str::to_owned);
    guesses.push((format!("{other_dot}{port}"), HostDifference::TrailingDot));
    guesses.push((host.to_ascii_uppercase(), HostDifference::Case));
    guesses.extend(other_regions(name).into_iter().map(|name| (format!("{name}{port}"), HostDifference::Region)));
    guesses.extend(others.iter().take(MAX_OTHERS).map(|other| {
        let same = other.eq_ignore_ascii_case(host);
        ((*other).to_owned(), if same { HostDifference::Case } else { HostDifference::Other })
    }));
    guesses.push((String::new(), HostDifference::Other));

    let wrong = guesses.into_iter().filter(|(guess, _)| guess != host);
    let wrong =
        wrong.map(|(signed_for, difference)| (signed_for.clone(), Some(Cause::Host { signed_for, difference })));
    std::iter::once((host.to_owned(), None)).chain(wrong).collect()
}

/// Splits a host into its name, and its port with the colon.
fn split_port(host: &str) -> (&str, &str) {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => host.split_at(colon),
        Some(_) | None => (host, ""),
    }
}

/// `service.amazonaws.com` with a region, or `service.REGION.amazonaws.com` and `REGION.service.amazonaws.com` without:
/// AWS has used several of these names for one service, and SDKs differ in which one they sign.
fn other_regions(name: &str) -> Vec<String> {
    const DOMAIN: &str = "amazonaws.com";
    let Some(labels) = name.strip_suffix(DOMAIN).and_then(|rest| rest.strip_suffix('.')) else { return Vec::new() };
    match labels.split('.').collect::<Vec<_>>().as_slice() {
        [service] => {
            vec![format!("{service}.{DEFAULT_REGION}.{DOMAIN}"), format!("{DEFAULT_REGION}.{service}.{DOMAIN}")]
        }
        [first, second] => {
            vec![format!("{first}.{DOMAIN}"), format!("{second}.{DOMAIN}"), format!("{second}.{first}.{DOMAIN}")]
        }
        _ => Vec::new(),
    }
}

/// The target's path first, then common mistakes for it, then `others`.
pub(super) fn paths(target: &SigningTarget, others: &[&str]) -> Vec<Candidate> {
    let path = target.path.as_str();
    let mut guesses = vec![(String::new(), PathDifference::Empty)];
    guesses.push(match path.strip_suffix('/') {
        Some(shorter) => (shorter.to_owned(), PathDifference::TrailingSlash),
        None => (format!("{path}/"), PathDifference::TrailingSlash),
    });
    let encoded = path.split('/').map(percent::encode).collect::<Vec<_>>().join("/");
    guesses.push((encoded, PathDifference::Escaping));
    if let Ok(decoded) = percent_decode_str(path).decode_utf8() {
        let again = decoded.split('/').map(percent::encode).collect::<Vec<_>>().join("/");
        guesses.extend([decoded.into_owned(), again].map(|path| (path, PathDifference::Escaping)));
    }
    guesses.push(("/".to_owned(), PathDifference::Other));
    guesses.extend(others.iter().take(MAX_OTHERS).map(|other| ((*other).to_owned(), PathDifference::Other)));

    let wrong = guesses.into_iter().filter(|(guess, _)| guess != path);
    let wrong =
        wrong.map(|(signed_for, difference)| (signed_for.clone(), Some(Cause::Path { signed_for, difference })));
    std::iter::once((path.to_owned(), None)).chain(wrong).collect()
}
