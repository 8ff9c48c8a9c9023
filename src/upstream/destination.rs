//! Where requests to one endpoint of a route go, shared by the clients of all workers: call settings brought to life.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::breaker::Breaker;
use super::call_settings::{CallSettings, EndpointSettings, Trust, TunnelSettings};
use super::dial::connect::{Endpoint, Security};
use super::dial::tunnel::Tunnel;
use super::endpoint_name::EndpointName;
use super::idle_connections::IdleConnections;
use crate::signing::SigningTarget;
use crate::trust::{self, ClientTls, RootsError, server_name};

/// An endpoint, how it is called, and what is known of it when it fails.
pub struct Destination {
    settings: CallSettings,
    pub(super) endpoint: Endpoint,
    breaker: Arc<Breaker>,
    pub(super) idle: IdleConnections,
}

/// Why an endpoint cannot be called.
#[derive(Debug, Error)]
pub enum DestinationError {
    /// The roots cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// No certificate can be verified for the host.
    #[error("the host of `endpoint` is not a DNS name or IP address that a certificate can be for")]
    HostName,
    /// No certificate can be verified for the host of the egress proxy.
    #[error("the host of `egress` is not a DNS name or IP address that a certificate can be for")]
    ProxyName,
}

impl Destination {
    /// The destination with these settings, which the log calls `name`. What `before` knows of the same endpoint stays
    /// known, however differently it is called.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub fn new(name: EndpointName, settings: CallSettings, before: Option<&Self>) -> Result<Self, DestinationError> {
        let endpoint = connectable(&name.route, &settings)?;
        let (endpoint, breaker) = match before.filter(|before| before.settings.endpoint == settings.endpoint) {
            Some(before) => (endpoint.knowing(&before.endpoint), before.breaker.with_limits(settings.breaker)),
            None => (endpoint, Breaker::new(name, settings.breaker)),
        };
        Ok(Self { settings, endpoint, breaker: Arc::new(breaker), idle: IdleConnections::default() })
    }

    /// How it is called. Connections that were made before may be used while these settings are equal as a whole.
    #[must_use]
    pub const fn settings(&self) -> &CallSettings {
        &self.settings
    }

    /// The Host and path of its requests: what is signed, and what is sent.
    #[must_use]
    pub const fn target(&self) -> &SigningTarget {
        &self.settings.endpoint.target
    }

    /// Whether both lead to the same endpoint, so that what is known of it holds for both.
    #[must_use]
    pub fn is_same_endpoint(&self, other: &Self) -> bool {
        self.settings.endpoint == other.settings.endpoint
    }

    /// How old the addresses are that connections are made to because the name cannot be looked up; `None` when it can.
    #[must_use]
    pub fn serves_last_addresses(&self) -> Option<Duration> {
        self.endpoint.addresses()?.serves_last()
    }

    /// How many connections to it are idle, in the pools of all workers.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.idle.count()
    }

    /// What is known of the endpoint when it fails.
    #[must_use]
    pub const fn breaker(&self) -> &Arc<Breaker> {
        &self.breaker
    }
}

fn connectable(route: &str, settings: &CallSettings) -> Result<Endpoint, DestinationError> {
    let tls = &settings.tls;
    let EndpointSettings { name, next_hop, tunnel, trust, target: _ } = &settings.endpoint;
    let security = match trust {
        Trust::Plaintext => Security::Plaintext,
        Trust::Roots(roots) => {
            let verified = server_name(name).ok_or(DestinationError::HostName)?;
            Security::Tls(trust::client_config(Arc::clone(roots), tls)?, verified)
        }
    };
    let tunnel = tunnel.as_ref().map(live_tunnel).transpose()?;
    Ok(Endpoint::new(route, name, next_hop, tunnel, security))
}

fn live_tunnel(settings: &TunnelSettings) -> Result<Tunnel, DestinationError> {
    let TunnelSettings { authority, proxy, trust, credentials } = settings;
    let tls = match trust {
        Trust::Plaintext => None,
        Trust::Roots(roots) => {
            let verified = server_name(proxy).ok_or(DestinationError::ProxyName)?;
            Some((trust::client_config(Arc::clone(roots), &ClientTls::PLAIN)?, verified))
        }
    };
    Ok(Tunnel { authority: authority.clone(), tls, credentials: credentials.clone() })
}
