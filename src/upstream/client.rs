//! Sending a signed request: on a pooled connection or a new one, at most once, within its time.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, VIA};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::timeout;

use super::answer::AnswerBody;
use super::connect::{Connection, Endpoint};
use super::error::SendError;
use super::pool::Pool;
use crate::signing::{SignedRequest, SigningTarget};

/// The media type of what is sent.
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
/// Names us to endpoints, and to ourselves should a request come back (see `proxy::head`).
pub const VIA_COUNTERSIGN: &str = "1.1 countersign";
const VIA_VALUE: HeaderValue = HeaderValue::from_static(VIA_COUNTERSIGN);

/// Pooled connections that may turn out to be gone before a fresh one is made. Each costs one failed hand-over in
/// memory, no packet.
const STALE_ATTEMPTS: usize = 4;

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
    host: HeaderValue,
    path: Uri,
    timeouts: Timeouts,
    pool: Pool,
}

/// An answer's head, with its body still to come.
pub type Sent = Response<AnswerBody>;

impl Client {
    /// A client for `endpoint`. `None` when host or path of `target` cannot stand in a request, which the configuration has
    /// ruled out.
    #[must_use]
    pub fn new(endpoint: Endpoint, target: &SigningTarget, timeouts: Timeouts, pool: Pool) -> Option<Self> {
        let host = HeaderValue::from_str(&target.host).ok()?;
        let path = Uri::try_from(target.path.as_str()).ok()?;
        Some(Self { endpoint, host, path, timeouts, pool })
    }

    /// Sends `request` with the extra header fields a route passes on, and returns when the answer's head is here.
    ///
    /// # Errors
    /// See [`SendError`]; its `delivery` says whether the endpoint may have received the request.
    pub async fn send(&self, request: SignedRequest, forwarded: HeaderMap) -> Result<Sent, SendError> {
        let mut request = self.request(request.into_body(), forwarded);
        for _ in 0..STALE_ATTEMPTS {
            let Some(connection) = self.pool.take() else { break };
            match self.exchange(connection, request).await {
                Ok(sent) => return Ok(sent),
                Err(Attempt::Untouched(returned, _)) => request = *returned,
                Err(Attempt::Failed(error)) => return Err(error),
            }
        }
        let connection = self.endpoint.connect(self.timeouts.connect).await?;
        self.exchange(connection, request).await.map_err(|attempt| match attempt {
            Attempt::Untouched(_, error) => SendError::NeverSent(error),
            Attempt::Failed(error) => error,
        })
    }

    /// Closes connections that were idle for too long.
    pub fn close_expired(&self) {
        self.pool.close_expired();
    }

    /// The whole head is ours: nothing a client wrote is copied but the fields its route lists.
    fn request(&self, body: Bytes, forwarded: HeaderMap) -> Request<Full<Bytes>> {
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
        headers.extend(forwarded);
        request
    }

    async fn exchange(&self, mut connection: Connection, request: Request<Full<Bytes>>) -> Result<Sent, Attempt> {
        let answer = timeout(self.timeouts.first_byte, hand_over(&mut connection.sender, request));
        let response = answer.await.unwrap_or(Err(Attempt::Failed(SendError::AnswerTimeout)))?;
        check_framing(&response).map_err(|reason| Attempt::Failed(SendError::BadAnswer(reason)))?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, AnswerBody::new(body, connection, self.pool.clone(), self.timeouts.idle)))
    }
}

/// A failed attempt: either the request came back untouched, or it may have been written.
enum Attempt {
    Untouched(Box<Request<Full<Bytes>>>, hyper::Error),
    Failed(SendError),
}

/// hyper returns the request itself when it never began to write it: the only proof that it was not sent.
async fn hand_over(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Attempt> {
    if let Err(error) = sender.ready().await {
        return Err(Attempt::Untouched(Box::new(request), error));
    }
    sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
        Some(request) => Attempt::Untouched(Box::new(request), error.into_error()),
        None => Attempt::Failed(SendError::BrokenOff(error.into_error())),
    })
}

/// hyper reads some answers whose end two readers could see in different places; those are not passed on.
fn check_framing(response: &Response<Incoming>) -> Result<(), &'static str> {
    let headers = response.headers();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err("it switches protocols, which was not asked for");
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
