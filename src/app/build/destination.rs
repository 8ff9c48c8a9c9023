//! From a route's settings to the destination of its requests, which is kept while nothing about the calls changes.

use std::sync::Arc;

use super::egress;
use super::error::BuildError;
use crate::config::settings::{self, RouteEndpoint, RouteLimits, RouteTimeouts, Transport};
use crate::signing::SigningTarget;
use crate::trust::{self, Anchors, ClientTls, IdentityError, Roots, RootsError};
use crate::upstream::{
    BreakerLimits, CallSettings, Destination, DestinationError, EndpointName, EndpointSettings, PoolLimits, Timeouts,
    Trust, TunnelSettings,
};

/// The platform's roots, once they have been read: a confined process cannot read them again.
#[derive(Clone, Default)]
pub(crate) struct PlatformRoots(Option<Arc<Anchors>>);

impl PlatformRoots {
    /// Whether there are any.
    pub(crate) const fn are_loaded(&self) -> bool {
        self.0.is_some()
    }

    fn get(&mut self) -> Result<Arc<Anchors>, RootsError> {
        match &self.0 {
            Some(roots) => Ok(Arc::clone(roots)),
            None => Ok(Arc::clone(self.0.insert(trust::load(&Roots::Platform)?))),
        }
    }
}

/// The destination of an endpoint. It is one of those `before` when nothing about its calls has changed, down to the
/// contents of the CA file; workers then keep their clients, and the clients their connections. A route may have given
/// it another place among its endpoints meanwhile.
pub(crate) fn destination(
    endpoint: &RouteEndpoint<'_>,
    workers: usize,
    platform: &mut PlatformRoots,
    before: &[&Arc<Destination>],
) -> Result<Arc<Destination>, BuildError> {
    let table = || endpoint.table();
    let failed = |source: DestinationError| match source {
        DestinationError::Roots(source) => BuildError::Roots { table: table(), source },
        DestinationError::HostName => BuildError::HostName { table: table() },
        DestinationError::ProxyName => BuildError::ProxyName { table: table() },
    };
    let transport = &endpoint.endpoint.transport;
    let trust = trust_of(transport, platform).map_err(|error| failed(error.into()))?;
    let tls = client_tls(transport);
    let tls = tls.map_err(|source| BuildError::Identity { table: table(), source: Box::new(source) })?;
    let tunnel = tunnel(endpoint, platform)?;
    let settings = call_settings(endpoint, (trust, tls), tunnel, workers);
    if let Some(same) = before.iter().find(|before| *before.settings() == settings) {
        return Ok(Arc::clone(same));
    }
    let known = before.iter().find(|before| before.settings().endpoint == settings.endpoint);
    let name = EndpointName { route: endpoint.route.name.to_string(), endpoint: endpoint.name() };
    let destination = Destination::new(name, settings, known.map(|known| Arc::as_ref(known)));
    destination.map(Arc::new).map_err(failed)
}

fn trust_of(transport: &Transport, platform: &mut PlatformRoots) -> Result<Trust, RootsError> {
    match transport {
        Transport::Plaintext => Ok(Trust::Plaintext),
        Transport::Tls { trust, .. } => roots_of(trust, platform),
    }
}

fn client_tls(transport: &Transport) -> Result<ClientTls, IdentityError> {
    match transport {
        Transport::Plaintext => Ok(ClientTls::PLAIN),
        Transport::Tls { client, .. } => ClientTls::load(client),
    }
}

fn roots_of(roots: &Roots, platform: &mut PlatformRoots) -> Result<Trust, RootsError> {
    match roots {
        Roots::Platform => platform.get().map(Trust::Roots),
        file @ Roots::File(_) => trust::load(file).map(Trust::Roots),
    }
}

/// The tunnel through the endpoint's egress proxy, if it has one.
fn tunnel(endpoint: &RouteEndpoint<'_>, platform: &mut PlatformRoots) -> Result<Option<TunnelSettings>, BuildError> {
    let Some(proxy) = endpoint.egress.proxy() else { return Ok(None) };
    let trust = match &proxy.roots {
        None => Ok(Trust::Plaintext),
        Some(roots) => roots_of(roots, platform),
    };
    let trust = trust.map_err(|source| BuildError::ProxyRoots { table: endpoint.table(), source })?;
    let tunnel = egress::tunnel(endpoint.endpoint, proxy, trust);
    tunnel.map(Some).map_err(|source| BuildError::ProxyCredentials { table: endpoint.table(), source })
}

