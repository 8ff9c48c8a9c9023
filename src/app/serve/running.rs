//! A proxy that serves: what can be asked of it, and how it ends.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::StartError;
use super::pulse::Pulse;
use super::serving::Serving;
use crate::app::build::graph::Graph;
use crate::app::reload::reloader::{Reloader, Report};
use crate::app::reload::restart::Granted;
use crate::app::reload::source::Source;
use crate::config::settings::Name;
use crate::downstream::unix_socket::SocketPath;
use crate::downstream::{Departure, ListenAddress, Stage};
use crate::rates::StoreThread;
use crate::telemetry::audit::AuditWriter;
use crate::telemetry::trace::SpanWriter;

/// How long the last audit lines, and the last spans, may take after the last exchange. Where exchanges are cut off,
/// all of the end takes no longer than this.
pub(crate) const AUDIT_END: Duration = Duration::from_secs(2);

/// How long readiness waits for connections to endpoints that are opened ahead: an endpoint that is down keeps no
/// replica from serving the routes of others.
const WARM_UP: Duration = Duration::from_secs(5);

/// The part of it in which the exporter of spans says what it could not send.
const SPANS_REPORT: Duration = Duration::from_millis(300);

/// How long the workers may take to drop their connections. Of [`AUDIT_END`], so that half of it is left for the lines.
const CUT_END: Duration = Duration::from_secs(1);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every exchange ended by itself.
    Completely,
    /// The time limit came first. So many exchanges were cut off: none, when only connections without a request were
    /// left.
    Cut(usize),
}

/// A proxy that serves. When it is dropped without [`Self::drain`], its threads run until the process ends.
pub struct Running {
    pub(super) serving: Arc<Serving>,
    pub(super) reloader: Option<Reloader>,
    pub(super) addresses: BTreeMap<Name, Arc<[ListenAddress]>>,
    pub(super) admin: Vec<ListenAddress>,
    /// Removes the admin listener's Unix sockets when this is dropped.
    pub(super) _admin_paths: Vec<SocketPath>,
    /// What workers do, and what the admin listener says of it.
    pub(super) stage: watch::Sender<Stage>,
    /// Closed when connections have been opened ahead.
    pub(super) warmed: Option<mpsc::Receiver<()>>,
    pub(super) cut: watch::Sender<bool>,
    pub(super) worker_ends: mpsc::UnboundedReceiver<io::Result<usize>>,
    pub(super) pulse: Option<Pulse>,
    pub(super) audit_writer: Option<AuditWriter>,
    pub(super) span_writer: Option<SpanWriter>,
    pub(super) rate_store: Option<StoreThread>,
}

impl Running {
    /// Where a listener really listens.
    pub(crate) fn addresses(&self, listener: &Name) -> &[ListenAddress] {
        self.addresses.get(listener).map_or(&[], |addresses| addresses)
    }

