//! The admin listener: its sockets, its thread, and what it reports about the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::error::StartError;
use super::key_reports;
use super::serving::Serving;
use super::snapshot::snapshot;
use super::sockets::BindError;
use crate::admin::{Admin, HostNames, Page, Status};
use crate::app::build::graph::Graph;
use crate::app::expiry::{Expiring, expiring};
use crate::app::report::window::{PERIOD, Reading, Window};
use crate::app::report::{Moment, Sources, Troubles, report};
use crate::clock;
use crate::config::settings::{self, AdminAddress, ListenOn, Name, StatusPage};
use crate::downstream::unix_socket::{self, SocketPath};
use crate::downstream::{ListenAddress, ListenerSocket, listener};
use crate::status::Report;
use crate::telemetry::AuditLog;
use crate::telemetry::metrics::{Exposition, OwnProcess, Snapshot};

/// The sockets of the admin listener, bound and not served yet.
pub(super) struct BoundAdmin {
    sockets: Vec<ListenerSocket>,
    names: HostNames,
    page: Page,
    /// Where they really listen.
    addresses: Vec<ListenAddress>,
    /// Removes its Unix sockets at the end.
    paths: Vec<SocketPath>,
    process: OwnProcess,
}

/// The source of what the admin listener reports.
pub(super) struct ProcessStatus {
    pub(super) serving: Arc<Serving>,
    pub(super) draining: Arc<AtomicBool>,
    pub(super) audit: AuditLog,
    /// Where the listeners really listen.
    pub(super) addresses: BTreeMap<Name, ListenAddress>,
    pub(super) started: Moment,
    /// What the counters said in the last minute.
    pub(super) window: Mutex<Window>,
    /// Opened before the process was confined.
    pub(super) process: OwnProcess,
}

impl ProcessStatus {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Why requests are refused although the process does not drain.
    fn unusable(&self, graph: &Graph) -> Vec<String> {
        let keys = graph.keys().filter_map(key_reports::unusable);
        let audit = self.audit.is_refusing().then(|| "audit: it cannot be written, calls are refused".to_owned());
        let waiting = graph.listeners.iter().filter(|(_, listener)| listener.awaits_keys());
        let tokens =
            waiting.map(|(name, _)| format!("listener.{name}: the keys of its token issuer have not been fetched yet"));
        audit.into_iter().chain(keys).chain(tokens).collect()
    }
}

impl Status for ProcessStatus {
    fn not_ready(&self) -> Vec<String> {
        let draining = self.is_draining().then(|| "the process is draining".to_owned());
        draining.into_iter().chain(self.unusable(&self.serving.current())).collect()
    }

    fn degraded(&self) -> Vec<String> {
        let graph = self.serving.current();
        let keys = graph.keys().filter_map(key_reports::degraded);
        let expiring = expiring(&graph, clock::now()).into_iter().filter(|expiring| expiring.notice.is_fault());
        let certificates = expiring.map(|Expiring { table, notice }| format!("{table}: {notice}"));
        let routes = graph.endpoints_down().chain(graph.names_lost()).chain(graph.clocks_apart());
        let refused = self.serving.served().refused_at.map(|_| {
            "configuration: the one that was read last is refused, and the one before is served: the log says why"
                .to_owned()
        });
        keys.chain(certificates).chain(routes).chain(refused).collect()
    }

    fn metrics(&self, exposition: Exposition) -> String {
        let graph = self.serving.current();
        let (audit_refusing, process) = (self.audit.is_refusing().into(), Some(&self.process));
        let snapshot = Snapshot { audit_refusing, process, ..snapshot(&graph) };
        graph.metrics.render(&snapshot, exposition).unwrap_or_default()
    }

    fn report(&self) -> Report {
        let graph = self.serving.current();
        let (is_draining, not_ready, degraded) = (self.is_draining(), self.unusable(&graph), self.degraded());
        let now = Moment::now();
        let sources = Sources {
            addresses: &self.addresses,
            served: self.serving.served(),
            audit: &self.audit,
            recent: lock(&self.window).recent(Reading::of(&graph, now.monotonic)),
            usage: self.process.usage(),
            started: self.started,
            now,
        };
        report(&graph, Troubles { is_draining, not_ready, degraded }, &sources)
    }

    fn read_counters(&self) {
        let reading = Reading::of(&self.serving.current(), Instant::now());
        lock(&self.window).add(reading);
    }
}

/// The addresses of the admin listener.
pub(super) fn addresses_of(admin: &settings::Admin) -> impl Iterator<Item = ListenOn> {
    admin.addresses.iter().map(|address| match address {
        AdminAddress::Tcp(address) => ListenOn::Tcp(*address),
        AdminAddress::Unix(socket) => ListenOn::Unix(socket.clone()),
    })
}

/// A panic of a thread that held the lock leaves nothing inconsistent here.
fn lock(window: &Mutex<Window>) -> MutexGuard<'_, Window> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BoundAdmin {
    /// Binds every address.
    pub(super) fn bind(admin: &settings::Admin) -> Result<Self, StartError> {
        let names = HostNames::new(admin.hosts.clone());
        let page = match admin.status {
            StatusPage::Served => Page::Served { reading: PERIOD },
            StatusPage::Off => Page::Off,
        };
        let process = OwnProcess::open(clock::now());
        let mut bound = Self { sockets: Vec::new(), names, page, addresses: Vec::new(), paths: Vec::new(), process };
        let mut errors = Vec::new();
        for address in &admin.addresses {
            let failed = |source| StartError::Bind { table: "admin".to_owned(), source };
            errors.extend(bound.add(address).map_err(failed).err());
        }
        StartError::all(errors)?;
        Ok(bound)
    }

    fn add(&mut self, address: &AdminAddress) -> Result<(), BindError> {
        match address {
            AdminAddress::Tcp(address) => {
                let failed = |source| BindError::Tcp { address: *address, source };
                for socket in listener::bind(*address, 1).map_err(failed)? {
                    let chosen = socket.local_addr().unwrap_or(*address);
                    self.addresses.push(ListenAddress::Tcp(chosen));
                    self.sockets.push(ListenerSocket::Tcp(socket));
                }
            }
            AdminAddress::Unix(socket) => {
                let (socket, path) = unix_socket::bind(socket)?;
                self.addresses.push(ListenAddress::Unix(Some(path.path().to_owned())));
                self.sockets.push(ListenerSocket::Unix(socket));
                self.paths.push(path);
            }
        }
        Ok(())
    }

    /// Its addresses, the paths to remove at the end, and what its thread is to do.
    pub(super) fn into_work(
        self,
        status: impl FnOnce(OwnProcess) -> ProcessStatus,
    ) -> (Vec<ListenAddress>, Vec<SocketPath>, impl FnOnce() + Send) {
        let Self { sockets, names, page, addresses, paths, process } = self;
        let status = Arc::new(status(process));
        let serve = move || {
            if let Err(error) = Admin::new(status, names, page).serve(sockets) {
                tracing::error!(%error, "the admin listener cannot be served");
            }
        };
        (addresses, paths, serve)
    }
}
