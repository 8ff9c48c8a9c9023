//! Accepting connections, plain or TLS, on a thread of the endpoint's own.

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

use super::certificate::Identity;
use super::exchange::Endpoint;
use super::keyring::Keyring;
use super::observation::Observer;
use crate::credentials::HeldKey;

/// Most connections at a time; more wait in the listener's queue.
const MOST_CONNECTIONS: usize = 256;

/// How long a TLS handshake may take, and a request's head, and a connection without one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long answers under way may take once the endpoint is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// After an accept that failed: most often there are no descriptors left, and trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How connections are protected.
pub enum Transport {
    /// Not at all.
    Plain,
    /// TLS 1.2 or 1.3.
    Tls(Identity),
}

/// What to serve, and where.
pub struct Configuration {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// How connections are protected.
    pub transport: Transport,
    /// The access keys that may call, each with jobs of its own.
    pub keys: Vec<HeldKey>,
    /// The pause between the pieces of CreateJob's and GetStatus's answers.
    pub pacing: Option<Duration>,
}

/// Why the endpoint does not run.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Two keys with one id: which is meant could not be told.
    #[error("two keys have the same access key id")]
    DuplicateKey,
    /// The system refuses a thread or what its event loop needs.
    #[error("cannot start a thread for the endpoint")]
    Thread(#[source] io::Error),
}

/// An endpoint that runs until it is stopped or dropped.
pub struct Running {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the endpoint. It listens when this returns; async code may call this too, it takes about a millisecond.
///
/// # Errors
/// [`StartError`].
pub fn start(configuration: Configuration, observer: Option<Observer>) -> Result<Running, StartError> {
    let Configuration { address, transport, keys, pacing } = configuration;
    let keyring = Keyring::new(keys).ok_or(StartError::DuplicateKey)?;
    let endpoint = Arc::new(Endpoint::new(keyring, pacing, observer));
    let acceptor = match transport {
        Transport::Plain => None,
        Transport::Tls(identity) => Some(TlsAcceptor::from(identity.server_config())),
    };
    let (listener, address) = listen(address).map_err(|source| StartError::Listen { address, source })?;
    let (stop, stopping) = watch::channel(());
    let (ready, started) = mpsc::channel();
    let serve = move || {
        // made here, so that `start` can be called from within another runtime
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
    /// Where it listens, with the real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets answers under way finish for up to two seconds, and returns when all is closed: it blocks.
    /// Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // an error would be a panic of the endpoint's thread, which has been printed already
            let _panicked = thread.join();
        }
    }
}

async fn accept(
    listener: &TcpListener,
    acceptor: Option<&TlsAcceptor>,
    endpoint: &Arc<Endpoint>,
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
    endpoint: Arc<Endpoint>,
    stopping: watch::Receiver<()>,
) {
    // pieces are small and paused between: they must not wait for one another
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
    endpoint: &Arc<Endpoint>,
    mut stopping: watch::Receiver<()>,
) {
    let service = service_fn(|request| endpoint.answer(request));
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
    // a client that breaks off is its own affair
    drop(ended);
}