/// The settings of a route that the calls of one of its endpoints depend on. Every setting is named here, so that a new
/// one does not compile until somebody decides whether a client that was made without it may still be used. Limits for
/// the whole process are divided among its workers; each endpoint has them for itself.
fn call_settings(
    endpoint: &RouteEndpoint<'_>,
    (trust, tls): (Trust, ClientTls),
    tunnel: Option<TunnelSettings>,
    workers: usize,
) -> CallSettings {
    // `_`: used anew by each exchange, or by the key
    let settings::Route {
        name: _,
        tenant: _,
        // all endpoints have the rest in common
        endpoint: _,
        egress: _,
        fallbacks: _,
        key: _,
        probe: _,
        hosts: _,
        path: _,
        scope: _,
        profile: _,
        clock: _,
        accept: _,
        forward_headers: _,
        safe_to_repeat: _,
        known_actions: _,
        audit_values: _,
        limits: RouteLimits { body: _, form: _, in_flight: _, pool, warm, failures },
        timeouts: RouteTimeouts { connect, first_byte, idle, pool_idle, probe },
    } = endpoint.route;
    // `trust` and `tls` were made of the transport, and `tunnel` of the egress
    let RouteEndpoint { route: _, place: _, endpoint, egress: _, signing: _ } = endpoint;
    let settings::Endpoint { transport: _, host: _, port: _, path, next_hop } = endpoint;
    CallSettings {
        endpoint: EndpointSettings {
            name: endpoint.bare_host().to_owned(),
            next_hop: next_hop.clone(),
            tunnel,
            trust,
            target: SigningTarget { host: endpoint.authority(), path: path.clone() },
        },
        tls,
        timeouts: Timeouts { connect: *connect, first_byte: *first_byte, idle: *idle },
        pool: PoolLimits {
            connections: pool.div_ceil(workers),
            warm: warm.min(pool).div_ceil(workers),
            idle_timeout: *pool_idle,
        },
        breaker: BreakerLimits { failures: *failures, longest_pause: *probe },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16, lines: &str, before: Option<&Arc<Destination>>) -> Arc<Destination> {
        let text = format!(
            "[listener.a]\nany_local = true\n[route.a]\nendpoint = \"http://[::1]:{port}/\"\n{lines}\n\
             [key.a]\nfile = \"k\"\nidentity_file = \"i\"\n"
        );
        let settings = crate::config::parse(&text, "f", []).unwrap();
        let first = settings.routes[0].endpoints().next().unwrap();
        let before: Vec<_> = before.into_iter().collect();
        destination(&first, 1, &mut PlatformRoots::default(), &before).unwrap()
    }

    #[test]
    fn connections_stay_only_while_the_whole_of_the_call_settings_is_equal() {
        let before = at(1, "", None);
        for line in ["path = \"/a\"", "limits.body = \"1 KiB\"", "limits.in_flight = 1", "clock = \"host\""] {
            assert!(Arc::ptr_eq(&at(1, line, Some(&before)), &before), "{line}");
        }
        for line in [
            "timeouts.connect = \"1s\"",
            "timeouts.first_byte = \"1s\"",
            "timeouts.idle = \"1s\"",
            "timeouts.pool_idle = \"1s\"",
            "timeouts.probe = \"1s\"",
            "limits.pool = 1",
            "limits.warm = 1",
            "limits.failures = 1",
        ] {
            assert!(!Arc::ptr_eq(&at(1, line, Some(&before)), &before), "{line}");
        }
    }

    #[test]
    fn an_endpoint_stays_the_same_however_it_is_called() {
        let before = at(1, "", None);
        assert!(at(1, "timeouts.idle = \"1s\"\nlimits.failures = 1", Some(&before)).is_same_endpoint(&before));
        assert!(!at(2, "", Some(&before)).is_same_endpoint(&before));
        let behind = at(1, "connect = \"unix:/run/envoy.sock\"", Some(&before));
        assert!(!behind.is_same_endpoint(&before), "what is known of the way there is not known of another way");
    }
}
