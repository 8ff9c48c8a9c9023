//! One worker's way to one endpoint, and the one place where a signed request becomes bytes on a connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, TRANSFER_ENCODING, VIA};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::addresses::Addresses;
use super::answer::AnswerBody;
use super::attempts::{Attempts, Repetition};
use super::breaker::Breaker;
use super::budget::Budget;
use super::connect::{Connection, Endpoint};
use super::error::SendError;
use super::informational::Flood;
use super::pool::Pool;
use crate::signing::{SignedRequest, SigningTarget};

/// The media type of what is sent.
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
/// Names us to endpoints, and to ourselves should a request come back (see `proxy::head`).
pub const VIA_COUNTERSIGN: &str = "1.1 countersign";
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const VIA_VALUE: HeaderValue = HeaderValue::from_static(VIA_COUNTERSIGN);

/// How old the addresses of an endpoint may be to which connections are kept.
const LOOKED_UP_AGAIN: Duration = Duration::from_secs(30);

/// The timeouts of a route.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Name lookup, TCP and TLS together.
    pub connect: Duration,
    /// From the hand-over of the request to the end of the answer's head.
    pub first_byte: Duration,
    /// Between two pieces of the answer's body.
    pub idle: Duration,
}

/// One worker's way to one endpoint.
pub struct Client {
    endpoint: Endpoint,
    addresses: Addresses,
    host: HeaderValue,
    path: Uri,
    pub(super) timeouts: Timeouts,
    pub(super) pool: Pool,
    pub(super) budget: Budget,
    pub(super) breaker: Arc<Breaker>,
}

/// An answer's head, with its body still to come.
pub struct Sent {
    /// Status and header fields.
    pub head: Parts,
    /// The body, still to be read.
    pub body: AnswerBody,
    /// When the request was handed over to be written.
    pub sent_at: Instant,
    /// When the head of the answer was complete.
    pub answered_at: Instant,
}

impl Client {
    /// A client for `endpoint`. `None` when host or path of `target` cannot stand in a request, which the configuration has
    /// ruled out.
    #[must_use]
    pub fn new(
        endpoint: Endpoint,
        target: &SigningTarget,
        timeouts: Timeouts,
        pool: Pool,
        breaker: Arc<Breaker>,
    ) -> Option<Self> {
        let host = HeaderValue::from_str(&target.host).ok()?;
        let path = Uri::try_from(target.path.as_str()).ok()?;
        let addresses = Addresses::of(&endpoint.host, endpoint.port);
        Some(Self { endpoint, addresses, host, path, timeouts, pool, budget: Budget::full(), breaker })
    }

    /// Begins a call, which may take more than one attempt.
    #[must_use]
    pub fn call(&self, repetition: Repetition) -> Attempts<'_> {
        Attempts::begin(self, repetition)
    }

    /// Closes connections that were idle for too long, and those to addresses that the endpoint's name no longer leads to. To
    /// be called every few seconds.
    pub async fn tend(&self) {
        self.pool.close_expired();
        if self.pool.is_empty() {
            return;
        }
        // while the name cannot be looked up, what is connected and verified stays good
        let Ok(addresses) = self.addresses.lookup(LOOKED_UP_AGAIN).await else { return };
        let closed = self.pool.keep_only(&addresses);
        if closed > 0 {
            tracing::info!(
                target: "countersign::upstream",
                endpoint = self.endpoint.host,
                closed,
                "the endpoint's name leads elsewhere: idle connections to its old addresses are closed"
            );
        }
    }

    /// Opens a connection before `deadline`.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Connection, SendError> {
        self.endpoint.connect(&self.addresses, deadline).await
    }

    /// Sends `request` on `connection`, once, and waits for the head of its answer.
    pub(super) async fn exchange(
        &self,
        mut connection: Connection,
        request: SignedRequest,
        forwarded: &HeaderMap,
        answer_by: Instant,
    ) -> Result<Sent, SendError> {
        let request = self.request(request.into_body(), forwarded);
        let sent_at = Instant::now();
        let response = hand_over(&mut connection, request, answer_by).await?;
        let answered_at = Instant::now();
        check_framing(&response).map_err(SendError::BadAnswer)?;
        let (head, body) = response.into_parts();
        let keep = kept_alive(&head.headers);
        let body = AnswerBody::new(body, connection, self.pool.clone(), self.timeouts.idle, keep);
        Ok(Sent { head, body, sent_at, answered_at })
    }

    /// The whole head is ours: nothing a client wrote is copied but the fields its route lists.
    fn request(&self, body: Bytes, forwarded: &HeaderMap) -> Request<Full<Bytes>> {
        let length = HeaderValue::from(body.len());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.version_mut() = Version::HTTP_11;
        let headers = request.headers_mut();
        headers.reserve(5);
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, FORM);
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(VIA, VIA_VALUE);
        headers.extend(forwarded.clone());
        request
    }
}

