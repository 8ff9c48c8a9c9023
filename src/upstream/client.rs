//! One worker's client for one endpoint: the only place where a signed request is written to a connection.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::Instant;

use super::USER_AGENT;
use super::answer::{AnswerBody, Home};
use super::breaker::{Breaker, Probe};
use super::budget::Budget;
use super::call_settings::{PoolLimits, Timeouts};
use super::connection::Connection;
use super::destination::Destination;
use super::error::SendError;
use super::pool::Pool;
use super::request::Outgoing;
use crate::http1::{Fields, Persistence, RequestTemplate, ResponseHead};
use crate::signing::{SignedRequest, SigningTarget};

/// The `Via` value that names us to endpoints, and by which `proxy::head` recognises a request that comes back to us.
pub const VIA_COUNTERSIGN: &str = "1.1 countersign";

/// How old a name lookup may be by which idle connections are kept or closed.
const LOOKED_UP_AGAIN: Duration = Duration::from_secs(30);

/// The longest time in which it is found out beside the calls whether connections can be made. Each second another such
/// attempt may begin, and this bounds how many there are at once.
const LONGEST_PROBE: Duration = Duration::from_secs(10);

/// One worker's client for one endpoint.
pub struct Client {
    destination: Arc<Destination>,
    template: RequestTemplate,
    pub(super) timeouts: Timeouts,
    pub(super) pool: Pool,
    pub(super) budget: Budget,
    pub(super) breaker: Arc<Breaker>,
}

/// The head of a response, and its body, which is still to be read.
pub struct Sent {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub fields: Fields,
    /// The body, still to be read.
    pub body: Box<AnswerBody>,
    /// When the head was complete.
    pub answered_at: Instant,
}

impl Client {
    /// A client for `destination`. `None` when its Host or path cannot be written in a request, which the configuration
    /// has ruled out.
    #[must_use]
    pub fn new(destination: &Arc<Destination>) -> Option<Self> {
        Self::with_pool(destination, destination.settings().pool)
    }

    /// A client that closes its connection after each call.
    #[must_use]
    pub fn without_pool(destination: &Arc<Destination>) -> Option<Self> {
        Self::with_pool(destination, PoolLimits { connections: 0, warm: 0, idle_timeout: Duration::ZERO })
    }

    fn with_pool(destination: &Arc<Destination>, pool: PoolLimits) -> Option<Self> {
        let target = destination.target();
        let pool = Pool::new(pool.connections, pool.idle_timeout);
        destination.idle.include(pool.level());
        Some(Self {
            template: RequestTemplate::new(&target.host, &target.path, VIA_COUNTERSIGN, USER_AGENT)?,
            timeouts: destination.settings().timeouts,
            pool,
            budget: Budget::full(),
            breaker: Arc::clone(destination.breaker()),
            destination: Arc::clone(destination),
        })
    }

    /// Where it leads: a client serves for as long as this is the destination of its route.
    #[must_use]
    pub const fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// The Host and path that requests are sent to, and have to be signed for.
    #[must_use]
    pub fn target(&self) -> &SigningTarget {
        self.destination.target()
    }

    /// Closes connections that were idle for too long, and those to addresses that the endpoint's name no longer has.
    /// Call it every few seconds.
    pub fn tend(&self) {
        self.pool.close_expired();
        let endpoint = &self.destination.endpoint;
        let Some(addresses) = endpoint.addresses() else { return };
        if self.pool.is_empty() && addresses.serves_last().is_none() {
            return; // nobody wants to know
        }
        // while the name cannot be looked up, verified connections are kept
        let Some(addresses) = addresses.confirmed(LOOKED_UP_AGAIN) else { return };
        let closed = self.pool.keep_only(&addresses);
        if closed > 0 {
            tracing::info!(
                target: "countersign::upstream",
                endpoint = endpoint.name,
                closed,
                "the endpoint's name leads elsewhere: idle connections to its old addresses are closed"
            );
        }
    }

