//! The admin listener: its sockets, its thread, and what it reports about the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::error::StartError;
use super::readiness::{self, Judged};
use super::serving::Serving;
use super::snapshot::snapshot;
use super::sockets::BindError;
use crate::admin::{Admin, Audience, HostNames, Page, Readiness, Status};
use crate::app::build::graph::Graph;
use crate::app::report::window::{PERIOD, Reading, Window};
use crate::app::report::{Moment, Sources, report};
use crate::clock;
use crate::config::settings::{self, AdminAddress, ListenOn, Name, StatusPage};
use crate::downstream::unix_socket::{self, SocketPath};
use crate::downstream::{ListenAddress, ListenerSocket, Stage, listener};
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
    pub(super) stages: watch::Receiver<Stage>,
    pub(super) audit: AuditLog,
    /// Where the listeners really listen.
    pub(super) addresses: BTreeMap<Name, Arc<[ListenAddress]>>,
    pub(super) started: Moment,
    /// What the counters said in the last minute.
    pub(super) window: Mutex<Window>,
    /// Opened before the process was confined.
    pub(super) process: OwnProcess,
}

impl ProcessStatus {
    fn judged(&self, graph: &Graph) -> Judged {
        let is_refused = self.serving.served().refused_at.is_some();
        readiness::judge(graph, *self.stages.borrow(), &self.audit, is_refused)
    }
}

impl Status for ProcessStatus {
    fn readiness(&self) -> Readiness {
        self.judged(&self.serving.current()).of_process()
    }

    fn route_readiness(&self, route: &str) -> Option<Readiness> {
        let graph = self.serving.current();
        let (_, route) = graph.routes.iter().find(|(name, _)| name.as_str() == route)?;
        Some(self.judged(&graph).of_route(route))
    }

    fn metrics(&self, exposition: Exposition) -> String {
        let graph = self.serving.current();
        let (audit_refusing, process) = (self.audit.is_refusing().into(), Some(&self.process));
        let snapshot = Snapshot { audit_refusing, process, ..snapshot(&graph) };
        graph.metrics.render(&snapshot, exposition).unwrap_or_default()
    }

    fn report(&self) -> Report {
        let graph = self.serving.current();
        let troubles = self.judged(&graph).into_troubles();
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
        report(&graph, troubles, &sources)
    }

    fn read_counters(&self) {
        let reading = Reading::of(&self.serving.current(), Instant::now());
        lock(&self.window).add(reading);
    }
}

/// The addresses of the admin listener.
pub(super) fn addresses_of(admin: &settings::Admin) -> impl Iterator<Item = ListenOn> {
    admin.addresses.iter().map(AdminAddress::listen_on)
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
            StatusPage::Everybody => Page::Served { to: Audience::Everybody, reading: PERIOD },
            StatusPage::ThisHost => Page::Served { to: Audience::ThisHost, reading: PERIOD },
            StatusPage::Nobody => Page::Off,
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
            AdminAddress::Tcp(socket) => {
                let address = socket.address;
                let failed = |source| BindError::Tcp { address, source };
                for socket in listener::bind(*socket, 1).map_err(failed)? {
                    let chosen = socket.local_addr().unwrap_or(address);
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
