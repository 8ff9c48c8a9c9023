//! Where a route's requests go, shared by all workers: the same value for as long as nothing about it changes.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;

use super::error::BuildError;
use crate::config::settings::{self, Transport};
use crate::upstream::tls::{self, Roots, RootsError};
use crate::upstream::{Breaker, BreakerLimits, Endpoint, Security};

/// An endpoint with the roots that its certificate must lead to. A worker keeps its connections for as long as it is given the
/// same destination.
pub(crate) struct Destination {
    pub(crate) endpoint: Endpoint,
    /// What else decides whether connections made before may still be used.
    settings: (settings::Endpoint, settings::RouteTimeouts, usize, usize),
    /// What is known of it when it fails.
    pub(crate) breaker: Arc<Breaker>,
    /// Of an endpoint with TLS.
    roots: Option<Arc<RootCertStore>>,
}

/// The platform's roots, once they have been read: a confined process cannot read them again.
#[derive(Clone, Default)]
pub(crate) struct PlatformRoots(Option<Arc<RootCertStore>>);

impl PlatformRoots {
    /// Whether there are any.
    pub(crate) const fn are_loaded(&self) -> bool {
        self.0.is_some()
    }

    fn get(&mut self) -> Result<Arc<RootCertStore>, RootsError> {
        match &self.0 {
            Some(roots) => Ok(Arc::clone(roots)),
            None => Ok(Arc::clone(self.0.insert(tls::load(&Roots::Platform)?))),
        }
    }
}

/// The destination of a route: the one there was `before` when it is the same, down to the contents of the CA file.
pub(crate) fn destination(
    route: &settings::Route,
    platform: &mut PlatformRoots,
    before: Option<&Arc<Destination>>,
) -> Result<Arc<Destination>, BuildError> {
    let roots = match &route.endpoint.transport {
        Transport::Plaintext => None,
        Transport::Tls { trust: Roots::Platform } => Some(platform.get()),
        Transport::Tls { trust: file @ Roots::File(_) } => Some(tls::load(file)),
    };
    let no_roots = |source| BuildError::Roots { name: route.name.clone(), source };
    let roots = roots.transpose().map_err(no_roots)?;
    let settings = (route.endpoint.clone(), route.timeouts, route.limits.pool, route.limits.failures);
    if let Some(before) = before.filter(|before| before.settings == settings && same(&before.roots, &roots)) {
        return Ok(Arc::clone(before));
    }
    let host = route.endpoint.bare_host().to_owned();
    let security = match &roots {
        None => Security::Plaintext,
        Some(roots) => {
            let config = tls::client_config(Arc::clone(roots)).map_err(no_roots)?;
            let name = server_name(&host).ok_or_else(|| BuildError::HostName { name: route.name.clone() })?;
            Security::Tls(config, name)
        }
    };
    let endpoint = Endpoint { host, port: route.endpoint.port, security };
    let limits = BreakerLimits { failures: route.limits.failures, longest_pause: route.timeouts.probe };
    let breaker = Arc::new(Breaker::new(route.name.as_str(), limits));
    Ok(Arc::new(Destination { endpoint, settings, breaker, roots }))
}

fn same(before: &Option<Arc<RootCertStore>>, now: &Option<Arc<RootCertStore>>) -> bool {
    match (before, now) {
        (None, None) => true,
        (Some(before), Some(now)) => before.roots == now.roots,
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(host.to_owned()).ok(),
    }
}
