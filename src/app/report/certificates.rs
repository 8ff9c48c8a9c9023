//! Certificates in the report: those that listeners show to clients, and routes to endpoints.

use std::path::Path;

use jiff::Timestamp;

use super::{seconds_until, shown};
use crate::app::build::graph::Graph;
use crate::app::expiry;
use crate::status::{Certificate, CertificateState};
use crate::x509::{Standing, Validity};

/// All certificates that have an end which can be read.
pub(super) fn certificates(graph: &Graph, now: Timestamp) -> Vec<Certificate> {
    let listeners = graph.listeners.iter().filter_map(|(name, listener)| {
        let dates = listener.authentication.dates()?;
        let (file, validity) = dates.certificate()?;
        Some(certificate(format!("listener.{name}"), file, validity, now))
    });
    let endpoints = graph.endpoints().filter_map(|(settings, endpoint)| {
        let (file, validity) = endpoint.shown_certificate()?;
        Some(certificate(settings.table(), file, validity, now))
    });
    listeners.chain(endpoints).collect()
}

fn certificate(of: String, file: &Path, validity: Validity, now: Timestamp) -> Certificate {
    let state = match validity.at(now) {
        Standing::NotYet => CertificateState::NotYet,
        Standing::Ended => CertificateState::Ended,
        Standing::Valid if expiry::ends_soon(validity.ends, now).is_some() => CertificateState::EndsSoon,
        Standing::Valid => CertificateState::Valid,
    };
    Certificate {
        of,
        file: file.display().to_string(),
        state,
        expires_at: shown(validity.ends),
        expires_in_seconds: seconds_until(validity.ends, now),
    }
}
