//! Starting everything, and ending it well: bind, then start threads, wait, drain.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout_at};

use super::error::StartError;
use super::key_reports;
use super::serving::Serving;
use super::worker::{self, Work};
use crate::admin::{Admin, Status};
use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::{self, BindError};
use crate::app::reload::reloader::{Reloader, Report};
use crate::app::reload::restart::Granted;
use crate::app::reload::source::Source;
use crate::clock;
use crate::config::settings::Name;
use crate::credentials::WatchedKey;
use crate::downstream::listener::Security;
use crate::downstream::server::Clocks;
use crate::downstream::unix_socket::SocketPath;
use crate::downstream::{self, Capacity, Current, Drain, Limits, ListenAddress, ListenerSocket, OwnerLookup, Service};
use crate::downstream::{accept, listener};
use crate::telemetry::AuditLog;
use crate::telemetry::audit::{AuditWriter, OpenedAudit};

/// The admin listener's limits: a few probes and scrapers, each quick.
const ADMIN_LIMITS: Limits = Limits {
    clocks: Clocks { head_timeout: Duration::from_secs(5), idle_timeout: Duration::from_secs(60) },
    connections: 64,
};

/// How long the last audit lines may take after the last exchange.
const AUDIT_END: Duration = Duration::from_secs(2);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every exchange came to its end.
    Whole,
    /// The limit came first.
    Cut,
}

/// A proxy with every socket it needs and not one thread: here the process can still give up what it no longer needs, for
/// all threads to come.
pub struct Bound {
    graph: Arc<Graph>,
    sockets: Vec<Vec<ListenerSocket>>,
    addresses: Vec<ListenAddress>,
    paths: Vec<(Name, SocketPath)>,
    unused: Vec<String>,
    admin: Option<TcpListener>,
    audit: Option<OpenedAudit>,
}

/// A proxy at work. Dropping it without [`Self::drain`] leaves its threads to the end of the process.
pub struct Running {
    serving: Arc<Serving>,
    reloader: Option<Reloader>,
    addresses: Arc<[ListenAddress]>,
    admin: Option<SocketAddr>,
    draining: Arc<AtomicBool>,
    drain: watch::Sender<bool>,
    _admin_drain: watch::Sender<bool>,
    worker_ends: mpsc::UnboundedReceiver<io::Result<()>>,
    audit_writer: Option<AuditWriter>,
}

impl Bound {
    /// Opens the audit's target and binds every listener.
    ///
    /// # Errors
    /// [`StartError::Audit`] and [`StartError::Bind`].
    pub fn bind(graph: Graph) -> Result<Self, StartError> {
        let audit = graph.settings.audit.target.as_ref();
        let audit = audit.map(OpenedAudit::open).transpose().map_err(StartError::Audit)?;
        let (sockets, addresses, paths, unused) = bind_listeners(&graph)?;
        let admin = graph.settings.admin.as_ref().map(|admin| bind_admin(admin.address)).transpose()?.flatten();
        Ok(Self { graph: Arc::new(graph), sockets, addresses, paths, unused, admin, audit })
    }

    /// The graph that will be served.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The names of sockets that the service manager has handed over and no listener takes.
    #[must_use]
    pub fn unused_sockets(&self) -> &[String] {
        &self.unused
    }

