//! `[route.NAME]` as the program uses it.

use std::time::Duration;

use smol_str::SmolStr;

use super::egress::Egress;
use super::name::Name;
use crate::authorize::ActionPattern;
use crate::query::{ErrorDialect, FormLimits, FormPlace, Service};
use crate::signing::client_signature::ClientScope;
use crate::signing::{self, ClockSource, Scheme};
use crate::trust::{ClientTlsSettings, Roots};
use crate::upstream::NextHop;

/// One `[route.NAME]`: an endpoint and how to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The table's name; it appears in logs and metrics.
    pub name: Name,
    /// `endpoint`: where signed requests go.
    pub endpoint: Endpoint,
    /// `egress...`: the proxy on the way to the endpoint.
    pub egress: Egress,
    /// `key`: the name of the key that signs; may be left out when exactly one key is configured.
    pub key: Name,
    /// `probe`: a form that only reads, as it is sent; a new key is used once the endpoint has answered it with a 2xx.
    pub probe: Option<String>,
    /// `hosts`: `Host` values (lower case, with the port unless it is 80) that choose this route. Empty: any host that
    /// the listener accepts.
    pub hosts: Vec<String>,
    /// `path`: the path prefix that chooses this route. It starts with `/`, and ends with one only when it is `/`.
    pub path: String,
    /// `scope`: the service and region in the signature of an issued key that choose this route. `None`: any, and
    /// requests that are not signed.
    pub scope: Option<ClientScope>,
    /// `profile.*`: the dialect of the endpoint.
    pub profile: Profile,
    /// `clock`: whose time requests are signed with when the two clocks differ by 10 seconds or more.
    pub clock: ClockSource,
    /// `accept`: where requests may have their forms; always in the body of a POST.
    pub accept: Vec<FormPlace>,
    /// `forward_headers`: names (lower case) of request headers that are passed on; empty by default. Those that could
    /// outrank the form, that a cloud signs, that hold credentials or belong to one connection are refused here.
    pub forward_headers: Vec<String>,
    /// `safe_to_repeat`: Actions that only read, exact or with one trailing `*`. Default `Get*`, `List*`, `Describe*`.
    pub safe_to_repeat: Vec<ActionPattern>,
    /// `known_actions`: the Actions that metrics name; all others count as `other` there. Default: those of the
    /// service that `profile.service` names, or that has its endpoints at the host of `endpoint`; else none.
    pub known_actions: Vec<SmolStr>,
    /// `audit_values`: parameters whose values stand in the audit; by default none, names only.
    pub audit_values: Vec<String>,
    /// `limits.*` of the route.
    pub limits: RouteLimits,
    /// `timeouts.*` of the route.
    pub timeouts: RouteTimeouts,
}

impl Route {
    /// The key that says where connections are made to.
    #[must_use]
    pub fn next_hop_key(&self) -> &'static str {
        if self.egress.proxy().is_some() { "egress" } else { self.endpoint.next_hop_key() }
    }
}

/// Where signed requests go: parsed from `endpoint`, an absolute URL without user info, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `https`, or `http` where allowed.
    pub transport: Transport,
    /// Host name (lower case, without a trailing dot) or IP address (IPv6 in brackets): what is signed, sent as Host,
    /// and looked for in the certificate.
    pub host: String,
    /// The port, the scheme's default when the URL has none.
    pub port: u16,
    /// The path as written; `/` when empty.
    pub path: String,
    /// `connect`, or the proxy of `egress`: where connections are made to. By default the URL's host and port, with the
    /// name's trailing dot.
    pub next_hop: NextHop,
}

impl Endpoint {
    /// The host as a certificate knows it: the brackets around an IPv6 address belong to the URL.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether its responses are known to come from it: TLS is verified, or nothing leaves this machine.
    #[must_use]
    pub fn is_authentic(&self) -> bool {
        match self.transport {
            Transport::Tls { .. } => true,
            Transport::Plaintext => self.next_hop.is_on_this_machine(),
        }
    }

    /// The key that says where connections are made to.
    #[must_use]
    pub fn next_hop_key(&self) -> &'static str {
        match &self.next_hop {
            NextHop::Tcp { host, port } if host.trim_end_matches('.') == self.bare_host() && *port == self.port => {
                "endpoint"
            }
            NextHop::Tcp { .. } | NextHop::Unix(_) => "connect",
        }
    }

    /// The URL that it was read from, normalized.
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
        /// `client_certificate`, `client_key`, `pinned_public_keys` and `minimum_tls`.
        client: ClientTlsSettings,
    },
    /// `http`: by a loopback address or a Unix socket, or anywhere with `danger_plaintext = true`.
    Plaintext,
}

/// `[route.NAME.profile]`: the dialect of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// `dialect`, `signature_method`, `region`, and `service` where it is signed for.
    pub signing: signing::Profile,
    /// `errors`: the shape of the errors that countersign itself answers, as the dialect has it, or `"query"` or
    /// `"ec2"` where its services differ.
    pub errors: ErrorDialect,
    /// `service`: the service whose Actions the endpoint knows, where they are known and its host does not say so.
    pub service: Option<Service>,
}

/// `[route.NAME.limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteLimits {
    /// `body`: the client's form, in bytes as sent.
    pub body: usize,
    /// `parameters`.
    pub form: FormLimits,
    /// `in_flight`: exchanges at once, over all workers.
    pub in_flight: usize,
    /// `pool`: idle connections kept to the endpoint, over all workers.
    pub pool: usize,
    /// `failures`: failures in a row (no connection, no response in time) after which calls are answered with 503 at
    /// once until an attempt succeeds; 0: never.
    pub failures: usize,
}

/// `[route.NAME.timeouts]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// `connect`: name lookup, TCP and TLS together.
    pub connect: Duration,
    /// `first_byte`: from the first byte sent to the end of the response's head.
    pub first_byte: Duration,
    /// `idle`: between two pieces of the response's body.
    pub idle: Duration,
    /// `pool_idle`: how long an unused connection is kept; keep it below the endpoint's own limit.
    pub pool_idle: Duration,
    /// `probe`: while the endpoint is down, the longest pause between two attempts to reach it.
    pub probe: Duration,
}
