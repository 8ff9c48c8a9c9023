//! The HTTP client that AWS's crates use here: HTTP/1.1, a connection for each request, no redirects, no proxies,
//! bounded responses.
//!
//! Their own client would bring HTTP/2 along. A source is asked once in many minutes, so connections need not be kept.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::header::{CONNECTION, HOST};
use http::uri::Scheme;
use http::{HeaderValue, Request, Uri};
use rustls::ClientConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fetch::client::{RequestError, Security, send};
use crate::trust::{Anchors, ClientTls, RootsError, client_config, platform_certificates, server_name};

/// The variable that names a file of authorities to AWS's tools.
pub(super) const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// The longest response, in bytes; one with credentials has about 2000.
const MAX_ANSWER: usize = 256 * 1024;

/// The timeouts of a request if AWS's crates set none. The whole load has a limit as well.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(20);

/// Why the client cannot be made.
#[derive(Debug, Error)]
pub(super) enum HttpError {
    /// The file of certificates cannot be read.
    #[error("{path}, which {CA_BUNDLE} names, is not a readable file of PEM certificates: {source}")]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file has no certificate.
    #[error("{0}, which {CA_BUNDLE} names, has no certificate of an authority or for a server")]
    NoCertificate(PathBuf),
    /// The TLS library.
    #[error(transparent)]
    Tls(#[from] RootsError),
}

fn bundle(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let failed = |source| HttpError::Bundle { path: path.to_owned(), source };
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(failed)
}

/// A client for AWS's crates.
#[derive(Debug, Clone)]
pub(super) struct Http {
    tls: Arc<ClientConfig>,
}

#[derive(Debug)]
struct Connector {
    tls: Arc<ClientConfig>,
    connect: Duration,
    answer: Duration,
}

impl Http {
    /// Trusts only the authorities in `ca_bundle` (a file of PEM certificates), as AWS's tools do; without it, the
    /// platform's roots. If the platform has none, that shows when a certificate must be verified.
    pub(super) fn new(ca_bundle: Option<&Path>) -> Result<Self, HttpError> {
        let certificates = match ca_bundle {
            None => platform_certificates()?,
            Some(path) => bundle(path)?,
        };
        let anchors = Anchors::usable(certificates);
        if let Some(path) = ca_bundle.filter(|_| anchors.is_empty()) {
            return Err(HttpError::NoCertificate(path.to_owned()));
        }
        Ok(Self { tls: client_config(Arc::new(anchors), &ClientTls::PLAIN)? })
    }
}

impl HttpClient for Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            tls: Arc::clone(&self.tls),
            connect: settings.connect_timeout().unwrap_or(CONNECT),
            answer: settings.read_timeout().unwrap_or(ANSWER),
        })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (tls, connect, answer) = (Arc::clone(&self.tls), self.connect, self.answer);
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (target, request) = addressed(request)?;
            let host = target.host.clone();
            let late = |what: &str| ConnectorError::timeout(format!("{host} {what}").into());
            let unreached = |error: io::Error| ConnectorError::io(error.into());
            let tcp = timeout(connect, TcpStream::connect((host.as_str(), target.port))).await;
            let tcp = tcp.map_err(|_late| late("does not accept a connection"))?.map_err(unreached)?;
            let security = target.secure.map_or(Security::Plaintext, |name| Security::Tls(tls, name));
            let exchange = async { send(tcp, security, request).await?.read(MAX_ANSWER).await };
            let response = timeout(answer, exchange).await.map_err(|_late| late("does not answer"))?;
            let response = response.map_err(connector_error)?.map(SdkBody::from);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Where a request goes.
struct Target {
    /// IPv6 without brackets.
    host: String,
    port: u16,
    /// The name to verify; `None` for an unencrypted connection, as to container and instance endpoints.
    secure: Option<ServerName<'static>>,
}

/// Splits a request into its target and the request that is sent there.
fn addressed(mut request: Request<SdkBody>) -> Result<(Target, Request<SdkBody>), ConnectorError> {
    let wrong = || ConnectorError::user("not a URL of http or https with a host".into());
    let uri = request.uri();
    let host = uri.host().ok_or_else(wrong)?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => Some(server_name(&host).ok_or_else(wrong)?),
        Some(scheme) if *scheme == Scheme::HTTP => None,
        Some(_) | None => return Err(wrong()),
    };
    let usual = if secure.is_some() { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(usual);
    let authority = match (host.contains(':'), port == usual) {
        (true, true) => format!("[{host}]"),
        (true, false) => format!("[{host}]:{port}"),
        (false, true) => host.clone(),
        (false, false) => format!("{host}:{port}"),
    };
    let authority = HeaderValue::try_from(authority).map_err(|_| wrong())?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = Uri::try_from(path).map_err(|_| wrong())?;
    request.headers_mut().entry(HOST).or_insert(authority);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Ok((Target { host, port, secure }, request))
}

fn connector_error(error: RequestError) -> ConnectorError {
    match error {
        RequestError::Tls(error) => ConnectorError::io(error.into()),
        RequestError::Broken(error) => ConnectorError::io(error.into()),
        RequestError::TooLarge(_) => ConnectorError::io(error.into()),
    }
}
