//! What the process may hold at once: file descriptors, and the most memory that its limits add up to.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::settings::Settings;

/// What one open client connection takes at most, in bytes: what is read at once and not taken yet (64 KiB,
/// `downstream::server`), TLS's own buffers (16 KiB), and the state of both (16 KiB).
const CONNECTION: usize = (64 + 16 + 16) * 1024;
/// What one exchange takes beside its form, in bytes: heads of request and response, the connection to the endpoint, a
/// piece of the response.
const EXCHANGE: usize = 64 * 1024;
/// How often a form that is being signed and sent is in memory: as received, decoded, and as signed and sent, where
/// each byte may be escaped by three.
const COPIES: usize = 5;
/// How often a form that is still being received is in memory: its buffer grows by doubling.
const COPIES_OF_RECEIVED: usize = 2;
/// Descriptors other than those of connections: the admin listener's 64, listening sockets, timers, watched and read
/// files.
const OTHERS: usize = 128;

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

/// How many client connections there may be at once, over all listeners: half the descriptors, so that each has one for
/// its connection to the endpoint, and health and metrics stay reachable whatever clients do.
pub(crate) fn client_connections() -> usize {
    descriptors() / 2
}

/// A message when the configuration allows more than the limit of descriptors does.
pub(crate) fn shortage(settings: &Settings) -> Option<String> {
    let clients: usize =
        settings.listeners.iter().map(|listener| listener.limits.connections).fold(0, usize::saturating_add);
    let upstream: usize = settings
        .routes
        .iter()
        .map(|route| route.limits.in_flight.saturating_add(route.limits.pool))
        .fold(OTHERS, usize::saturating_add);
    let (descriptors, half) = (descriptors(), client_connections());
    let needed = clients.max(upstream).saturating_mul(2);
    (clients > half || upstream > half).then(|| {
        format!(
            "this process may have {descriptors} descriptors, and serves {half} client connections at once at most; \
             for the configured {clients}, and {upstream} of its own, raise the limit to {needed} \
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
}

/// Adds up the limits.
pub(crate) fn worst_case(settings: &Settings) -> WorstCase {
    let connections = settings.listeners.iter().map(|listener| listener.limits.connections);
    let connections = connections.fold(0, usize::saturating_add).min(client_connections());
    let routes = settings.routes.iter().map(|route| route.limits);
    let exchanges = routes.clone().map(|limits| limits.in_flight).fold(0, usize::saturating_add);
    let most = settings.process.bodies;
    let sent = routes.clone().map(|limits| limits.in_flight.saturating_mul(limits.body)).fold(0, usize::saturating_add);
    let sent = sent.min(most);
    // a form takes a place in `in_flight` only when it is complete; until then any connection may bring one
    let largest = routes.map(|limits| limits.body).max().unwrap_or_default();
    let received = connections.saturating_mul(largest).min(most).saturating_sub(sent);
    let bodies = sent.saturating_mul(COPIES).saturating_add(received.saturating_mul(COPIES_OF_RECEIVED));
    WorstCase {
        connections: connections.saturating_mul(CONNECTION),
        exchanges: exchanges.min(connections).saturating_mul(EXCHANGE),
        bodies,
    }
}

impl fmt::Display for WorstCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, exchanges, bodies } = *self;
        let all = connections.saturating_add(exchanges).saturating_add(bodies);
        let [all, connections, exchanges, bodies] = [all, connections, exchanges, bodies].map(mebibytes);
        write!(f, "{all} MiB ({connections} for connections, {exchanges} for exchanges, {bodies} for their forms)")
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
        assert_eq!(by_route.to_string(), "46 MiB (2 for connections, 1 for exchanges, 44 for their forms)");
        let by_process = worst_case(&settings("limits.in_flight = 400\nlimits.body = \"1 MiB\""));
        assert_eq!(by_process.to_string(), "83 MiB (2 for connections, 1 for exchanges, 80 for their forms)");
    }

    #[test]
    fn more_than_the_system_gives_is_told_with_what_to_raise() {
        let told = shortage(&settings("limits.in_flight = 1000000")).unwrap();
        assert!(told.contains("raise the limit to 200") && told.contains("LimitNOFILE="), "{told}");
    }
}
