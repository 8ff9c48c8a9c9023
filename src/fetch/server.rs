//! A server that is asked again and again, each time on a connection of its own: where it is, and how it is known.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body::Body;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;

use super::client::{Pending, RequestError, Security, send};
use crate::trust::{self, ClientTls, Roots, RootsError};

const OURSELVES: HeaderValue = HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")));
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A server and a path there, as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLocation {
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
}

/// A server that can be asked.
#[derive(Debug)]
pub(super) struct Server {
    location: ServerLocation,
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

/// A connection on which nothing has been asked.
pub(super) struct Connected {
    tcp: TcpStream,
    security: Security,
}

/// Why a server cannot be asked.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Host or path cannot stand in a request.
    #[error("its URL cannot be asked for: the host is no DNS name or IP address that a certificate can be for")]
    Location,
    /// Who may vouch for the server.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Its name has no address, or no address accepts a connection.
    #[error("the server cannot be reached")]
    Connect(#[source] io::Error),
}

impl ServerError {
    /// Whether somebody has to change the owner or permissions of a file.
    pub(super) const fn is_permissions(&self) -> bool {
        match self {
            Self::Roots(error) => error.is_permissions(),
            Self::Location | Self::Connect(_) => false,
        }
    }
}

impl Server {
    /// Looks at everything there is to look at without asking the server.
    ///
    /// # Errors
    /// [`ServerError::Location`] and [`ServerError::Roots`].
    pub(super) fn new(location: ServerLocation) -> Result<Self, ServerError> {
        let authority = HeaderValue::from_str(&location.authority).map_err(|_| ServerError::Location)?;
        let path = Uri::try_from(location.path.as_str()).map_err(|_| ServerError::Location)?;
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
        Ok(Self { location, authority, path, trust })
    }

    /// Connects. It may block on the file of an authority, which is read anew each time: whoever issues certificates
    /// replaces it while we run.
    ///
    /// # Errors
    /// [`ServerError::Roots`] and [`ServerError::Connect`].
    pub(super) async fn connect(&self) -> Result<Connected, ServerError> {
        let security = match &self.trust {
            Trust::Anybody => Security::Plaintext,
            Trust::Platform(config, name) => Security::Tls(Arc::clone(config), name.clone()),
            Trust::File(path, name) => Security::Tls(
                trust::client_config(trust::load(&Roots::File(path.clone()))?, &ClientTls::PLAIN)?,
                name.clone(),
            ),
        };
        let tcp = TcpStream::connect((self.location.host.as_str(), self.location.port)).await;
        Ok(Connected { tcp: tcp.map_err(ServerError::Connect)?, security })
    }

    /// A GET of the path, to be made into what is wanted.
    pub(super) fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(USER_AGENT, OURSELVES);
        headers.insert(CONNECTION, CLOSE);
        request
    }
}

impl Connected {
    /// Sends the one request of the connection.
    ///
    /// # Errors
    /// As for [`send`].
    pub(super) async fn send<B>(self, request: Request<B>) -> Result<Pending, RequestError>
    where
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + Send + 'static,
    {
        send(self.tcp, self.security, request).await
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, ServerError> {
    trust::server_name(host).ok_or(ServerError::Location)
}