    /// Starts the workers, the admin thread and the key watcher.
    ///
    /// # Errors
    /// [`StartError`]; nothing serves then.
    pub fn start(self, keys: Vec<WatchedKey>) -> Result<Running, StartError> {
        let Self { graph, sockets, addresses, paths, unused: _, admin: admin_socket, audit } = self;
        let admin = admin_socket.as_ref().and_then(|socket| socket.local_addr().ok());
        let draining = Arc::new(AtomicBool::new(false));
        let (drain, drain_signal) = watch::channel(false);
        let (admin_drain, admin_signal) = watch::channel(false);
        let (adopted, adoptions) = std::sync::mpsc::channel();
        let serving = Arc::new(Serving::begin(Arc::clone(&graph), keys, paths, adoptions)?);
        let addresses: Arc<[ListenAddress]> = addresses.into();
        let (audit, audit_writer) = start_audit(&graph, audit)?;
        if let Some(socket) = admin_socket {
            let (serving, draining, audit) = (Arc::clone(&serving), Arc::clone(&draining), audit.clone());
            let status = ProcessStatus { serving, draining, audit };
            spawn("admin", move || serve_admin(socket, Arc::new(status), Drain::new(admin_signal)))?;
        }
        let (ends, worker_ends) = mpsc::unbounded_channel();
        for (number, sockets) in sockets.into_iter().enumerate() {
            let work = Work {
                graphs: serving.graphs(),
                sockets: addresses.iter().cloned().zip(sockets).collect(),
                audit: audit.clone(),
                drain: Drain::new(drain_signal.clone()),
                adopted: adopted.clone(),
            };
            let ends = ends.clone();
            spawn(&format!("worker-{number}"), move || {
                let ended = catch_unwind(AssertUnwindSafe(|| worker::run(work)));
                // a receiver that is gone has stopped caring
                let _sent = ends.send(ended.unwrap_or_else(|_| Err(io::Error::other("a worker panicked"))));
            })?;
        }
        Ok(Running {
            serving,
            reloader: None,
            addresses,
            admin,
            draining,
            drain,
            _admin_drain: admin_drain,
            worker_ends,
            audit_writer,
        })
    }
}

impl Running {
    /// Where the listeners really listen, in the order of the settings.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The first TCP address among them, for whoever runs a proxy in its own process.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.addresses.iter().find_map(|address| match address {
            ListenAddress::Tcp(address) => Some(*address),
            ListenAddress::Unix(_) => None,
        })
    }

    /// Where the admin listener really listens.
    #[must_use]
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The graph that is served.
    #[must_use]
    pub fn graph(&self) -> Arc<Graph> {
        self.serving.current()
    }

    /// Reads the configuration again from now on, when it changes and with [`Self::refresh`], and serves what can be proved.
    /// `granted` is what the process has kept of its rights.
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub fn follow(&mut self, source: Source, granted: Granted, report: Report) -> Result<(), StartError> {
        let reloader = Reloader::start(Arc::clone(&self.serving), source, granted, report);
        self.reloader = Some(reloader.map_err(StartError::Thread)?);
        Ok(())
    }

    /// Has every key store asked again, listeners' certificates looked at, and the configuration read.
    pub fn refresh(&self) {
        self.serving.refresh();
        if let Some(reloader) = &self.reloader {
            reloader.poke();
        }
    }

    /// Has the audit's file opened anew, for whoever moved it away.
    pub fn reopen_audit(&self) {
        if let Some(writer) = &self.audit_writer {
            writer.reopen();
        }
    }

    /// Waits for a worker to end although no drain has begun, which only a bug or a system out of resources can cause.
    pub async fn worker_lost(&mut self) -> io::Error {
        match self.worker_ends.recv().await {
            Some(Err(error)) => error,
            Some(Ok(())) | None => io::Error::other("a worker ended"),
        }
    }

    /// Says no to readiness, closes the listeners, and waits for exchanges under way, at most `limit` long.
    pub async fn drain(&mut self, limit: Duration) -> Drained {
        self.reloader = None;
        self.draining.store(true, Ordering::Relaxed);
        let _no_worker_left = self.drain.send(true);
        let now = Instant::now();
        let deadline = now.checked_add(limit).unwrap_or(now);
        // the channel closes when the last worker has ended
        let mut drained = Drained::Cut;
        while let Ok(ended) = timeout_at(deadline, self.worker_ends.recv()).await {
            if ended.is_none() {
                drained = Drained::Whole;
                break;
            }
        }
        self.finish_audit();
        drained
    }

    fn finish_audit(&mut self) {
        let left = self.audit_writer.take().map_or(0, |writer| writer.finish(AUDIT_END));
        if left > 0 {
            tracing::error!(left, "the process ends with audit lines unwritten");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.remove_sockets();
    }
}

