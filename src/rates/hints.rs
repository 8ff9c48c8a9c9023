//! Endpoints that replicas report to each other as unreachable, if the configuration says so (`rates.hints`).
//!
//! A report is a hint only. It never closes an endpoint by itself: see `Breaker::note_report`. Decision 048
//! says why there are no other hints.

use std::collections::BTreeSet;
use std::fmt;

use super::client_rates::key_in_store;

/// The most reports that a replica sends and reads at a time.
#[cfg_attr(not(feature = "valkey"), allow(dead_code))] // there is no store then
pub(super) const MOST_REPORTS: usize = 25;
/// A hashed name has so many bytes, and every byte is a hexadecimal digit.
#[cfg_attr(not(feature = "valkey"), allow(dead_code))]
pub(super) const NAME_LENGTH: usize = 32;

/// The endpoints of this process.
pub trait Endpoints: Send {
    /// The endpoints that this process cannot reach at the moment.
    fn unreachable(&self) -> Vec<ReportedEndpoint>;
    /// Takes note of the endpoints that any replica reports.
    fn note(&self, reports: &Reports);
}

/// An endpoint as reports name it: by its route and its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedEndpoint {
    /// The name of its route.
    pub route: String,
    /// Its URL.
    pub url: String,
}

/// The endpoints that are reported at the moment.
pub struct Reports {
    namespace: String,
    names: BTreeSet<String>,
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reports({})", self.names.len())
    }
}

impl Reports {
    #[cfg_attr(not(feature = "valkey"), allow(dead_code))] // there is no store then
    pub(super) const fn new(namespace: String, names: BTreeSet<String>) -> Self {
        Self { namespace, names }
    }

    /// Whether this endpoint is among them.
    #[must_use]
    pub fn has(&self, endpoint: &ReportedEndpoint) -> bool {
        !self.names.is_empty() && self.names.contains(&hashed(&self.namespace, endpoint))
    }
}

/// The name of an endpoint in the store, which learns no URLs.
pub(super) fn hashed(namespace: &str, ReportedEndpoint { route, url }: &ReportedEndpoint) -> String {
    // neither has a zero byte in it
    let key = key_in_store(namespace, "endpoint", &format!("{route}\0{url}"));
    key.split_once(':').map_or_else(String::new, |(_, hash)| hash.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_about_one_endpoint_of_one_route_and_names_neither() {
        let endpoint = |route: &str, url: &str| ReportedEndpoint { route: route.to_owned(), url: url.to_owned() };
        let reported = hashed("n", &endpoint("ie", "https://ie.example/"));
        assert!(reported.len() == NAME_LENGTH && reported.bytes().all(|byte| byte.is_ascii_hexdigit()), "{reported}");
        let reports = Reports::new("n".to_owned(), BTreeSet::from([reported]));
        assert!(reports.has(&endpoint("ie", "https://ie.example/")));
        assert!(!reports.has(&endpoint("ie", "https://other.example/")));
        assert!(!reports.has(&endpoint("other", "https://ie.example/")));
        let elsewhere = Reports { namespace: "m".to_owned(), ..reports };
        assert!(!elsewhere.has(&endpoint("ie", "https://ie.example/")));
    }
}