    /// The first TCP address of its listeners, for programs that run a proxy in their own process.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.addresses.values().flat_map(|addresses| addresses.iter()).find_map(|address| match address {
            ListenAddress::Tcp(address) => Some(*address),
            ListenAddress::Unix(_) => None,
        })
    }

    /// Where the admin listener really listens.
    pub(crate) fn admin_addresses(&self) -> &[ListenAddress] {
        &self.admin
    }

    /// The graph that is served.
    pub(crate) fn graph(&self) -> Arc<Graph> {
        self.serving.current()
    }

    /// From now on reads the configuration again, when it changes and on [`Self::refresh`], and serves it if all of it
    /// can be used. `granted` are the rights that the process has kept.
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub(crate) fn follow(&mut self, source: Source, granted: Granted, report: Report) -> Result<(), StartError> {
        let reloader = Reloader::start(Arc::clone(&self.serving), source, granted, report);
        self.reloader = Some(reloader.map_err(StartError::Thread)?);
        Ok(())
    }

    /// Has every key loaded, the listeners' certificates and the configuration read again.
    pub(crate) fn refresh(&self) {
        self.serving.refresh();
        if let Some(reloader) = &self.reloader {
            reloader.poke();
        }
    }

    /// Has the audit's file opened anew, after it was renamed for rotation.
    pub(crate) fn reopen_audit(&self) {
        if let Some(writer) = &self.audit_writer {
            writer.reopen();
        }
    }

    /// What finds out whether its workers turn. There is one.
    pub(crate) fn take_pulse(&mut self) -> Option<Pulse> {
        self.pulse.take()
    }

    /// Waits for a worker to end before a drain has begun: a bug, or a system out of resources.
    pub(crate) async fn worker_lost(&mut self) -> io::Error {
        match self.worker_ends.recv().await {
            Some(Err(error)) => error,
            Some(Ok(_)) | None => io::Error::other("a worker ended"),
        }
    }

    /// Waits until connections to endpoints have been opened ahead, or `WARM_UP` is over. [`Self::become_ready`] is to
    /// follow. It borrows nothing, so that signals are obeyed meanwhile.
    pub fn warm_up(&mut self) -> impl Future<Output = ()> + use<> {
        let warmed = self.warmed.take();
        async move {
            let Some(mut warmed) = warmed else { return };
            if timeout(WARM_UP, warmed.recv()).await.is_err() {
                tracing::warn!(within = ?WARM_UP, "ready without all connections that limits.warm asks for");
            }
        }
    }

    /// Reports that it is ready.
    pub fn become_ready(&mut self) {
        self.stage.send_if_modified(|stage| {
            let is_starting = *stage == Stage::Starting;
            if is_starting {
                *stage = Stage::Serving;
            }
            is_starting
        });
    }

    /// Reports that it is not ready, and goes on serving. Within `time`, connections end after a response. To be
    /// followed by [`Self::drain`].
    pub fn leave(&mut self, time: Duration) {
        self.reloader = None;
        self.stage.send_replace(Stage::Leaving(Departure::lasting(time)));
    }

    /// Reports that it is not ready, closes the listeners, and waits for exchanges in progress, at most `limit` long.
    /// Those that are left then are cut off ([`Self::cut`]).
    pub async fn drain(&mut self, limit: Duration) -> Drained {
        self.stop();
        let deadline = from_now(limit);
        // the channel closes when the last worker has ended
        while let Ok(ended) = timeout_at(deadline, self.worker_ends.recv()).await {
            if ended.is_none() {
                self.finish_writing(AUDIT_END);
                return Drained::Completely;
            }
        }
        self.cut().await
    }

    /// Drops every connection: the exchanges in progress are logged and audited with what is known of them, and their
    /// clients see a reset. Takes about two seconds at most.
    pub async fn cut(&mut self) -> Drained {
        self.stop();
        let (workers, all) = (from_now(CUT_END), from_now(AUDIT_END));
        let _no_worker_left = self.cut.send(true);
        let mut exchanges = 0_usize;
        loop {
            match timeout_at(workers, self.worker_ends.recv()).await {
                Ok(Some(ended)) => exchanges = exchanges.saturating_add(ended.unwrap_or_default()),
                Ok(None) => break,
                Err(_elapsed) => {
                    tracing::error!(
                        within = ?CUT_END,
                        "a worker has not dropped its connections: its exchanges may lack their lines in log and audit"
                    );
                    // they have not been counted
                    exchanges = exchanges.max(1);
                    break;
                }
            }
        }
        self.finish_writing(all.saturating_duration_since(Instant::now()));
        Drained::Cut(exchanges)
    }

    /// The configuration that is served does not change any more, and nothing new is accepted.
    fn stop(&mut self) {
        self.reloader = None;
        self.stage.send_replace(Stage::Draining);
    }

    /// Writes what exchanges have left: audit lines and spans, at the same time.
    fn finish_writing(&mut self, limit: Duration) {
        let deadline = from_now(limit);
        if let Some(spans) = &self.span_writer {
            spans.end(deadline.checked_sub(SPANS_REPORT).unwrap_or(deadline));
        }
        if let Some(store) = &self.rate_store {
            store.end();
        }
        let left = self.audit_writer.take().map_or(0, |writer| writer.finish(limit));
        if left > 0 {
            tracing::error!(left, "the process ends with audit lines unwritten");
        }
        if let Some(spans) = self.span_writer.take() {
            spans.wait(deadline.saturating_duration_since(Instant::now()));
        }
        if let Some(store) = self.rate_store.take() {
            store.wait(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

fn from_now(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.remove_sockets();
    }
}
