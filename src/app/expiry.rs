//! Keys and certificates that end soon, have ended or are not valid yet, for `check`, readiness, metrics, and the log
//! at the start and each day.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::build::endpoint_calls::EndpointCalls;
use super::build::graph::Graph;
use crate::config::settings::{Key, KeyStore};
use crate::credentials::KeySlot;
use crate::downstream::dates::{Dates, OutOfDate};
use crate::x509::{Standing, Validity};

/// How long before its end a key or certificate is warned of, in days.
const DAYS_AHEAD: i64 = 14;

/// A key or certificate to be renewed.
#[derive(Debug)]
pub(crate) struct Expiring {
    /// `key.NAME`, `listener.NAME`, `route.NAME` or `route.NAME.fallback[1]`.
    pub(crate) table: String,
    /// What there is to say.
    pub(crate) notice: Notice,
}

/// What there is to say about a key or certificate.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum Notice {
    /// It ends soon.
    #[error("{what} {}, at {ends}: renew it", in_days(*.left))]
    EndsSoon {
        /// The key, or the certificate with its file.
        what: String,
        /// The time that is left.
        left: SignedDuration,
        /// The end.
        ends: Timestamp,
    },
    /// A listener's files are not valid now.
    #[error("{0}; clients are turned away until it is renewed")]
    OutOfDate(OutOfDate),
    /// A certificate that is shown to an endpoint is not valid now.
    #[error("{what} is valid only from {begins} to {ends}: the endpoint will refuse it until it is renewed")]
    ShownOutOfDate {
        /// The certificate with its file.
        what: String,
        /// Its beginning.
        begins: Timestamp,
        /// Its end.
        ends: Timestamp,
    },
}

fn in_days(left: SignedDuration) -> String {
    match left.as_hours().checked_div(24) {
        None | Some(0) => "ends in less than a day".to_owned(),
        Some(1) => "ends in 1 day".to_owned(),
        Some(days) => format!("ends in {days} days"),
    }
}

impl Notice {
    /// Whether requests fail already.
    pub(crate) const fn is_fault(&self) -> bool {
        match self {
            Self::EndsSoon { .. } => false,
            Self::OutOfDate(_) | Self::ShownOutOfDate { .. } => true,
        }
    }
}

/// All keys and certificates of `graph` to be renewed at `now`. A key that has expired is told by its slot.
pub(crate) fn expiring(graph: &Graph, now: Timestamp) -> Vec<Expiring> {
    let keys = graph.keys_with_settings().filter_map(|(settings, slot)| {
        let notice = of_key(settings, slot, now)?;
        Some(Expiring { table: format!("key.{}", settings.name), notice })
    });
    let listeners = graph.listeners.iter().filter_map(|(name, listener)| {
        let notice = of_listener(&*listener.authentication.dates()?, now)?;
        Some(Expiring { table: format!("listener.{name}"), notice })
    });
    let endpoints = graph.endpoints().filter_map(|(settings, endpoint)| {
        let notice = of_endpoint(endpoint, now)?;
        Some(Expiring { table: settings.table(), notice })
    });
    keys.chain(listeners).chain(endpoints).collect()
}

/// A key that its store renews by itself ends soon as a rule.
fn of_key(settings: &Key, slot: &KeySlot, now: Timestamp) -> Option<Notice> {
    match &settings.store {
        KeyStore::Sealed { .. } | KeyStore::File(_) => {}
        KeyStore::Process(_) | KeyStore::Aws(_) | KeyStore::Pkcs11(_) => return None,
    }
    let ends = slot.current(now).ok()?.expiration()?;
    ends_soon(ends, now).map(|left| Notice::EndsSoon { what: "the key".to_owned(), left, ends })
}

fn of_listener(dates: &Dates, now: Timestamp) -> Option<Notice> {
    if let Err(out_of_date) = dates.check(now) {
        return Some(Notice::OutOfDate(out_of_date));
    }
    // a revocation list is made anew all the time, so that it ends soon as a rule
    let (path, validity) = dates.certificate()?;
    let what = format!("the certificate in {}", path.display());
    ends_soon(validity.ends, now).map(|left| Notice::EndsSoon { what, left, ends: validity.ends })
}

/// The certificate that is shown to an endpoint.
fn of_endpoint(endpoint: &EndpointCalls, now: Timestamp) -> Option<Notice> {
    let (file, validity) = endpoint.shown_certificate()?;
    let (what, Validity { begins, ends }) = (format!("the client certificate in {}", file.display()), validity);
    match validity.at(now) {
        Standing::Valid => ends_soon(ends, now).map(|left| Notice::EndsSoon { what, left, ends }),
        Standing::NotYet | Standing::Ended => Some(Notice::ShownOutOfDate { what, begins, ends }),
    }
}

/// The time that is left, if it is short.
pub(crate) fn ends_soon(ends: Timestamp, now: Timestamp) -> Option<SignedDuration> {
    let left = ends.duration_since(now);
    (left < SignedDuration::from_hours(DAYS_AHEAD.saturating_mul(24))).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_within_fourteen_days_is_told_with_the_time_that_is_left() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-29T12:00:00Z");
        assert_eq!(ends_soon(at("2026-12-13T12:00:00Z"), now), None);
        for (ends, words) in [
            ("2026-12-13T11:59:59Z", "the key ends in 13 days, at 2026-12-13T11:59:59Z: renew it"),
            ("2026-11-30T12:00:00Z", "the key ends in 1 day, at 2026-11-30T12:00:00Z: renew it"),
            ("2026-11-29T12:30:00Z", "the key ends in less than a day, at 2026-11-29T12:30:00Z: renew it"),
        ] {
            let left = ends_soon(at(ends), now).unwrap();
            assert_eq!(Notice::EndsSoon { what: "the key".to_owned(), left, ends: at(ends) }.to_string(), words);
        }
    }
}
