//! What the process may hold at once: file descriptors, and the most memory that its limits add up to.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;

use crate::admin::PLACES;
use crate::config::settings::Settings;

/// What one open client connection takes at most, in bytes: what is read at once and not taken yet (64 KiB,
/// `downstream::server`), TLS's own buffers (16 KiB), and the state of both (16 KiB).
const CONNECTION: usize = (64 + 16 + 16) * 1024;
/// What one exchange takes beside its form, in bytes: heads of request and response, the connection to the endpoint, a
/// piece of the response.
const EXCHANGE: usize = 64 * 1024;
/// What one exchange whose spans wait for the collector takes, in bytes: names, and up to three steps an attempt.
const WAITING_SPANS: usize = 4 * 1024;
/// How often a form that is being signed and sent is in memory: as received, decoded, and as signed and sent, where
/// each byte may be escaped by three.
const COPIES: usize = 5;
/// How often a form that is still being received is in memory: its buffer grows by doubling.
const COPIES_OF_RECEIVED: usize = 2;
/// What a parameter of a form that is being signed and sent takes beside its bytes: where it stands in the form, and a
/// place for its decoded value, once a rule or the audit asks for one (24 + 8 and 16 bytes, `query::parameters`).
const PARAMETER: usize = 48;
/// The fewest bytes of a parameter in a form, `&` included.
const SHORTEST_PARAMETER: usize = 2;
/// Descriptors that every process has: 19 once it serves, and those of files that are open for a moment.
const FIXED: usize = 32;
/// Those of a worker: its runtime has four; asking for names and for owners takes two.
const OF_WORKER: usize = 6;
/// Those of a key: watching it and, where a process of its own has it, talking to that.
const OF_KEY: usize = 6;
/// Those of a listener beside its sockets, of which each worker has one: fetching the keys for its tokens.
const OF_LISTENER: usize = 2;

/// Raises the process's limit of descriptors as far as it may: shells and service managers set it to 1024 for the sake
/// of programs that call select(2). To be called before the process is confined, which forbids it.
pub(crate) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // `shortage` reports a limit that could not be raised
        let _raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// How many descriptors this process may have.
fn descriptors() -> usize {
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// How many client connections there may be at once, over all listeners: so many that a descriptor is left for
/// everything else, whatever clients do. Each call has one for its connection to the endpoint.
pub(crate) fn client_connections(settings: &Settings) -> usize {
    served_with(descriptors(), settings)
}

fn served_with(descriptors: usize, settings: &Settings) -> usize {
    let left = descriptors.saturating_sub(Reserve::of(settings).sum());
    // never more than half, because a reload may raise the limits of the routes
    (left / 2).max(left.saturating_sub(in_flight(settings))).min(descriptors / 2)
}

/// What clients can never take of the descriptors.
#[derive(Debug, Clone, Copy)]
struct Reserve {
    own: usize,
    admin: usize,
    pool: usize,
}

impl Reserve {
    fn of(settings: &Settings) -> Self {
        let (workers, listeners) = (settings.process.workers, settings.listeners.len());
        let each = |count: usize, part: usize| count.saturating_mul(part);
        let sockets = each(listeners, workers.saturating_add(OF_LISTENER));
        let addresses = settings.admin.as_ref().map_or(0, |admin| admin.addresses.len());
        let own = [FIXED, each(workers, OF_WORKER), sockets, each(settings.keys.len(), OF_KEY), addresses];
        // each endpoint of a route has a pool of its own
        let pools = settings.routes.iter().map(|route| each(route.endpoints().count(), route.limits.pool));
        Self {
            own: own.into_iter().fold(0, usize::saturating_add),
            admin: settings.admin.as_ref().map_or(0, |_| PLACES),
            pool: pools.fold(0, usize::saturating_add),
        }
    }

    fn sum(self) -> usize {
        self.own.saturating_add(self.admin).saturating_add(self.pool)
    }
}

fn in_flight(settings: &Settings) -> usize {
    settings.routes.iter().map(|route| route.limits.in_flight).fold(0, usize::saturating_add)
}

fn configured_connections(settings: &Settings) -> usize {
    settings.listeners.iter().map(|listener| listener.limits.connections).fold(0, usize::saturating_add)
}

/// How many descriptors serve everything that is configured.
fn needed(settings: &Settings) -> usize {
    let clients = configured_connections(settings);
    let calls = clients.min(in_flight(settings));
    Reserve::of(settings).sum().saturating_add(clients).saturating_add(calls).max(clients.saturating_mul(2))
}

/// The system gives so few descriptors that none would be left for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "this process may have {descriptors} descriptors, which leaves none for clients: it has {own} of its own, {admin} \
     for health and metrics and {pool} for idle connections to endpoints (`limits.pool`). Raise the limit to {needed} \
     (LimitNOFILE= of the unit, ulimit -n)"
)]
pub(crate) struct TooFewDescriptors {
    descriptors: usize,
    own: usize,
    admin: usize,
    pool: usize,
    needed: usize,
}

