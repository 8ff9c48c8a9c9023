//! What a scrape reads elsewhere in the process, and what there is to count.

use super::clients::ClientExchanges;
use super::own_process::OwnProcess;

/// The values as they are when `/metrics` is asked for.
pub struct Snapshot<'a> {
    /// All listeners.
    pub(crate) listeners: Vec<ListenerState<'a>>,
    /// All keys.
    pub(crate) keys: Vec<KeyState<'a>>,
    /// All routes.
    pub(crate) routes: Vec<RouteState<'a>>,
    /// How the exchanges of clients ended.
    pub(crate) clients: &'a ClientExchanges,
    /// The limits of which clients have shares.
    pub(crate) shared_limits: &'a [&'static str],
    /// The causes for which endpoints refuse signatures.
    pub(crate) signature_causes: &'a [&'static str],
    /// The used fraction of the fullest limit, from 0 to 1.
    pub(crate) load: f64,
    /// Bytes of forms in memory.
    pub(crate) bodies_held: usize,
    /// How many there may be.
    pub(crate) bodies_limit: usize,
    /// 1 while calls are refused because the audit cannot be written, else 0.
    pub(crate) audit_refusing: u8,
    /// How many log lines were dropped since the start.
    pub(crate) log_lost: u64,
    /// The store of rates, if there is one.
    pub(crate) rate_store: Option<RateStoreState>,
    /// The clients with a quota.
    pub(crate) quotas: Vec<QuotaState<'a>>,
    /// What the kernel knows of the process.
    pub(crate) process: Option<&'a OwnProcess>,
}

/// What is known of the store of rates.
#[derive(Debug, Clone)]
pub(crate) struct RateStoreState {
    /// Where it is.
    pub(crate) store: String,
    /// 1 while it answers, else 0.
    pub(crate) up: u8,
    /// How many replicas it has seen.
    pub(crate) replicas: u32,
    /// Questions that it has answered.
    pub(crate) round_trips: u64,
    /// How long they took together.
    pub(crate) round_trip_seconds: f64,
    /// How often it went away.
    pub(crate) outages: u64,
    /// Calls that waited for it.
    pub(crate) waits: u64,
    /// Calls that waited in vain.
    pub(crate) late: u64,
    /// Tokens that it has leased.
    pub(crate) leased: u64,
    /// Tokens that were given back.
    pub(crate) returned: u64,
}

/// The quota of a client.
pub(crate) struct QuotaState<'a> {
    /// The client's name.
    pub(crate) client: &'a str,
    /// Calls of a day.
    pub(crate) calls: u64,
    /// Calls of this day.
    pub(crate) used: u64,
}

/// What is known of a listener.
pub(crate) struct ListenerState<'a> {
    /// The listener's name.
    pub(crate) listener: &'a str,
    /// Open client connections.
    pub(crate) connections: usize,
    /// How many there may be.
    pub(crate) limit: usize,
    /// When its certificate ends, in Unix seconds.
    pub(crate) certificate_ends: Option<i64>,
    /// When the first of its revocation lists ends, in Unix seconds.
    pub(crate) revocation_list_ends: Option<i64>,
    /// For what it may turn clients away before their first request.
    pub(crate) handshakes: Vec<&'static str>,
    /// The ranks of connections that make room for others.
    pub(crate) ranks: &'a [&'static str],
    /// Whether it fetches the keys of a token issuer.
    pub(crate) fetches_keys: bool,
}

/// What is known of a key.
pub(crate) struct KeyState<'a> {
    /// The key's name.
    pub(crate) key: &'a str,
    /// When it stops working, or has stopped, in Unix seconds.
    pub(crate) expires_at: Option<i64>,
    /// 1 while requests can be signed with it, else 0.
    pub(crate) usable: u8,
    /// 1 while its store has trouble or it cannot be used, else 0.
    pub(crate) degraded: u8,
}

/// What is known of a route and of its endpoints.
pub(crate) struct RouteState<'a> {
    /// The route's name.
    pub(crate) route: &'a str,
    /// Its endpoints one by one, if it has several.
    pub(crate) endpoints: Vec<EndpointState<'a>>,
    /// 1 while every endpoint counts as down, so that calls are refused, else 0.
    pub(crate) down: u8,
    /// How often endpoints of it went down since the start.
    pub(crate) outages: u64,
    /// 1 while the name of an endpoint cannot be looked up and the addresses found last are used, else 0.
    pub(crate) name_lost: u8,
    /// Exchanges that have a place.
    pub(crate) in_flight: usize,
    /// How many may have one.
    pub(crate) in_flight_limit: usize,
    /// Connections to its endpoints that wait for a call, in all workers.
    pub(crate) pool_idle: usize,
    /// When the first of the certificates ends that are shown to its endpoints, in Unix seconds.
    pub(crate) client_certificate_ends: Option<i64>,
}

/// What is known of one of several endpoints of a route.
pub(crate) struct EndpointState<'a> {
    /// What log, audit and status call it.
    pub(crate) endpoint: &'a str,
    /// 1 while it counts as down, else 0.
    pub(crate) down: u8,
    /// Requests handed over to be sent to it since the start.
    pub(crate) sent: u64,
}
