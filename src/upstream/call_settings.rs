//! Everything that calling an endpoint depends on, as values that can be compared.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::breaker::BreakerLimits;
use super::dial::next_hop::NextHop;
use super::dial::proxy_credentials::ProxyCredentials;
use crate::signing::SigningTarget;
use crate::trust::{Anchors, ClientTls};

/// How one endpoint is called. A [`Client`](super::Client) is made from these settings and from no other, and may be
/// kept for as long as they are equal as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct CallSettings {
    /// Which endpoint is called.
    pub endpoint: EndpointSettings,
    /// What is asked of TLS beyond a certificate that is trusted, and which certificate is shown.
    pub tls: ClientTls,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// How many idle connections are kept.
    pub pool: PoolLimits,
    /// When calls are no longer tried.
    pub breaker: BreakerLimits,
}

/// Which endpoint is called. While these settings are equal it is the same endpoint, and what is known of it (that it
/// is down, that its clock is off) stays true, however it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSettings {
    /// The name or address that its certificate must be for: no brackets, no trailing dot.
    pub name: String,
    /// Where connections to it are made.
    pub next_hop: NextHop,
    /// The tunnel that an egress proxy at the next hop is asked for.
    pub tunnel: Option<TunnelSettings>,
    /// How the endpoint proves that it is the one.
    pub trust: Trust,
    /// The Host and path of its requests.
    pub target: SigningTarget,
}

/// A tunnel to the endpoint through an egress proxy.
#[derive(Clone, PartialEq)]
pub struct TunnelSettings {
    /// Host and port of the endpoint, as CONNECT names them; IPv6 in brackets.
    pub authority: String,
    /// The name or address that the certificate of an `https://` proxy must be for, IPv6 without brackets.
    pub proxy: String,
    /// How the proxy proves that it is the one.
    pub trust: Trust,
    /// What the proxy is shown.
    pub credentials: Option<Arc<ProxyCredentials>>,
}

impl fmt::Debug for TunnelSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authority, proxy, trust, credentials: _ } = self;
        f.debug_struct("TunnelSettings")
            .field("authority", authority)
            .field("proxy", proxy)
            .field("trust", trust)
            .finish_non_exhaustive()
    }
}

/// How an endpoint proves that it is the one.
#[derive(Clone)]
pub enum Trust {
    /// Not at all: loopback, or allowed explicitly.
    Plaintext,
    /// By TLS, with a certificate that leads to one of these, or is one of them.
    Roots(Arc<Anchors>),
}

impl PartialEq for Trust {
    /// Compares the roots themselves: a CA file may be replaced under its name, and two files may hold the same roots.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plaintext, Self::Plaintext) => true,
            (Self::Roots(one), Self::Roots(other)) => Arc::ptr_eq(one, other) || one == other,
            (Self::Plaintext, Self::Roots(_)) | (Self::Roots(_), Self::Plaintext) => false,
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plaintext => f.write_str("Plaintext"),
            Self::Roots(anchors) => write!(f, "Roots({})", anchors.len()),
        }
    }
}

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Name lookup, TCP and TLS together.
    pub connect: Duration,
    /// From the hand-over of the request to the end of the response's head.
    pub first_byte: Duration,
    /// Between two pieces of the response's body.
    pub idle: Duration,
}

/// The idle connections that one client keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// At most so many.
    pub connections: usize,
    /// So many are opened before the first call.
    pub warm: usize,
    /// How long each may be unused.
    pub idle_timeout: Duration,
}