/// Whether clients could be served at all.
///
/// # Errors
/// [`TooFewDescriptors`].
pub(crate) fn check_descriptors(settings: &Settings) -> Result<(), TooFewDescriptors> {
    let descriptors = descriptors();
    if served_with(descriptors, settings) > 0 {
        return Ok(());
    }
    let Reserve { own, admin, pool } = Reserve::of(settings);
    Err(TooFewDescriptors { descriptors, own, admin, pool, needed: needed(settings) })
}

/// A message when the configuration allows more than the limit of descriptors does.
pub(crate) fn shortage(settings: &Settings) -> Option<String> {
    let (descriptors, clients) = (descriptors(), configured_connections(settings));
    let served = served_with(descriptors, settings);
    let (reserved, needed) = (Reserve::of(settings).sum(), needed(settings));
    (clients > served).then(|| {
        format!(
            "this process may have {descriptors} descriptors, and serves {served} client connections at once at most; \
             for the configured {clients}, their calls, and {reserved} of its own, raise the limit to {needed} \
             (LimitNOFILE= of the unit, ulimit -n)"
        )
    })
}

/// The most memory that clients can make the process use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorstCase {
    connections: usize,
    exchanges: usize,
    bodies: usize,
    parameters: usize,
}

/// Adds up the limits.
pub(crate) fn worst_case(settings: &Settings) -> WorstCase {
    let connections = configured_connections(settings).min(client_connections(settings));
    let routes = settings.routes.iter().map(|route| route.limits);
    let exchanges = routes.clone().map(|limits| limits.in_flight).fold(0, usize::saturating_add);
    let most = settings.process.bodies;
    let sent = routes.clone().map(|limits| limits.in_flight.saturating_mul(limits.body)).fold(0, usize::saturating_add);
    let sent = sent.min(most);
    // a form takes a place in `in_flight` only when it is complete; until then any connection may bring one
    let largest = routes.map(|limits| limits.body).max().unwrap_or_default();
    let received = connections.saturating_mul(largest).min(most).saturating_sub(sent);
    let bodies = sent.saturating_mul(COPIES).saturating_add(received.saturating_mul(COPIES_OF_RECEIVED));
    let parameters = settings.routes.iter().map(|route| {
        let limits = route.limits;
        let most = limits.form.max_parameters().min(limits.body / SHORTEST_PARAMETER);
        limits.in_flight.min(connections).saturating_mul(most)
    });
    let parameters = parameters.fold(0, usize::saturating_add).min(most / SHORTEST_PARAMETER);
    let waiting = settings.trace.as_ref().and_then(|trace| trace.export.as_ref()).map_or(0, |e| e.settings.queue);
    let exchanges = exchanges.min(connections).saturating_mul(EXCHANGE);
    WorstCase {
        connections: connections.saturating_mul(CONNECTION),
        exchanges: exchanges.saturating_add(waiting.saturating_mul(WAITING_SPANS)),
        bodies,
        parameters: parameters.saturating_mul(PARAMETER),
    }
}

impl WorstCase {
    /// The setting that lowers it most.
    pub(crate) fn lowered_by(&self) -> &'static str {
        let Self { connections, exchanges, bodies, parameters } = *self;
        let parts = [
            (connections, "limits.connections of the listeners"),
            (exchanges, "limits.in_flight of the routes"),
            (bodies, "process.bodies, or limits.body and limits.in_flight of the routes"),
            (parameters, "limits.parameters and limits.in_flight of the routes"),
        ];
        parts.into_iter().max_by_key(|(bytes, _)| *bytes).map_or("", |(_, setting)| setting)
    }
}

