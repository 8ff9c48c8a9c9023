//! How requests to one endpoint of a route are signed and where they go, as all workers share it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::destination::{PlatformRoots, destination};
use super::error::BuildError;
use crate::config::settings::{EndpointPlace, RouteEndpoint, Transport};
use crate::proxy::{AmongOthers, DateEvidence, EndpointClock};
use crate::signing::Profile;
use crate::telemetry::{RouteMetrics, TriedEndpoint};
use crate::upstream::{Destination, EndpointName};
use crate::x509::Validity;

/// How requests to one endpoint of a route are signed and where they go, for clients' calls and for probes. It does not
/// contain the key, because a key owns its probes.
#[derive(Clone)]
pub(crate) struct EndpointCalls {
    /// Which table of the route describes it.
    pub(crate) place: EndpointPlace,
    /// What log, audit, metrics and status call it.
    pub(crate) name: Arc<str>,
    pub(crate) profile: Profile,
    pub(crate) clock: Arc<EndpointClock>,
    pub(crate) destination: Arc<Destination>,
    /// How many requests were handed over to be sent to it, where the route has several endpoints.
    sent: Arc<AtomicU64>,
    /// The file of the certificate that is shown to it.
    certificate: Option<PathBuf>,
}

impl EndpointCalls {
    /// Builds what workers share of `endpoint`. What is known of it stays known if it was among the endpoints `before`,
    /// wherever it stood there.
    ///
    /// # Errors
    /// Its roots, its host or its files cannot be used.
    pub(super) fn build(
        endpoint: &RouteEndpoint<'_>,
        (workers, platform): (usize, &mut PlatformRoots),
        metrics: &RouteMetrics,
        before: &[&Self],
    ) -> Result<Self, BuildError> {
        let known: Vec<_> = before.iter().map(|before| &before.destination).collect();
        let destination = destination(endpoint, workers, platform, &known)?;
        let same = before.iter().find(|before| before.destination.is_same_endpoint(&destination));
        let clock = clock(endpoint, metrics, same.map(|same| &*same.clock));
        Ok(Self {
            place: endpoint.place,
            name: endpoint.name().into(),
            profile: endpoint.signing.clone(),
            clock: Arc::new(clock),
            destination,
            sent: same.map(|same| Arc::clone(&same.sent)).unwrap_or_default(),
            certificate: certificate(&endpoint.endpoint.transport),
        })
    }

    /// The certificate that is shown to the endpoint: its file, and when it is valid.
    pub(crate) fn shown_certificate(&self) -> Option<(&Path, Validity)> {
        let validity = self.destination.settings().tls.identity()?.validity()?;
        Some((self.certificate.as_deref()?, validity))
    }

    /// What is told of it because its route has other endpoints.
    pub(crate) fn among_others(&self) -> AmongOthers {
        let number = match self.place {
            EndpointPlace::Route => 0,
            EndpointPlace::Fallback(number) => number,
        };
        let which = TriedEndpoint { number, name: Arc::clone(&self.name) };
        AmongOthers { which, sent: Arc::clone(&self.sent) }
    }

    /// How many requests were handed over to be sent to it, where the route has several endpoints.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

fn certificate(transport: &Transport) -> Option<PathBuf> {
    match transport {
        Transport::Tls { client, .. } => Some(client.identity.as_ref()?.certificate.clone()),
        Transport::Plaintext => None,
    }
}

/// Keeps what was learnt `before` about the clock of the same endpoint.
fn clock(endpoint: &RouteEndpoint<'_>, metrics: &RouteMetrics, before: Option<&EndpointClock>) -> EndpointClock {
    let authentic = endpoint.endpoint.is_authentic();
    let evidence = if authentic { DateEvidence::Authentic } else { DateEvidence::Forgeable };
    let metrics = match endpoint.place {
        EndpointPlace::Route => Some(metrics.clone()),
        EndpointPlace::Fallback(_) => None,
    };
    let name = EndpointName { route: endpoint.route.name.to_string(), endpoint: endpoint.name() };
    let clock = EndpointClock::new(name, endpoint.route.clock, evidence, metrics);
    match before {
        Some(before) => clock.knowing_what(before),
        None => clock,
    }
}
