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
    /// Bytes of forms in memory.
    pub(crate) bodies_held: usize,
    /// How many there may be.
    pub(crate) bodies_limit: usize,
    /// 1 while calls are refused because the audit cannot be written, else 0.
    pub(crate) audit_refusing: u8,
    /// How many log lines were dropped since the start.
    pub(crate) log_lost: u64,
    /// What the kernel knows of the process.
    pub(crate) process: Option<&'a OwnProcess>,
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

/// What is known of a route and of its endpoint.
pub(crate) struct RouteState<'a> {
    /// The route's name.
    pub(crate) route: &'a str,
    /// 1 while the endpoint counts as down, else 0.
    pub(crate) down: u8,
    /// How often it went down since the start.
    pub(crate) outages: u64,
    /// 1 while its name cannot be looked up and the addresses found last are used, else 0.
    pub(crate) name_lost: u8,
    /// Exchanges that have a place.
    pub(crate) in_flight: usize,
    /// How many may have one.
    pub(crate) in_flight_limit: usize,
    /// Connections to the endpoint that wait for a call, in all workers.
    pub(crate) pool_idle: usize,
    /// When the certificate ends that is shown to its endpoint, in Unix seconds.
    pub(crate) client_certificate_ends: Option<i64>,
}
