//! One client connection: HTTP/1.1, within limits, until either side has had enough or the process drains.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::{sleep, timeout};

use super::drain::Drain;
use super::evidence::PeerEvidence;
use super::service::Current;
use super::stream::{ClientStream, Clocks, ExchangeGuard, ExchangeMarker, Socket};

/// Largest request head, in bytes, and most header fields in it. Clients of this protocol send a few hundred bytes and
/// a dozen fields; hyper's defaults are 400 KiB and 100.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// What happens with a request. Infallible: every error has been turned into an answer inside.
pub trait Handler: 'static {
    /// The answer's body.
    type Body: Body<Data: Send, Error: std::error::Error + Send + Sync> + 'static;

    /// Answers `request`. The guard belongs into the answer's body: the exchange ends when both are dropped.
    fn handle(
        &self,
        peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>>;
}

/// The limits of a listener's connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Timeouts between and within heads.
    pub clocks: Clocks,
    /// Connections at once, over all workers.
    pub connections: usize,
}

/// How long a connection may go on.
#[derive(Debug, Clone, Copy)]
pub enum Lifetime {
    /// As long as both sides like: what it proved when it began cannot be withdrawn.
    Unlimited,
    /// So long; then the exchange under way is the last, and the client has to prove again who it is.
    AtMost(Duration),
}

impl Lifetime {
    async fn over(self) {
        match self {
            Self::Unlimited => std::future::pending().await,
            Self::AtMost(lifetime) => sleep(lifetime).await,
        }
    }
}

/// Serves one connection to its end. Errors of the client's framing have been answered by hyper (400, 431), those of its
/// socket concern nobody else: they end the connection and are not reported further.
pub async fn serve<S, H>(
    io: S,
    peer: Rc<PeerEvidence>,
    clocks: Clocks,
    lifetime: Lifetime,
    current: Rc<Current<H>>,
    drain: Drain,
) where
    S: Socket + 'static,
    H: Handler,
{
    let (stream, marker) = ClientStream::new(io, clocks);
    let exchanges = marker.clone();
    let service = service_fn(move |request| {
        let (service, peer) = (current.load(), Rc::clone(&peer));
        let exchange = marker.begin();
        // hyper keeps room for an exchange in every connection, and most connections have none: in a box it costs nothing then
        Box::pin(async move { Ok::<_, Infallible>(service.handler.handle(peer, exchange, request).await) })
    });
    let mut connection = pin!(
        http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { tokio::select! { () = last_call(&drain, &exchanges) => {}, () = lifetime.over() => {} } } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(target: "countersign::connection", %error, "client connection ended early");
    }
}

/// How long a connection on which nothing happens is kept after a drain has begun. A client in the middle of its work, or one
/// that has just connected, has its next request on the way; it is answered, with `Connection: close`.
const LAST_CALL: Duration = Duration::from_millis(250);

/// Waits for the drain, and then for a request to have come or for that time to be over.
async fn last_call(drain: &Drain, exchanges: &ExchangeMarker) {
    drain.begun().await;
    let called = poll_fn(|_| if exchanges.is_idle() { Poll::Pending } else { Poll::Ready(()) });
    // no wake-up of its own: what a request wakes is the connection, which is polled together with this
    let _either = timeout(LAST_CALL, called).await;
}
