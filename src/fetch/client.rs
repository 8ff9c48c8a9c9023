//! One request over HTTP/1.1: a connection of its own, with TLS or without, no redirects, a bounded response.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::trust::told;

/// The largest head of a response, in bytes, and the most fields in it.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// How a server is known.
#[derive(Debug, Clone)]
pub enum Security {
    /// By a certificate for this name.
    Tls(Arc<ClientConfig>, ServerName<'static>),
    /// Not at all: the connection is in clear.
    Plaintext,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub enum RequestError {
    /// Nothing was asked for on the connection.
    #[error("the server's TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The response, or its end.
    #[error("the server broke off")]
    Broken(#[source] hyper::Error),
    /// The body is longer than the caller takes.
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
}

/// A response whose body is still to be read. The connection ends with it.
pub struct Pending {
    response: Response<Incoming>,
    _driver: JoinSet<()>,
}

/// Sends `request` on a fresh connection to a server.
///
/// # Errors
/// [`RequestError::Tls`] and [`RequestError::Broken`].
pub async fn send<B>(tcp: TcpStream, security: Security, request: Request<B>) -> Result<Pending, RequestError>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + Send + 'static,
{
    match security {
        Security::Plaintext => send_plain(tcp, request).await,
        Security::Tls(config, name) => {
            let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(tls_error)?;
            send_plain(stream, request).await
        }
    }
}

fn tls_error(error: io::Error) -> RequestError {
    RequestError::Tls(told(error))
}

/// Sends `request` on a stream that is open: a Unix socket, or TLS.
///
/// # Errors
/// [`RequestError::Broken`].
pub async fn send_plain<S, B>(stream: S, request: Request<B>) -> Result<Pending, RequestError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(RequestError::Broken)?;
    // aborted when the response is dropped; what breaks shows on our side of the connection
    let mut driver = JoinSet::new();
    driver.spawn(async move { connection.await.unwrap_or_default() });
    let response = sender.send_request(request).await.map_err(RequestError::Broken)?;
    Ok(Pending { response, _driver: driver })
}

impl Pending {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Reads the body, of at most `limit` bytes. One that is announced to be longer is not waited for.
    ///
    /// # Errors
    /// [`RequestError::Broken`] and [`RequestError::TooLarge`].
    pub async fn read(self, limit: usize) -> Result<Response<Bytes>, RequestError> {
        let Self { response, _driver } = self;
        let (head, mut body) = response.into_parts();
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(RequestError::TooLarge(limit));
        }
        let mut read = Vec::with_capacity(announced);
        while let Some(frame) = body.frame().await {
            // trailers tell us nothing
            let Ok(piece) = frame.map_err(RequestError::Broken)?.into_data() else { continue };
            if read.len().saturating_add(piece.len()) > limit {
                return Err(RequestError::TooLarge(limit));
            }
            read.extend_from_slice(&piece);
        }
        Ok(Response::from_parts(head, read.into()))
    }
}