/// For each worker, a socket for each listener; where they listen; the paths to remove with their listeners; and the names of
/// inherited sockets that no listener takes.
type BoundListeners = (Vec<Vec<ListenerSocket>>, Vec<ListenAddress>, Vec<(Name, SocketPath)>, Vec<String>);

fn bind_listeners(graph: &Graph) -> Result<BoundListeners, StartError> {
    let workers = graph.settings.process.workers;
    let mut by_worker: Vec<Vec<ListenerSocket>> = (0..workers).map(|_| Vec::new()).collect();
    let (mut addresses, mut paths, mut inherited) = (Vec::new(), Vec::new(), None);
    for listener in &graph.settings.listeners {
        let bound = shared_listener::bind(listener, workers, &mut inherited)
            .map_err(|source| StartError::Bind { table: format!("listener.{}", listener.name), source })?;
        addresses.push(bound.address);
        paths.extend(bound.path.map(|path| (listener.name.clone(), path)));
        for (worker, socket) in by_worker.iter_mut().zip(bound.sockets) {
            worker.push(socket);
        }
    }
    let unused = shared_listener::unused(&graph.settings.listeners, inherited);
    Ok((by_worker, addresses, paths, unused))
}

fn bind_admin(address: SocketAddr) -> Result<Option<TcpListener>, StartError> {
    let failed = |source| StartError::Bind { table: "admin".to_owned(), source: BindError::Tcp { address, source } };
    listener::bind(address, 1).map(|mut sockets| sockets.pop()).map_err(failed)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(StartError::Thread)
}

fn serve_admin(socket: TcpListener, status: Arc<dyn Status>, drain: Drain) {
    let served = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        LocalSet::new().block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(socket)?;
            let current = Current::new(Service {
                handler: Admin::new(status),
                limits: ADMIN_LIMITS,
                places: Capacity::new(ADMIN_LIMITS.connections),
                security: Security::Plain(OwnerLookup::Skip),
                drain: drain.clone(),
            });
            accept(downstream::Bound::Tcp(listener), current, drain).await;
            Ok(())
        })
    });
    if let Err(error) = served {
        tracing::error!(%error, "the admin listener cannot be served");
    }
}

fn start_audit(graph: &Graph, opened: Option<OpenedAudit>) -> Result<(AuditLog, Option<AuditWriter>), StartError> {
    let Some(opened) = opened else { return Ok((AuditLog::off(), None)) };
    let when_full = graph.settings.audit.when_full;
    let (log, writer) =
        opened.start(when_full, graph.metrics.process.audit_lost(), clock::now).map_err(StartError::Thread)?;
    Ok((log, Some(writer)))
}

/// What the admin listener sees.
struct ProcessStatus {
    serving: Arc<Serving>,
    draining: Arc<AtomicBool>,
    audit: AuditLog,
}

impl Status for ProcessStatus {
    fn not_ready(&self) -> Vec<String> {
        let graph = self.serving.current();
        let keys = graph.keys.iter().filter_map(|slot| key_reports::unusable(slot));
        let draining = self.draining.load(Ordering::Relaxed).then(|| "the process is draining".to_owned());
        let audit = self.audit.is_refusing().then(|| "audit: it cannot be written, calls are refused".to_owned());
        let listeners = graph.listeners();
        let tokens = listeners.filter(|(_, shared)| shared.awaits_keys()).map(|(listener, _)| {
            format!("listener.{}: the keys of its token issuer have not been fetched yet", listener.name)
        });
        draining.into_iter().chain(audit).chain(keys).chain(tokens).collect()
    }

    fn degraded(&self) -> Vec<String> {
        let graph = self.serving.current();
        let keys = graph.keys.iter().filter_map(|slot| key_reports::degraded(slot));
        keys.chain(graph.endpoints_down()).collect()
    }

    fn metrics(&self) -> String {
        let graph = self.serving.current();
        graph.metrics.render(&graph.snapshot()).unwrap_or_default()
    }
}
