//! `[route.NAME]` as the program uses it.

use std::time::Duration;

use smol_str::SmolStr;

use super::egress::Egress;
use super::endpoint::Endpoint;
use super::fallback::Fallback;
use super::name::Name;
use crate::authorize::ActionPattern;
use crate::query::{ErrorDialect, FormLimits, FormPlace, Service};
use crate::signing::client_signature::ClientScope;
use crate::signing::{self, ClockSource};

/// One `[route.NAME]`: an endpoint and how to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The table's name; it appears in logs and metrics.
    pub name: Name,
    /// The file of `conf.d/` that the table is in; `None`: the main file, or variables.
    pub tenant: Option<Name>,
    /// `endpoint`: where signed requests go.
    pub endpoint: Endpoint,
    /// `egress...`: the proxy on the way to the endpoint.
    pub egress: Egress,
    /// `[[route.NAME.fallback]]`: the endpoints that get calls while those before them are down, in this order.
    pub fallbacks: Vec<Fallback>,
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
    /// `warm`: connections to the endpoint that are opened at the start, over all workers; at most `pool`.
    pub warm: usize,
    /// `failures`: failures in a row (no connection, no response in time) after which calls are answered with 503 at
    /// once until an attempt succeeds; 0: never.
    pub failures: usize,
}

impl RouteLimits {
    /// `in_flight` by default.
    pub const IN_FLIGHT: usize = 256;
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