    /// Opens the connections that calls are to find. Nothing is sent on them. The breaker does not hear of what fails
    /// here: the first call finds out by itself.
    ///
    /// # Errors
    /// Why one of them could not be opened.
    pub async fn warm_up(self: &Rc<Self>) -> Result<(), SendError> {
        let Some(deadline) = Instant::now().checked_add(self.timeouts.connect) else { return Ok(()) };
        let mut connecting = JoinSet::new();
        for _ in 0..self.opens_ahead() {
            let client = Rc::clone(self);
            connecting.spawn_local(async move { client.connect(deadline).await });
        }
        let mut outcome = Ok(());
        while let Some(Ok(connected)) = connecting.join_next().await {
            match connected {
                Ok(connection) => self.pool.put(connection, None, Instant::now()),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// How many connections [`Self::warm_up`] opens.
    #[must_use]
    pub fn opens_ahead(&self) -> usize {
        self.destination.settings().pool.warm
    }

    /// Opens a connection before `deadline`.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Box<Connection>, SendError> {
        self.destination.endpoint.connect(deadline).await
    }

    /// Finds out whether connections can be made again, while calls go to another endpoint. One that is made is kept
    /// for the next call.
    pub(super) fn probe_beside_calls(&self, probe: Probe) {
        let (destination, pool) = (Arc::clone(&self.destination), self.pool.clone());
        let limit = self.timeouts.connect.min(LONGEST_PROBE);
        spawn_local(async move {
            let deadline = Instant::now().checked_add(limit).unwrap_or_else(Instant::now);
            let mut call = probe.begin(destination.breaker());
            match destination.endpoint.connect(deadline).await {
                Ok(connection) => {
                    call.connected();
                    pool.put(connection, None, Instant::now());
                }
                Err(error) => match error.outage() {
                    Some(outage) => call.failed(outage, Instant::now()),
                    // an endpoint that shows an untrusted certificate is reachable
                    None => call.connected(),
                },
            }
        });
    }

    /// Sends `request` on `connection`, once, and waits for the head of its answer.
    pub(super) async fn exchange(
        &self,
        mut connection: Box<Connection>,
        request: SignedRequest,
        forwarded: &Fields,
        answer_by: Instant,
    ) -> Result<Sent, SendError> {
        let request = Outgoing::new(&self.template, request, forwarded);
        let (head, received) = connection.send(request, answer_by).await?;
        let answered_at = Instant::now();
        let ResponseHead { status, fields, framing, persistence } = head;
        let home = match persistence {
            Persistence::KeepAlive => Some(Home { pool: self.pool.clone(), keep: kept_alive(&fields) }),
            Persistence::Close => None,
        };
        let body = Box::new(AnswerBody::new(framing, received, connection, home, self.timeouts.idle, answered_at));
        Ok(Sent { status, fields, body, answered_at })
    }
}

/// How long the endpoint keeps an idle connection: `Keep-Alive: timeout=SECONDS` (RFC 2068 section 19.7.1.1), less one
/// second for the time on the network.
fn kept_alive(fields: &Fields) -> Option<Duration> {
    let values = fields.all("keep-alive").filter_map(|value| std::str::from_utf8(value).ok());
    let parameters = values.flat_map(|value| value.split(',')).filter_map(|parameter| parameter.split_once('='));
    let mut timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let seconds: u64 = timeouts.next()?.1.trim().trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{BreakerLimits, CallSettings, EndpointName, EndpointSettings, NextHop, Trust};
    use std::net::{SocketAddr, TcpListener};

    #[test]
    fn how_long_an_endpoint_keeps_connections_is_read_with_a_second_to_spare() {
        for (value, seconds) in [
            ("timeout=5", Some(4)),
            ("timeout=5, max=100", Some(4)),
            ("max=100, Timeout = \"60\"", Some(59)),
            ("timeout=0", Some(0)),
            ("max=3", None),
            ("timeout=soon", None),
            ("", None),
        ] {
            assert_eq!(
                kept_alive(&[("Keep-Alive", value)].into_iter().collect()),
                seconds.map(Duration::from_secs),
                "{value}"
            );
        }
    }

    #[test]
    fn idle_connections_to_addresses_that_the_name_has_left_are_closed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let [here, there] = [1, 2].map(|last| TcpListener::bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap());
            let [here_at, there_at] = [&here, &there].map(|listener| listener.local_addr().unwrap());
            let second = Duration::from_secs(1);
            let settings = CallSettings {
                endpoint: EndpointSettings {
                    name: "endpoint.example".to_owned(),
                    next_hop: NextHop::Tcp { host: "endpoint.example".to_owned(), port: here_at.port() },
                    tunnel: None,
                    trust: Trust::Plaintext,
                    target: SigningTarget { host: "endpoint.example".to_owned(), path: "/".to_owned() },
                },
                tls: crate::trust::ClientTls::PLAIN,
                timeouts: Timeouts { connect: second, first_byte: second, idle: second },
                pool: PoolLimits { connections: 8, warm: 0, idle_timeout: 60 * second },
                breaker: BreakerLimits { failures: 0, longest_pause: second },
            };
            let name = EndpointName { route: "importexport".to_owned(), endpoint: "http://127.0.0.1/".to_owned() };
            let client = Client::new(&Arc::new(Destination::new(name, settings, None).unwrap())).unwrap();

            client.destination.endpoint.addresses().unwrap().found(&[here_at]);
            let connection = client.connect(Instant::now() + second).await.unwrap();
            client.pool.put(connection, None, Instant::now());
            client.tend();
            assert!(!client.pool.is_empty(), "its address is still the one");
            client.destination.endpoint.addresses().unwrap().found(&[there_at, here_at]);
            client.tend();
            assert!(!client.pool.is_empty(), "one of several is enough");
            client.destination.endpoint.addresses().unwrap().found(&[there_at]);
            client.tend();
            assert!(client.pool.is_empty());
        });
    }
}
