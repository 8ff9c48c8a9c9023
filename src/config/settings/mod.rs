//! The configuration as the program uses it: every value parsed, every default filled in.
//!
//! Nothing here is live (no socket, no key, no signer): `app.rs` turns these values into the running graph. Types are
//! strict so that a `Settings` that exists is one that can be served, as far as text alone can tell.

mod client;
mod key;
mod listener;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::authorize::ActionPattern;
use crate::query::ErrorDialect;
use crate::signing::authority::is_loopback;
use crate::signing::{ClockSource, Scheme, SignatureMethod};
use crate::telemetry::LogFormat;
use crate::telemetry::audit::{Target, WhenFull};
use crate::upstream::tls::Roots;

pub use client::{Client, Rate};
pub use key::{Key, KeyStore, Pkcs11Store, ProcessStore};
pub use listener::{
    Callers, ClientAuthority, Exposure, ListenAddress, Listener, ListenerLimits, ListenerTls, ServedRoutes,
    ServiceAccount, TokenKeys,
};

use crate::query::FormLimits;

/// The whole configuration. Lists are in order of name, names are unique within each list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[listener.NAME]`: where clients connect. At least one.
    pub listeners: Vec<Listener>,
    /// `[client.NAME]`: who may call listeners that authenticate, and what.
    pub clients: Vec<Client>,
    /// `[route.NAME]`: the endpoints that may be called. At least one.
    pub routes: Vec<Route>,
    /// `[key.NAME]`: the access keys and where they are kept. At least one.
    pub keys: Vec<Key>,
    /// `[admin]`: health and metrics, on a listener of their own. `None` when the table is absent.
    pub admin: Option<Admin>,
    /// `[audit]`.
    pub audit: Audit,
    /// `[log]`.
    pub log: Log,
    /// `[process]`.
    pub process: Process,
}

/// The name of a listener, client, route or key: 1 to 64 of `a-z 0-9 _ -`, starting with a letter or digit, and without `__`
/// (which separates the parts of an environment variable's name).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// Parses a name; `None` when it breaks the rules above.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.bytes().next()?;
        let plain = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        let starts = first.is_ascii_lowercase() || first.is_ascii_digit();
        (plain && starts && text.len() <= Self::MAX_LENGTH && !text.contains("__")).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One `[route.NAME]`: an endpoint and how to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The table's name; it appears in logs and metrics.
    pub name: Name,
    /// `endpoint`: where signed requests go.
    pub endpoint: Endpoint,
    /// `key`: the name of the key that signs; may be left out when exactly one key is configured.
    pub key: Name,
    /// `probe`: a form that only reads, as it is sent; a new key is used when the endpoint has answered it with a 2xx.
    pub probe: Option<String>,
    /// `hosts`: `Host` values (lower case, with the port unless it is 80) that choose this route. Empty: any admitted host.
    pub hosts: Vec<String>,
    /// `path`, default `/`: the path prefix that chooses this route. Starts with `/`, does not end with one unless it is `/`.
    pub path: String,
    /// `profile.*`: the dialect of the endpoint.
    pub profile: Profile,
    /// `clock`, default `endpoint`: whose time requests are signed with when the two clocks differ by 10 seconds or more.
    pub clock: ClockSource,
    /// `forward_headers`: names (lower case) of request headers that are passed on; empty by default. Credentials, framing,
    /// hop-by-hop, `host`, `content-*`, `x-amz-*` and `x-forwarded-*` headers are refused here.
    pub forward_headers: Vec<String>,
    /// `safe_to_repeat`: Actions that only read, exact or with one trailing `*`. Default `Get*`, `List*`, `Describe*`.
    pub safe_to_repeat: Vec<ActionPattern>,
    /// `known_actions`: the Actions named in metrics; all others count as `other`. Default: those of AWS Import/Export.
    pub known_actions: Vec<String>,
    /// `audit_values`: parameters whose values stand in the audit; by default none, names only.
    pub audit_values: Vec<String>,
    /// `limits.*` of the route.
    pub limits: RouteLimits,
    /// `timeouts.*` of the route.
    pub timeouts: RouteTimeouts,
}

