//! One document over HTTPS: a GET that is bounded in size and time, follows no redirect, and shows a token of ours if
//! need be.
//!
//! Certificates and token are read anew for each document: who issues them replaces them while we run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use thiserror::Error;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::client::RequestError;
use super::server::{Server, ServerError, ServerLocation};
use crate::guarded_file::{self, GuardError};

/// The longest document taken, in bytes. A key set has some 400 for each key.
pub const MAX_DOCUMENT: usize = 256 * 1024;

/// For all of it: name lookup, connection, request and answer.
const LIMIT: Duration = Duration::from_secs(10);

const ACCEPTED: HeaderValue = HeaderValue::from_static("application/json, application/jwk-set+json");

/// Where a document is, as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The server, and the path there.
    pub server: ServerLocation,
    /// What is sent as `Authorization: Bearer`: a file that holds a secret.
    pub token_file: Option<PathBuf>,
}

/// Something to fetch, again and again.
#[derive(Debug)]
pub struct Source {
    server: Server,
    token_file: Option<PathBuf>,
}

/// Why a document cannot be had.
#[derive(Debug, Error)]
pub enum FetchError {
    /// What there is to say of its server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The token's file.
    #[error("the token to fetch with cannot be used")]
    Token(#[from] GuardError),
    /// What the file holds.
    #[error("{} holds no token: it wants one line, without spaces", .0.display())]
    NoToken(PathBuf),
    /// TLS, the response, or its end.
    #[error(transparent)]
    Request(RequestError),
    /// All of it took too long.
    #[error("the document was not there within {} s", LIMIT.as_secs())]
    Late,
    /// Somewhere else.
    #[error("the server answered {0}, a redirect; none is followed: name the place it leads to")]
    Redirect(StatusCode),
    /// Not this token's, or not without one.
    #[error("the server answered {0}: it wants another token, or one that may read this")]
    Denied(StatusCode),
    /// Anything else but 200.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// More than [`MAX_DOCUMENT`].
    #[error("the document is larger than {MAX_DOCUMENT} bytes")]
    TooLarge,
}

impl From<RequestError> for FetchError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::TooLarge(_) => Self::TooLarge,
            RequestError::Tls(_) | RequestError::Broken(_) => Self::Request(error),
        }
    }
}

impl FetchError {
    /// Whether somebody has to change the owner or permissions of a file.
    #[must_use]
    pub const fn is_permissions(&self) -> bool {
        match self {
            Self::Token(error) => error.is_permissions(),
            Self::Server(error) => error.is_permissions(),
            Self::NoToken(_)
            | Self::Request(_)
            | Self::Late
            | Self::Redirect(_)
            | Self::Denied(_)
            | Self::Status(_)
            | Self::TooLarge => false,
        }
    }
}

impl Source {
    /// Looks at everything there is to look at without asking the server.
    ///
    /// # Errors
    /// [`FetchError::Server`], [`FetchError::Token`] and [`FetchError::NoToken`].
    pub fn new(location: Location) -> Result<Self, FetchError> {
        let Location { server, token_file } = location;
        let server = Server::new(server)?;
        token_file.as_deref().map(bearer).transpose()?;
        Ok(Self { server, token_file })
    }

    /// Fetches the document. It may block on files.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self) -> Result<Bytes, FetchError> {
        timeout(LIMIT, self.get_unbounded()).await.unwrap_or(Err(FetchError::Late))
    }

    async fn get_unbounded(&self) -> Result<Bytes, FetchError> {
        let response = self.server.connect().await?.send(self.request()?).await?;
        check(response.status())?;
        Ok(response.read(MAX_DOCUMENT).await?.into_body())
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, FetchError> {
        let mut request = self.server.request(Empty::new());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, ACCEPTED);
        if let Some(path) = &self.token_file {
            headers.insert(AUTHORIZATION, bearer(path)?);
        }
        Ok(request)
    }
}

/// The token in a file. hyper's buffers, through which it goes, are not wiped: let it be a short-lived one.
fn bearer(path: &Path) -> Result<HeaderValue, FetchError> {
    let text = guarded_file::read_secret(path)?;
    let token = text.trim_ascii();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(FetchError::NoToken(path.to_owned()));
    }
    let value = Zeroizing::new([b"Bearer ", token].concat());
    let mut value = HeaderValue::from_bytes(&value).map_err(|_| FetchError::NoToken(path.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn check(status: StatusCode) -> Result<(), FetchError> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(FetchError::Denied(status)),
        redirect if redirect.is_redirection() => Err(FetchError::Redirect(status)),
        _other => Err(FetchError::Status(status)),
    }
}
