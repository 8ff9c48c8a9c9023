//! `[listener.NAME]`, as the program uses it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::name::Name;
use crate::authorize::{Admission, RateLimitFields, RouteView};
use crate::downstream::unix_socket::UnixSocket;
use crate::downstream::{KeepAlive, MinimumRate, Relays, TcpSocket, TokenAlgorithm};

/// One `[listener.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The table's name; it appears in logs and metrics.
    pub name: Name,
    /// `address`: one or several.
    pub addresses: Vec<ListenOn>,
    /// `any_local` or `authenticate`: who may call.
    pub callers: Admission,
    /// `hosts`: further `Host` values (exact, with the port unless it is 80) clients may use for this listener, beside
    /// its own address, `localhost:PORT` and the routes' `hosts`. Lower case.
    pub hosts: Vec<String>,
    /// `required_header`: a header (lower case) that every request must have, whatever its value.
    pub required_header: Option<String>,
    /// `routes`: the routes served here; by default all.
    pub routes: ServedRoutes,
    /// `hide_routes`: what clients learn of routes on which their rules allow nothing.
    pub view: RouteView,
    /// `rate_limit_fields`: how clients are told what is left of their rates.
    pub rate_limit_fields: RateLimitFields,
    /// How far the listener may reach, and what was set to allow it.
    pub exposure: Exposure,
    /// `proxy_protocol_from`: the load balancers in front.
    pub relays: Option<Relays>,
    /// `tls.*`; `None`: clients speak plain HTTP.
    pub tls: Option<ListenerTls>,
    /// `service_account.*`; present exactly when `authenticate` lists `service-account`.
    pub service_account: Option<ServiceAccount>,
    /// `limits.*` of the listener.
    pub limits: ListenerLimits,
}

impl Listener {
    /// Where it listens, in one text.
    #[must_use]
    pub fn shown_addresses(&self) -> String {
        self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Where a listener is to listen. The address that it really has is known once its socket is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenOn {
    /// `IP:PORT`; port 0 takes any free one.
    Tcp(TcpSocket),
    /// `unix:/path`, and who may connect to it.
    Unix(UnixSocket),
    /// `systemd:NAME`: a socket that the service manager has bound. Whether it is a loopback or Unix socket is known
    /// only at the start: [`Exposure`] says what it may be.
    Inherited {
        /// Its `FileDescriptorName=`.
        name: String,
    },
}

impl fmt::Display for ListenOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(socket) => write!(f, "{}", socket.address),
            Self::Unix(socket) => write!(f, "unix:{}", socket.path.display()),
            Self::Inherited { name } => write!(f, "systemd:{name}"),
        }
    }
}

/// Which routes a listener serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServedRoutes {
    /// No `routes` line.
    All,
    /// `routes = ["..."]`, each the name of a configured route.
    Named(Vec<Name>),
}

impl ServedRoutes {
    /// Whether the route called `route` is served.
    #[must_use]
    pub fn include(&self, route: &Name) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(route),
        }
    }
}

/// How far a listener may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// This machine: a Unix socket or a loopback address. An inherited socket that is neither must be refused at start.
    Loopback,
    /// Anywhere: over TLS, with clients that authenticate.
    Authenticated,
    /// Anywhere, with bearer tokens or signed forms in clear, allowed by `danger_cleartext_tokens = true`.
    DangerCleartextTokens,
    /// Anywhere, for anyone, allowed by `danger_beyond_loopback = true`.
    DangerBeyondLoopback,
}

/// `[listener.NAME.tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// `certificate`: PEM file with the chain, the server's own first.
    pub certificate: PathBuf,
    /// `private_key`: PEM file that only countersign may read.
    pub private_key: PathBuf,
    /// `client_ca` and `crl`; present exactly when `authenticate` lists `mtls`.
    pub clients: Option<ClientAuthority>,
    /// `session_lifetime`: how long a connection may last before the client has to prove again who it is.
    pub session_lifetime: Duration,
}

/// Whose client certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    /// `client_ca`: PEM file of the authorities.
    pub ca: PathBuf,
    /// `crl`: PEM files of revocation lists.
    pub revocation_lists: Vec<PathBuf>,
}

/// `[listener.NAME.service_account]`: which tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `issuer`: the `iss` claim, exactly.
    pub issuer: String,
    /// `audience`: what the `aud` claim must contain.
    pub audience: String,
    /// `algorithm`: the only one accepted, whatever the header of a token says.
    pub algorithm: TokenAlgorithm,
    /// `jwks_file` or `jwks_url`: where the issuer's public keys are.
    pub keys: TokenKeys,
}

/// Where the public keys of a token issuer are: a JSON Web Key Set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKeys {
    /// `jwks_file`.
    File(PathBuf),
    /// `jwks_url`, fetched beside the request path.
    Url {
        /// The URL, with `jwks_ca_file` in its transport.
        endpoint: Endpoint,
        /// `jwks_token_file`: what is sent as `Authorization: Bearer`.
        token_file: Option<PathBuf>,
    },
}

/// `[listener.NAME.limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// `head_timeout`: from the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// `body_timeout`: from the end of the head to the end of the body.
    pub body_timeout: Duration,
    /// `idle_timeout`: how long a connection without a request is kept.
    pub idle_timeout: Duration,
    /// `minimum_rate` and `rate_grace`: how slowly a client may send a body or take a response.
    pub slowest: MinimumRate,
    /// `connections`: client connections at once, over all workers.
    pub connections: usize,
    /// `requests_per_connection` and `connection_lifetime`: after how much a connection has to make way for a new one.
    pub keep_alive: KeepAlive,
}
