//! The endpoint's server: accepts connections, plain or TLS, on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::any_action::{AnyAction, Cloud, Sighted};
use super::certificate::Identity;
use super::exchange::Endpoint;
use super::keyring::Keyring;
use super::observation::Observer;
use super::reception::Respond;
use crate::credentials::HeldKey;

/// How many connections are served at a time; more wait in the listener's queue.
const MOST_CONNECTIONS: usize = 256;

/// How long a TLS handshake and a request's head may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long responses in progress may take once the endpoint is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// The pause after an accept that failed. Most often no descriptors are left, and trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How connections are protected.
pub enum Transport {
    /// No protection: plain HTTP.
    Plain,
    /// TLS 1.2 or 1.3.
    Tls(Identity),
}

/// Where to serve AWS Import/Export, and for whom.
pub struct Configuration {
    /// The address to listen on; port 0 lets the system choose.
    pub address: SocketAddr,
    /// How connections are protected.
    pub transport: Transport,
    /// The access keys that may call, each with jobs of its own.
    pub keys: Vec<HeldKey>,
    /// The pause between the pieces of CreateJob's and GetStatus's responses.
    pub pacing: Option<Duration>,
}

/// Why the endpoint does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// Two keys have the same ID, so a request would not say which of them signed it.
    #[error("two keys have the same access key id")]
    DuplicateKey,
    /// The system refuses a thread, or what its event loop needs.
    #[error("cannot start a thread for the endpoint")]
    Thread(#[source] io::Error),
}

/// An endpoint that runs until it is stopped or dropped.
pub struct Running {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts an endpoint that plays AWS Import/Export. It is listening when this returns. The call takes about a
/// millisecond, so async code may make it too.
///
/// # Errors
/// [`StartError`].
pub fn start(configuration: Configuration, observer: Option<Observer>) -> Result<Running, StartError> {
    let Configuration { address, transport, keys, pacing } = configuration;
    let keyring = Keyring::new(keys).ok_or(StartError::DuplicateKey)?;
    serve(address, transport, Endpoint::new(keyring, pacing, observer))
}

/// Starts an endpoint that accepts any operation of a cloud, and responds with the parameters it was sent. It is
/// listening when this returns.
///
/// # Errors
/// [`StartError`].
pub fn start_any_action(
    address: SocketAddr,
    transport: Transport,
    cloud: Cloud,
    observer: Option<Sighted>,
) -> Result<Running, StartError> {
    serve(address, transport, AnyAction::new(cloud, observer).ok_or(StartError::DuplicateKey)?)
}

fn serve(address: SocketAddr, transport: Transport, endpoint: impl Respond) -> Result<Running, StartError> {
    let endpoint = Arc::new(endpoint);
    let acceptor = match transport {
        Transport::Plain => None,
        Transport::Tls(identity) => Some(TlsAcceptor::from(identity.server_config())),
    };
    let (listener, address) = listen(address).map_err(|source| StartError::Listen { address, source })?;
    let (stop, stopping) = watch::channel(());
    let (ready, started) = mpsc::channel();
    let serve = move || {
        // built on the new thread, so that `start` can be called from within another runtime
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            match TcpListener::from_std(listener) {
                Err(error) => drop(ready.send(Err(error))),
                Ok(listener) => {
                    drop(ready.send(Ok(())));
                    accept(&listener, acceptor.as_ref(), &endpoint, stopping).await;
                }
            }
        });
    };
    let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(serve).map_err(StartError::Thread)?;
    started.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(StartError::Thread)?;
    Ok(Running { address, stop: Some(stop), thread: Some(thread) })
}

fn listen(address: SocketAddr) -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Running {
    /// The address it listens on, with the real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets responses in progress finish for up to two seconds, and blocks until everything is closed.
    /// Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // an error means that the endpoint's thread panicked, which has been printed already
            let _panicked = thread.join();
        }
    }
}

async fn accept(
    listener: &TcpListener,
    acceptor: Option<&TlsAcceptor>,
    endpoint: &Arc<impl Respond>,
    mut stopping: watch::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let (endpoint, stopping) = (Arc::clone(endpoint), stopping.clone());
                    connections.spawn(connection(stream, acceptor.cloned(), endpoint, stopping));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    let finished = async { while connections.join_next().await.is_some() {} };
    let _cut = timeout(GRACE, finished).await;
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    endpoint: Arc<impl Respond>,
    stopping: watch::Receiver<()>,
) {
    // pieces are small and sent with pauses, so the kernel must not wait to join them
    let _best_effort = stream.set_nodelay(true);
    match acceptor {
        None => converse(stream, &endpoint, stopping).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
                converse(stream, &endpoint, stopping).await;
            }
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    endpoint: &Arc<impl Respond>,
    mut stopping: watch::Receiver<()>,
) {
    let service = service_fn(|request| endpoint.respond_to(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // a client that breaks off is no error of the endpoint
    drop(ended);
}
