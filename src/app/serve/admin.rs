//! The admin listener: its sockets, its thread, and what it reports about the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::StartError;
use super::key_reports;
use super::serving::Serving;
use super::sockets::BindError;
use crate::admin::{Admin, HostNames, Status};
use crate::app::expiry::{Expiring, expiring};
use crate::clock;
use crate::config::settings::{self, AdminAddress, ListenOn};
use crate::downstream::unix_socket::{self, SocketPath};
use crate::downstream::{ListenAddress, ListenerSocket, listener};
use crate::telemetry::AuditLog;

/// The sockets of the admin listener, bound and not served yet.
pub(super) struct BoundAdmin {
    sockets: Vec<ListenerSocket>,
    names: HostNames,
    /// Where they really listen.
    addresses: Vec<ListenAddress>,
    /// Removes its Unix sockets at the end.
    paths: Vec<SocketPath>,
}

/// The source of what the admin listener reports.
pub(super) struct ProcessStatus {
    pub(super) serving: Arc<Serving>,
    pub(super) draining: Arc<AtomicBool>,
    pub(super) audit: AuditLog,
}

impl Status for ProcessStatus {
    fn not_ready(&self) -> Vec<String> {
        let graph = self.serving.current();
        let keys = graph.keys().filter_map(key_reports::unusable);
        let draining = self.draining.load(Ordering::Relaxed).then(|| "the process is draining".to_owned());
        let audit = self.audit.is_refusing().then(|| "audit: it cannot be written, calls are refused".to_owned());
        let waiting = graph.listeners.iter().filter(|(_, listener)| listener.awaits_keys());
        let tokens =
            waiting.map(|(name, _)| format!("listener.{name}: the keys of its token issuer have not been fetched yet"));
        draining.into_iter().chain(audit).chain(keys).chain(tokens).collect()
    }

    fn degraded(&self) -> Vec<String> {
        let graph = self.serving.current();
        let keys = graph.keys().filter_map(key_reports::degraded);
        let expiring = expiring(&graph, clock::now()).into_iter().filter(|expiring| expiring.notice.is_fault());
        let certificates = expiring.map(|Expiring { table, notice }| format!("{table}: {notice}"));
        keys.chain(certificates).chain(graph.endpoints_down()).chain(graph.names_lost()).collect()
    }

    fn metrics(&self) -> String {
        let graph = self.serving.current();
        graph.metrics.render(&graph.snapshot()).unwrap_or_default()
    }
}

/// The addresses of the admin listener.
pub(super) fn addresses_of(admin: &settings::Admin) -> impl Iterator<Item = ListenOn> {
    admin.addresses.iter().map(|address| match address {
        AdminAddress::Tcp(address) => ListenOn::Tcp(*address),
        AdminAddress::Unix(socket) => ListenOn::Unix(socket.clone()),
    })
}

impl BoundAdmin {
    /// Binds every address.
    pub(super) fn bind(admin: &settings::Admin) -> Result<Self, StartError> {
        let names = HostNames::new(admin.hosts.clone());
        let mut bound = Self { sockets: Vec::new(), names, addresses: Vec::new(), paths: Vec::new() };
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
        status: Arc<dyn Status>,
    ) -> (Vec<ListenAddress>, Vec<SocketPath>, impl FnOnce() + Send) {
        let Self { sockets, names, addresses, paths } = self;
        let serve = move || {
            if let Err(error) = Admin::new(status, names).serve(sockets) {
                tracing::error!(%error, "the admin listener cannot be served");
            }
        };
        (addresses, paths, serve)
    }
}