impl fmt::Display for WorstCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, exchanges, bodies, parameters } = *self;
        let all = [connections, exchanges, bodies, parameters].into_iter().fold(0, usize::saturating_add);
        let [all, connections, exchanges, bodies, parameters] =
            [all, connections, exchanges, bodies, parameters].map(mebibytes);
        write!(
            f,
            "{all} MiB ({connections} for connections, {exchanges} for exchanges, {bodies} for their forms, \
             {parameters} for the parameters in them)"
        )
    }
}

/// Rounded up.
const fn mebibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(limits: &str) -> Settings {
        let text = format!(
            "[listener.a]\nany_local = true\nlimits.connections = 16\n\
             [route.a]\nendpoint = \"http://[::1]/\"\n{limits}\n\
             [key.a]\nfile = \"k\"\nidentity_file = \"i\"\n[process]\nbodies = \"16 MiB\"\n"
        );
        crate::config::parse(&text, "f", []).unwrap()
    }

    #[test]
    fn the_worst_case_adds_up_the_limits_and_the_forms_are_bounded_twice() {
        let by_route = worst_case(&settings("limits.in_flight = 4\nlimits.body = \"1 MiB\""));
        // 16 connections of 96 KiB, 4 exchanges of 64 KiB, 4 MiB five times and 12 MiB twice, 4000 parameters of 48 B
        let parts = "2 for connections, 1 for exchanges, 44 for their forms, 1 for the parameters in them";
        assert_eq!(by_route.to_string(), format!("46 MiB ({parts})"));
        assert!(by_route.lowered_by().starts_with("process.bodies"));
        let by_process = worst_case(&settings("limits.in_flight = 400\nlimits.body = \"1 MiB\""));
        let parts = "2 for connections, 1 for exchanges, 80 for their forms, 1 for the parameters in them";
        assert_eq!(by_process.to_string(), format!("84 MiB ({parts})"));
    }

    #[test]
    fn parameters_count_as_often_as_a_route_and_the_bytes_of_its_forms_allow() {
        let most = |limits: &str| worst_case(&settings(limits)).parameters / PARAMETER;
        assert_eq!(most("limits.in_flight = 4\nlimits.parameters = 20000\nlimits.body = \"1 MiB\""), 80_000);
        assert_eq!(most("limits.in_flight = 4\nlimits.parameters = 100000\nlimits.body = \"1 KiB\""), 4 * 512);
        assert_eq!(most("limits.in_flight = 400\nlimits.parameters = 1000"), 16 * 1000, "so many connections");
        let mut few = settings("limits.in_flight = 400\nlimits.parameters = 100000\nlimits.body = \"1 MiB\"");
        few.process.bodies = 1 << 20;
        assert_eq!(worst_case(&few).parameters / PARAMETER, 1 << 19, "in all forms together");
    }

    #[test]
    fn more_than_the_system_gives_is_told_with_what_to_raise() {
        let mut settings = settings("limits.in_flight = 1000000");
        assert_eq!(shortage(&settings), None, "16 connections have no more than 16 calls");
        settings.listeners[0].limits.connections = usize::MAX / 4;
        let told = shortage(&settings).unwrap();
        assert!(told.contains("raise the limit to ") && told.contains("LimitNOFILE="), "{told}");
    }

    #[test]
    fn clients_get_what_the_reserve_and_their_calls_leave() {
        let mut settings = settings("limits.in_flight = 100\nlimits.pool = 20");
        settings.process.workers = 2;
        // 32 + 2 workers of 6, a listener of 4, a key of 6, a pool of 20; and no admin listener
        assert_eq!(Reserve::of(&settings).sum(), 74);
        for (descriptors, clients) in [(0, 0), (75, 0), (76, 1), (94, 10), (274, 100), (1000, 500)] {
            assert_eq!(served_with(descriptors, &settings), clients, "{descriptors}");
        }
    }
}
