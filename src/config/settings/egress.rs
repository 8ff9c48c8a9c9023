//! The keys `egress...` of a route as the program uses them.

use std::path::PathBuf;

use crate::trust::Roots;
use crate::upstream::NextHop;

/// How the endpoint of a route is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Egress {
    /// Without a proxy.
    Direct(Direct),
    /// Through a tunnel that this proxy opens.
    Proxy(EgressProxy),
}

/// Why there is no proxy on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direct {
    /// The route has no `egress`.
    Default,
    /// `egress = "direct"`.
    Configured,
    /// `egress = "environment"`, and no variable names a proxy.
    NoVariable,
    /// `egress = "environment"`, and `NO_PROXY` covers the endpoint.
    NoProxy,
}

/// An HTTP proxy that is asked for a tunnel (CONNECT) to the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressProxy {
    /// Who named it.
    pub origin: EgressOrigin,
    /// Host name (lower case) or address to connect to, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Who may vouch for an `https://` proxy: `egress_ca_file`, or the platform's roots. `None`: the connection to the
    /// proxy is in clear; the endpoint's TLS goes through it unchanged.
    pub roots: Option<Roots>,
    /// `egress_credentials_file`: `user:password`.
    pub credentials: Option<PathBuf>,
}

/// What named a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EgressOrigin {
    /// The route.
    Route,
    /// This variable of the environment.
    Variable(&'static str),
}

impl Egress {
    /// The proxy on the way, if there is one.
    #[must_use]
    pub const fn proxy(&self) -> Option<&EgressProxy> {
        match self {
            Self::Direct(_) => None,
            Self::Proxy(proxy) => Some(proxy),
        }
    }
}

impl EgressProxy {
    /// Where connections are made to.
    #[must_use]
    pub fn next_hop(&self) -> NextHop {
        NextHop::Tcp { host: self.host.clone(), port: self.port }
    }

    /// Its URL, which has no secret.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.roots.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.next_hop())
    }
}
