//! One document over HTTPS: a GET that is bounded in size and time, follows no redirect, and shows a token of ours if
//! need be.
//!
//! Certificates and token are read anew for each document: who issues them replaces them while we run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Empty;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::client::{RequestError, Security, send};
use crate::guarded_file::{self, GuardError};
use crate::trust::{self, ClientTls, Roots, RootsError};

/// The longest document taken, in bytes. A key set has some 400 for each key.
pub const MAX_DOCUMENT: usize = 256 * 1024;

/// For all of it: name lookup, connection, request and answer.
const LIMIT: Duration = Duration::from_secs(10);

const ACCEPTED: HeaderValue = HeaderValue::from_static("application/json, application/jwk-set+json");
const OURSELVES: HeaderValue = HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")));
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Where a document is, as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Host name or address to connect to, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The value of `Host`.
    pub authority: String,
    /// An absolute path.
    pub path: String,
    /// Who may vouch for the server; nobody has to where the connection is in clear.
    pub roots: Option<Roots>,
    /// What is sent as `Authorization: Bearer`: a file that holds a secret.
    pub token_file: Option<PathBuf>,
}

/// Something to fetch, again and again.
#[derive(Debug)]
pub struct Source {
    location: Location,
    authority: HeaderValue,
    path: Uri,
    trust: Trust,
}

/// How the server is known.
#[derive(Debug)]
enum Trust {
    Anybody,
    /// The platform's roots are not read again: their directory may be out of reach by then.
    Platform(Arc<ClientConfig>, ServerName<'static>),
    File(PathBuf, ServerName<'static>),
}

/// Why a document cannot be had.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Host or path cannot stand in a request.
    #[error("its URL cannot be asked for: the host is no DNS name or IP address that a certificate can be for")]
    Location,
    /// Who may vouch for the server.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The token's file.
    #[error("the token to fetch with cannot be used")]
    Token(#[from] GuardError),
    /// What the file holds.
    #[error("{} holds no token: it wants one line, without spaces", .0.display())]
    NoToken(PathBuf),
    /// Its name has no address, or no address accepts a connection.
    #[error("the server cannot be reached")]
    Connect(#[source] io::Error),
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
            Self::Roots(error) => error.is_permissions(),
            Self::Location
            | Self::NoToken(_)
            | Self::Connect(_)
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
    /// [`FetchError::Location`], [`FetchError::Roots`], [`FetchError::Token`] and [`FetchError::NoToken`].
    pub fn new(location: Location) -> Result<Self, FetchError> {
        let authority = HeaderValue::from_str(&location.authority).map_err(|_| FetchError::Location)?;
        let path = Uri::try_from(location.path.as_str()).map_err(|_| FetchError::Location)?;
        let trust = match &location.roots {
            None => Trust::Anybody,
            Some(roots) => {
                let (config, name) =
                    (trust::client_config(trust::load(roots)?, &ClientTls::PLAIN)?, server_name(&location.host)?);
                match roots {
                    Roots::Platform => Trust::Platform(config, name),
                    Roots::File(path) => Trust::File(path.clone(), name),
                }
            }
        };
        location.token_file.as_deref().map(bearer).transpose()?;
        Ok(Self { location, authority, path, trust })
    }

    /// Fetches the document. It may block on files.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self) -> Result<Bytes, FetchError> {
        timeout(LIMIT, self.get_unbounded()).await.unwrap_or(Err(FetchError::Late))
    }

    async fn get_unbounded(&self) -> Result<Bytes, FetchError> {
        let security = match &self.trust {
            Trust::Anybody => Security::Plaintext,
            Trust::Platform(config, name) => Security::Tls(Arc::clone(config), name.clone()),
            Trust::File(path, name) => Security::Tls(
                trust::client_config(trust::load(&Roots::File(path.clone()))?, &ClientTls::PLAIN)?,
                name.clone(),
            ),
        };
        let tcp = TcpStream::connect((self.location.host.as_str(), self.location.port)).await;
        let response = send(tcp.map_err(FetchError::Connect)?, security, self.request()?).await?;
        check(response.status())?;
        Ok(response.read(MAX_DOCUMENT).await?.into_body())
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(ACCEPT, ACCEPTED);
        headers.insert(USER_AGENT, OURSELVES);
        headers.insert(CONNECTION, CLOSE);
        if let Some(path) = &self.location.token_file {
            headers.insert(AUTHORIZATION, bearer(path)?);
        }
        Ok(request)
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, FetchError> {
    trust::server_name(host).ok_or(FetchError::Location)
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
