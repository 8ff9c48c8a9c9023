//! One client connection: HTTP/1.1, within limits, until either side has had enough or the process drains.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::direct;
use super::drain::Drain;
use super::ending::Ending;
use super::message::{Reply, head_of};
use super::peer::evidence::PeerEvidence;
use super::request_body::RequestBody;
use super::service::Current;
use super::stream::{ClientStream, Clocks, ExchangeGuard, ExchangeMarker, Socket};
use crate::http1::head_fault::{MAX_REQUEST_FIELDS, MAX_REQUEST_HEAD};
use crate::http1::{HeadFault, RequestHead};

/// What happens with a request. Infallible: every error has been turned into an answer inside.
pub trait Handler: 'static {
    /// The answer's body.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + 'static;

    /// Answers a request. The guard belongs into the answer's body: the exchange ends when both are dropped.
    fn handle(
        &self,
        peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        body: RequestBody,
    ) -> impl Future<Output = Reply<Self::Body>>;

    /// Answers what is not read as a request. The connection is closed behind the answer, whatever that says.
    fn refuse(&self, peer: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<Self::Body>;
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

/// Serves one connection to its end. What is wrong with the client's framing is the handler's to answer; errors of its socket
/// concern nobody else: they end the connection and are not reported further.
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
    let (stream, exchanges) = ClientStream::new(io, clocks);
    let mut ending = Ending::of(&drain, lifetime, &exchanges);
    if let Some(stream) = direct::serve(stream, &exchanges, &peer, &current, &mut ending).await {
        // in a box: most connections never come here
        Box::pin(serve_with_hyper(stream, exchanges, peer, current, ending)).await;
    }
}

/// Serves what is not usual, and all behind it.
async fn serve_with_hyper<S, H>(
    stream: ClientStream<S>,
    exchanges: ExchangeMarker,
    peer: Rc<PeerEvidence>,
    current: Rc<Current<H>>,
    mut ending: Ending,
) where
    S: Socket + 'static,
    H: Handler,
{
    let reading = exchanges.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (service, peer) = (current.load(), Rc::clone(&peer));
        let (exchange, judged) = exchanges.begin();
        // hyper keeps room for an exchange in every connection, and most connections have none: in a box it costs nothing then
        Box::pin(async move {
            Ok::<_, Infallible>(match judged {
                Ok(()) => {
                    let (parts, body) = request.into_parts();
                    match head_of(&parts) {
                        Some(head) => service.handler.handle(peer, exchange, head, body.into()).await.into(),
                        None => closing(service.handler.refuse(peer, exchange, HeadFault::TooLarge).into()),
                    }
                }
                Err(fault) => closing(service.handler.refuse(peer, exchange, fault).into()),
            })
        })
    });
    let mut connection = pin!(
        http1::Builder::new()
            .max_buf_size(MAX_REQUEST_HEAD)
            .max_headers(MAX_REQUEST_FIELDS)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut stay = Stay::Open;
    let ended = poll_fn(|cx| {
        if stay == Stay::Open && ending.is_over(cx) {
            stay = Stay::UntilAnswered;
        }
        if stay == Stay::UntilAnswered && reading.is_in_exchange() {
            // before the answer is written, which then says so
            connection.as_mut().graceful_shutdown();
            stay = Stay::Asked;
        }
        loop {
            let polled = connection.as_mut().poll(cx);
            // hyper, which has seen nothing of a head that is half sent, would take the connection for an idle one
            if polled.is_ready() || stay != Stay::UntilAnswered || reading.is_in_head() {
                return polled;
            }
            connection.as_mut().graceful_shutdown();
            stay = Stay::Asked;
        }
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(target: "countersign::connection", %error, "client connection ended early");
    }
}

fn closing<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether further requests are welcome on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stay {
    Open,
    /// The one that is under way, or whose head is half sent, is the last.
    UntilAnswered,
    /// And hyper knows.
    Asked,
}
