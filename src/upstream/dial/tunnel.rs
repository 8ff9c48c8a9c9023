//! A tunnel through an egress proxy: CONNECT, and the proxy's response to it. The TLS of the endpoint goes through
//! unchanged, and nothing of a request is written before it.

use std::io;
use std::sync::Arc;

use http::StatusCode;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::proxy_credentials::ProxyCredentials;
use crate::http1::tunnel::{ConnectResponse, ConnectResponseReader, MAX_CONNECT_RESPONSE, connect_request};
use crate::trust::told;
use crate::upstream::USER_AGENT;
use crate::upstream::egress_error::{Asked, EgressError};
use crate::upstream::stream::Stream;

/// What most responses to CONNECT fit into.
const USUAL_RESPONSE: usize = 1024;

/// How to have a tunnel opened.
pub(in crate::upstream) struct Tunnel {
    /// Host and port of the endpoint, as CONNECT names them.
    pub(in crate::upstream) authority: String,
    /// TLS with the proxy itself, and the name its certificate must be for; `None` in clear.
    pub(in crate::upstream) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(in crate::upstream) credentials: Option<Arc<ProxyCredentials>>,
}

impl Tunnel {
    /// Has the proxy at the other end of `tcp` open a tunnel. What is written to the result reaches the endpoint.
    ///
    /// # Errors
    /// [`EgressError`].
    pub(super) async fn open(&self, mut tcp: TcpStream) -> Result<Stream, EgressError> {
        let Some((config, name)) = &self.tls else {
            self.ask(&mut tcp).await?;
            return Ok(tcp.into());
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let mut tls = connector.connect(name.clone(), tcp).await.map_err(tls_error)?;
        self.ask(&mut tls).await?;
        Ok(Stream::Proxied(Box::new(tls)))
    }

    async fn ask(&self, proxy: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), EgressError> {
        let credentials = self.credentials.as_deref().map(ProxyCredentials::expose_secret);
        let request = connect_request(&self.authority, USER_AGENT, credentials);
        proxy.write_all(&request).await.map_err(EgressError::Cut)?;
        proxy.flush().await.map_err(EgressError::Cut)?;
        drop(request);
        let mut received = Vec::with_capacity(USUAL_RESPONSE);
        let mut reader = ConnectResponseReader::default();
        loop {
            // never 0: the reader refuses what is as long as this
            let more = MAX_CONNECT_RESPONSE.saturating_sub(received.len());
            let limited = &mut proxy.take(u64::try_from(more).unwrap_or(u64::MAX));
            if limited.read_buf(&mut received).await.map_err(EgressError::Cut)? == 0 {
                return Err(EgressError::Cut(io::ErrorKind::UnexpectedEof.into()));
            }
            match reader.read(&received).map_err(EgressError::BadResponse)? {
                None => {}
                Some(ConnectResponse::Open) => return Ok(()),
                Some(ConnectResponse::Refused { status, schemes }) => return Err(self.refused(status, schemes)),
            }
        }
    }

    fn refused(&self, status: StatusCode, schemes: Vec<&'static str>) -> EgressError {
        // tinyproxy answers 401 to a wrong password
        let asks = matches!(status, StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED);
        match &self.credentials {
            None if asks => EgressError::CredentialsMissing(Asked { status, schemes }),
            Some(_) if asks => EgressError::CredentialsRefused(Asked { status, schemes }),
            None | Some(_) if status.is_server_error() => EgressError::Failed(status),
            None | Some(_) => EgressError::Denied(status),
        }
    }
}

/// A TLS error would repeat itself; a connection that broke off may succeed the next time.
fn tls_error(error: io::Error) -> EgressError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => EgressError::Certificate(told(error)),
        Some(_) => EgressError::Tls(error),
        None => EgressError::Cut(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::tunnel::BadConnectResponse;
    use std::time::Duration;
    use tokio::io::duplex;

    const AUTHORITY: &str = "sdb.amazonaws.com:443";

    fn tunnel(credentials: Option<&str>) -> Tunnel {
        let credentials = credentials.map(|text| Arc::new(ProxyCredentials::parse(text.as_bytes()).unwrap()));
        Tunnel { authority: AUTHORITY.to_owned(), tls: None, credentials }
    }

    /// What comes of a proxy that responds with these pieces, and then closes; and the request that it got.
    fn asked(tunnel: &Tunnel, pieces: &[&str]) -> (Result<(), EgressError>, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (mut ours, mut proxy) = duplex(1 << 20);
            let respond = async {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    proxy.read_buf(&mut request).await.unwrap();
                }
                for piece in pieces {
                    // it may be given up before all of it has come
                    let _given_up = proxy.write_all(piece.as_bytes()).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                proxy.shutdown().await.unwrap();
                String::from_utf8(request).unwrap()
            };
            tokio::join!(tunnel.ask(&mut ours), respond)
        })
    }

    #[test]
    fn a_proxy_is_told_the_endpoint_and_opens_a_tunnel() {
        let (opened, request) = asked(&tunnel(None), &["HTTP/1.1 200 OK\r\n", "\r\n"]);
        opened.unwrap();
        assert!(
            request.starts_with(&format!("CONNECT {AUTHORITY} HTTP/1.1\r\nhost: {AUTHORITY}\r\nuser-agent: count"))
        );
        assert!(!request.contains("authorization"), "{request}");
        let (opened, request) = asked(&tunnel(Some("u:p")), &["HTTP/1.0 200 Connection established\r\n\r\n"]);
        opened.unwrap();
        assert!(request.contains("\r\nproxy-authorization: Basic dTpw\r\n"), "{request}");
    }

    #[test]
    fn each_refusal_of_a_proxy_is_told_apart() {
        const WANTS: &str = "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n\r\n";
        fn of(credentials: Option<&str>, response: &str) -> EgressError {
            asked(&tunnel(credentials), &[response]).0.unwrap_err()
        }
        assert!(matches!(of(None, WANTS), EgressError::CredentialsMissing(asked) if asked.schemes == ["Basic"]));
        assert!(matches!(of(Some("u:p"), WANTS), EgressError::CredentialsRefused(_)));
        let unauthorized = of(Some("u:p"), "HTTP/1.1 401 x\r\n\r\n");
        assert!(matches!(unauthorized, EgressError::CredentialsRefused(_)));
        for status in ["400", "403", "404", "405", "301", "429"] {
            let response = format!("HTTP/1.1 {status} x\r\n\r\n");
            assert!(matches!(of(None, &response), EgressError::Denied(said) if said.as_str() == status), "{status}");
        }
        for status in ["500", "502", "503", "504"] {
            let response = format!("HTTP/1.1 {status} x\r\n\r\n");
            assert!(matches!(of(None, &response), EgressError::Failed(said) if said.as_str() == status), "{status}");
        }
    }

    #[test]
    fn a_proxy_that_breaks_off_or_talks_nonsense_opens_nothing() {
        let of = |pieces: &[&str]| asked(&tunnel(None), pieces).0.unwrap_err();
        assert!(matches!(of(&[]), EgressError::Cut(_)));
        assert!(matches!(of(&["HTTP/1.1 200 OK\r\n"]), EgressError::Cut(_)));
        assert!(matches!(of(&["SSH-2.0\r\n"]), EgressError::BadResponse(BadConnectResponse::NotHttp(_))));
        let behind = of(&["HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"]);
        assert!(matches!(behind, EgressError::BadResponse(BadConnectResponse::BytesBehindHead)));
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(1 << 14));
        assert!(matches!(of(&[&endless]), EgressError::BadResponse(BadConnectResponse::TooLarge)));
    }
}