/// Where signed requests go: parsed from `endpoint`, an absolute URL without user info, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `https`, or `http` where allowed.
    pub transport: Transport,
    /// Host name (lower case) or IP address (IPv6 in brackets), as it stands in the URL; a trailing dot stays.
    pub host: String,
    /// The port, the scheme's default when the URL has none.
    pub port: u16,
    /// The path as written; `/` when empty.
    pub path: String,
}

impl Endpoint {
    /// The host as a resolver or certificate knows it: the brackets around an IPv6 address belong to the URL.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether what it answers is known to come from it: TLS is verified, or nothing leaves this machine.
    #[must_use]
    pub fn is_authentic(&self) -> bool {
        match self.transport {
            Transport::Tls { .. } => true,
            Transport::Plaintext => is_loopback(&self.host),
        }
    }

    /// All of it, as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme().as_str(), self.authority(), self.path)
    }

    /// The value of the `Host` header: the port is left out when it is the scheme's default.
    #[must_use]
    pub fn authority(&self) -> String {
        self.scheme().authority(&self.host, self.port)
    }

    const fn scheme(&self) -> Scheme {
        match self.transport {
            Transport::Tls { .. } => Scheme::Https,
            Transport::Plaintext => Scheme::Http,
        }
    }
}

/// How the connection to an endpoint is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// `https`: TLS 1.2 or 1.3, the certificate verified against `trust` and the endpoint's host name.
    Tls {
        /// `ca_file`.
        trust: Roots,
    },
    /// `http`: to a loopback address, or anywhere with `danger_plaintext = true`.
    Plaintext,
}

/// `[route.NAME.profile]`: the switches of one cloud's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// `signature_method`: `"HmacSHA256"` (default) or `"HmacSHA1"`.
    pub signature_method: SignatureMethod,
    /// `errors`: `"query"` (default) or `"ec2"`, the form of the errors countersign itself answers.
    pub errors: ErrorDialect,
}

/// `[route.NAME.limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteLimits {
    /// `body`, default `"256 KiB"`, at most `"16 MiB"`: the client's form, in bytes as sent.
    pub body: usize,
    /// `parameters`, default [`FormLimits::DEFAULT`].
    pub form: FormLimits,
    /// `in_flight`, default 256: exchanges at once, over all workers.
    pub in_flight: usize,
    /// `pool`, default 64: idle connections kept to the endpoint, over all workers.
    pub pool: usize,
    /// `failures`, default 5: failures in a row (no connection, no answer in time) after which calls are answered with 503 at
    /// once until an attempt succeeds, 0 to 1000; 0: never.
    pub failures: usize,
}

/// `[route.NAME.timeouts]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// `connect`, default `"5s"`: name lookup, TCP and TLS together.
    pub connect: Duration,
    /// `first_byte`, default `"30s"`: from the first byte sent to the end of the answer's head.
    pub first_byte: Duration,
    /// `idle`, default `"30s"`: between two pieces of the answer's body.
    pub idle: Duration,
    /// `pool_idle`, default `"15s"`: how long an unused connection is kept; keep it below the endpoint's own limit.
    pub pool_idle: Duration,
    /// `probe`, default `"2s"`: while the endpoint is down, the longest pause between two attempts to reach it.
    pub probe: Duration,
}

/// `[admin]`: `/livez`, `/readyz`, `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `address`, default `127.0.0.1:8022`. Any address: what it serves is not secret, and the kubelet calls the pod's.
    pub address: SocketAddr,
}

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// `target`; `None` for `"off"`, the default.
    pub target: Option<Target>,
    /// `when_full`, default `"refuse"`.
    pub when_full: WhenFull,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `format`: `"human"` (default) or `"json"`.
    pub format: LogFormat,
    /// `level`: a tracing-subscriber filter, default `"info"`.
    pub level: String,
}

/// `[process]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// `workers`, default: one per processor, 1 to 256. Each is a thread with its own runtime, listeners and pools.
    pub workers: usize,
    /// `drain`, default `"25s"`: how long exchanges under way may take after SIGTERM.
    pub drain: Duration,
    /// `bodies`, default `"64 MiB"`: bytes of clients' forms held at once, over all workers and routes.
    pub bodies: usize,
    /// Whether `danger_unconfined` was set.
    pub confinement: Confinement,
}

/// What becomes of the rights that the process does not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// They are given up before anything is served.
    Confined,
    /// `danger_unconfined = true`: they are kept, for whoever takes the process over.
    DangerUnconfined,
}
