//! One request to an admin listener, bounded in size and time.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use thiserror::Error;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::target::Target;
use crate::fetch::client::{RequestError, send_plain};

/// The longest response that is read, in bytes. A report of the status has some hundred for each client.
const LONGEST: usize = 16 * 1024 * 1024;

const OURSELVES: HeaderValue = HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")));

/// What the listener answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    /// Without parameters, in lower case; empty when the response does not say.
    pub(crate) media_type: String,
    pub(crate) body: Bytes,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    #[error("nobody listens there: is countersign running, and is this the address of its [admin]?")]
    NobodyListens,
    #[error("there is no such socket: is countersign running, and is this the address of its [admin]?")]
    NoSocket,
    #[error("this user may not connect to the socket: `mode` and `group` of [admin] say who may")]
    Denied,
    #[error("no connection")]
    Connect(#[source] io::Error),
    #[error("a connection, but no complete response within {0:?}: the process is stuck, or another program listens")]
    Silent(Duration),
    #[error("no connection within {0:?}")]
    Unreachable(Duration),
    #[error("the connection was closed before a response: either it is the wrong port, or the listener is full")]
    Broken(#[source] RequestError),
    #[error("the target cannot be written as a request")]
    Unwritable,
}

/// Asks `target` for `path`.
///
/// # Errors
/// [`AskError`].
pub(super) async fn ask(target: &Target, path: &str, limit: Duration) -> Result<Response, AskError> {
    let begun = tokio::time::Instant::now();
    let request = request(target, path)?;
    match target {
        Target::Tcp { host, port } => {
            let stream = connected(limit, TcpStream::connect((host.as_str(), *port))).await?;
            answered(limit, limit.saturating_sub(begun.elapsed()), respond(stream, request)).await
        }
        Target::Unix(path) => {
            let stream = connected(limit, UnixStream::connect(path)).await?;
            answered(limit, limit.saturating_sub(begun.elapsed()), respond(stream, request)).await
        }
    }
}

async fn connected<S>(limit: Duration, connection: impl Future<Output = io::Result<S>>) -> Result<S, AskError> {
    let connected = timeout(limit, connection).await.map_err(|_elapsed| AskError::Unreachable(limit))?;
    connected.map_err(|error| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            AskError::NobodyListens
        } else if error.kind() == io::ErrorKind::NotFound {
            AskError::NoSocket
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            AskError::Denied
        } else {
            AskError::Connect(error)
        }
    })
}

async fn answered(
    limit: Duration,
    left: Duration,
    response: impl Future<Output = Result<Response, AskError>>,
) -> Result<Response, AskError> {
    timeout(left, response).await.unwrap_or(Err(AskError::Silent(limit)))
}

async fn respond<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Response, AskError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let pending = send_plain(stream, request).await.map_err(AskError::Broken)?;
    let (head, body) = pending.read(LONGEST).await.map_err(AskError::Broken)?.into_parts();
    let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Ok(Response { status: head.status, media_type, body })
}

fn request(target: &Target, path: &str) -> Result<Request<Empty<Bytes>>, AskError> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| AskError::Unwritable)?;
    let authority = HeaderValue::from_str(&target.authority()).map_err(|_| AskError::Unwritable)?;
    let headers = request.headers_mut();
    headers.insert(HOST, authority);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(USER_AGENT, OURSELVES);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}
