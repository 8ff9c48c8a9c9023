//! The admin listener: its thread, and what it reports about the process.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::LocalSet;

use super::error::StartError;
use super::key_reports;
use super::serving::Serving;
use super::sockets::BindError;
use crate::admin::{Admin, Status};
use crate::downstream::listener::{self, Security};
use crate::downstream::server::Clocks;
use crate::downstream::{Bound, Capacity, Current, Drain, Limits, MinimumRate, OwnerLookup, Service, accept};
use crate::telemetry::AuditLog;

/// The admin listener serves a few probes and scrapers, each of which is quick.
const ADMIN_LIMITS: Limits = Limits {
    clocks: Clocks {
        head_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(60),
        slowest: MinimumRate { bytes: NonZeroU32::new(1024).unwrap(), grace: Duration::from_secs(5) },
    },
    connections: 64,
};

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
        keys.chain(graph.endpoints_down()).collect()
    }

    fn metrics(&self) -> String {
        let graph = self.serving.current();
        graph.metrics.render(&graph.snapshot()).unwrap_or_default()
    }
}

/// Binds the admin listener.
pub(super) fn bind(address: SocketAddr) -> Result<Option<TcpListener>, StartError> {
    let failed = |source| StartError::Bind { table: "admin".to_owned(), source: BindError::Tcp { address, source } };
    listener::bind(address, 1).map(|mut sockets| sockets.pop()).map_err(failed)
}

/// Serves until the drain begins.
pub(super) fn serve(socket: TcpListener, status: Arc<dyn Status>, drain: Drain) {
    let served = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        LocalSet::new().block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(socket)?;
            let current = Current::new(Service {
                handler: Admin::new(status),
                limits: ADMIN_LIMITS,
                places: Capacity::new(ADMIN_LIMITS.connections),
                requests: Arc::default(),
                security: Security::Plain(OwnerLookup::Skip),
                drain: drain.clone(),
            });
            accept(Bound::Tcp(listener), current, drain).await;
            Ok(())
        })
    });
    if let Err(error) = served {
        tracing::error!(%error, "the admin listener cannot be served");
    }
}