/// There are two proofs that a request was not sent, and no third: hyper gives it back, which it does when it never began to
/// write it; or the kernel has taken no byte since.
async fn hand_over(
    connection: &mut Connection,
    mut request: Request<Full<Bytes>>,
    answer_by: Instant,
) -> Result<Response<Incoming>, SendError> {
    let before = connection.written();
    let flood = Flood::watch(&mut request);
    let answer = tokio::select! {
        biased;
        () = flood.too_many() => return Err(SendError::BadAnswer("too many informational answers come before it")),
        answer = timeout_at(answer_by, connection.sender.try_send_request(request)) => answer,
    };
    let mut failed = match answer {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(failed)) => failed,
        Err(_elapsed) => return Err(SendError::AnswerTimeout),
    };
    let unsent = failed.take_message().is_some() || connection.written() == before;
    let error = failed.into_error();
    Err(match (unsent, error.is_parse()) {
        (true, _) => SendError::NeverSent(error),
        (false, true) => SendError::Garbled(error),
        (false, false) => SendError::BrokenOff(error),
    })
}

/// `Keep-Alive: timeout=SECONDS` (RFC 2068 section 19.7.1.1), less a second for the way: how long the endpoint keeps the
/// connection when nothing is sent on it.
fn kept_alive(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(KEEP_ALIVE).iter().filter_map(|value| value.to_str().ok());
    let parameters = fields.flat_map(|value| value.split(',')).filter_map(|parameter| parameter.split_once('='));
    let mut timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let seconds: u64 = timeouts.next()?.1.trim().trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds.saturating_sub(1)))
}

/// hyper reads some answers whose end two readers could see in different places; those are not passed on.
fn check_framing(response: &Response<Incoming>) -> Result<(), &'static str> {
    let headers = response.headers();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err("it switches protocols, which was not asked for");
    }
    if response.status().as_u16() >= 600 {
        return Err("its status is beyond those that exist"); // RFC 9110 section 15; clients take such a number in many ways
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next();
    if lengths.next().is_some() || first.is_some_and(|length| length.as_bytes().contains(&b',')) {
        return Err("it has more than one Content-Length");
    }
    if first.is_some() && headers.contains_key(TRANSFER_ENCODING) {
        return Err("it has both Content-Length and Transfer-Encoding");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{BreakerLimits, Security};
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
            let mut headers = HeaderMap::new();
            headers.insert(KEEP_ALIVE, HeaderValue::from_static(value));
            assert_eq!(kept_alive(&headers), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn idle_connections_to_addresses_that_the_name_has_left_are_closed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let [here, there] = [1, 2].map(|last| TcpListener::bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap());
            let [here_at, there_at] = [&here, &there].map(|listener| listener.local_addr().unwrap());
            let endpoint =
                Endpoint { host: "endpoint.example".to_owned(), port: here_at.port(), security: Security::Plaintext };
            let target = SigningTarget { host: "endpoint.example".to_owned(), path: "/".to_owned() };
            let second = Duration::from_secs(1);
            let timeouts = Timeouts { connect: second, first_byte: second, idle: second };
            let limits = BreakerLimits { failures: 0, longest_pause: second };
            let breaker = Arc::new(Breaker::new("importexport", limits));
            let client = Client::new(endpoint, &target, timeouts, Pool::new(8, 60 * second), breaker).unwrap();

            client.addresses.found(&[here_at]).await;
            let mut connection = client.connect(Instant::now() + second).await.unwrap();
            connection.sender.ready().await.unwrap();
            client.pool.put(connection, None);
            client.tend().await;
            assert!(!client.pool.is_empty(), "its address is still the one");
            client.addresses.found(&[there_at, here_at]).await;
            client.tend().await;
            assert!(!client.pool.is_empty(), "one of several is enough");
            client.addresses.found(&[there_at]).await;
            client.tend().await;
            assert!(client.pool.is_empty());
        });
    }
}
