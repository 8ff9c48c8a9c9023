//! From a graph to a proxy that serves: binds every socket, then starts every thread.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::admin::{BoundAdmin, ProcessStatus};
use super::error::StartError;
use super::hints::ServedEndpoints;
use super::pulse::Pulse;
use super::running::Running;
use super::serving::Serving;
use super::sockets::{BoundListener, unused};
use super::worker::{self, Work};
use crate::app::build::graph::Graph;
use crate::app::build::span_places::SpanPlaces;
use crate::app::report::Moment;
use crate::clock;
use crate::credentials::WatchedKey;
use crate::downstream::{Drain, Stage};
use crate::rates::{self, StoreThread};
use crate::telemetry::audit::{AuditWriter, OpenedAudit};
use crate::telemetry::trace::{self, SpanQueue, SpanWriter};
use crate::telemetry::{AuditLog, own_cells};

/// A proxy that has every socket it needs and no thread yet. Rights that the process gives up now are given up for all
/// threads that it starts later.
pub struct Bound {
    graph: Arc<Graph>,
    listeners: Vec<BoundListener>,
    unused_sockets: Vec<String>,
    admin: Option<BoundAdmin>,
    audit: Option<OpenedAudit>,
}

impl Bound {
    /// Opens the audit's target and binds every listener. The `rehearsal` beside it does the same for `check`.
    ///
    /// # Errors
    /// [`StartError::Audit`] and [`StartError::Bind`], or several of them.
    pub fn bind(graph: Graph) -> Result<Self, StartError> {
        let audit = graph.settings.audit.target.as_ref().map(OpenedAudit::open).transpose();
        let (audit, mut errors) = match audit {
            Ok(audit) => (audit, Vec::new()),
            Err(error) => (None, vec![StartError::Audit(error)]),
        };
        let (mut listeners, mut inherited) = (Vec::new(), None);
        for listener in graph.listeners.values().map(|listener| &listener.settings) {
            match BoundListener::bind(listener, graph.settings.process.workers, &mut inherited) {
                Ok(bound) => listeners.push(bound),
                Err(failed) => {
                    let table = || format!("listener.{}", listener.name);
                    errors.extend(failed.into_iter().map(|source| StartError::Bind { table: table(), source }));
                }
            }
        }
        let unused_sockets = unused(&graph.settings.listeners, inherited);
        let admin = match graph.settings.admin.as_ref().map(BoundAdmin::bind).transpose() {
            Ok(admin) => admin,
            Err(error) => {
                errors.push(error);
                None
            }
        };
        StartError::all(errors)?;
        Ok(Self { graph: Arc::new(graph), listeners, unused_sockets, admin, audit })
    }

    /// The graph that will be served.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The names of sockets that the service manager has handed over and no listener takes.
    pub(crate) fn unused_sockets(&self) -> &[String] {
        &self.unused_sockets
    }

    /// Starts the workers, the admin thread and the key watcher.
    ///
    /// # Errors
    /// [`StartError`]; nothing serves then.
    pub fn start(self, keys: Vec<WatchedKey>) -> Result<Running, StartError> {
        let Self { graph, mut listeners, unused_sockets: _, admin, audit } = self;
        own_cells::reserve_cells(graph.settings.process.workers);
        let is_warm = graph.settings.routes.iter().all(|route| route.limits.warm == 0);
        let (stage, stages) = watch::channel(if is_warm { Stage::Serving } else { Stage::Starting });
        // closed when no worker opens connections ahead any more
        let (warming, warmed) = mpsc::channel(1);
        let (cut, cut_signal) = watch::channel(false);
        let (adopted, adoptions) = std::sync::mpsc::channel();
        let paths = listeners.iter_mut().map(BoundListener::take_paths).collect();
        let serving = Arc::new(Serving::begin(Arc::clone(&graph), keys, paths, adoptions)?);
        let (audit, audit_writer) = start_audit(&graph, audit)?;
        let (spans, span_writer) = start_spans(&graph)?.unzip();
        let rate_store = start_rates(&graph, &serving)?;
        let (mut admin_addresses, mut admin_paths) = (Vec::new(), Vec::new());
        let addresses: BTreeMap<_, _> =
            listeners.iter().map(|listener| (listener.name.clone(), Arc::clone(&listener.addresses))).collect();
        if let Some(admin) = admin {
            let (serving, stages, audit) = (Arc::clone(&serving), stages.clone(), audit.clone());
            let (addresses, started, window) = (addresses.clone(), Moment::now(), Mutex::default());
            let status = move |process| ProcessStatus { serving, stages, audit, addresses, started, window, process };
            let (addresses, paths, serve) = admin.into_work(status);
            (admin_addresses, admin_paths) = (addresses, paths);
            spawn("admin", serve)?;
        }
        let (ends, worker_ends) = mpsc::unbounded_channel();
        let (pulse, asked) = Pulse::of(graph.settings.process.workers);
        for number in 0..graph.settings.process.workers {
            let work = Work {
                graphs: serving.graphs(),
                sockets: listeners.iter_mut().filter_map(BoundListener::take_share).collect(),
                audit: audit.clone(),
                spans: spans.clone(),
                warming: warming.clone(),
                drain: Drain::new(stages.clone()),
                cut: cut_signal.clone(),
                adopted: adopted.clone(),
                asked: asked.clone(),
            };
            let ends = ends.clone();
            spawn(&format!("worker-{number}"), move || {
                let ended = catch_unwind(AssertUnwindSafe(|| worker::run(work)));
                // no receiver: nobody waits for the end of a worker any more
                let _sent = ends.send(ended.unwrap_or_else(|_| Err(io::Error::other("a worker panicked"))));
            })?;
        }
        Ok(Running {
            serving,
            reloader: None,
            addresses,
            admin: admin_addresses,
            _admin_paths: admin_paths,
            stage,
            warmed: Some(warmed),
            cut,
            worker_ends,
            pulse: Some(pulse),
            audit_writer,
            span_writer,
            rate_store,
        })
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(StartError::Thread)
}

fn start_spans(graph: &Graph) -> Result<Option<(SpanQueue, SpanWriter)>, StartError> {
    let export = graph.settings.trace.as_ref().and_then(|trace| trace.export.as_ref());
    let Some((export, spans)) = export.zip(graph.spans.as_ref()) else { return Ok(None) };
    let (upload, places) = (Arc::clone(&spans.upload), Arc::<SpanPlaces>::clone(&spans.places));
    let metrics = graph.metrics.trace.clone();
    trace::start(&export.settings, upload, places, metrics, clock::now).map(Some).map_err(StartError::Thread)
}

fn start_rates(graph: &Graph, serving: &Arc<Serving>) -> Result<Option<StoreThread>, StartError> {
    let Some(store) = &graph.rates.store else { return Ok(None) };
    let Some(inbox) = store.take_inbox() else { return Ok(None) };
    let now = || clock::nanos_at(Instant::now());
    let endpoints = Box::new(ServedEndpoints(Arc::clone(serving)));
    rates::start(store.server.clone(), &store.sharing, inbox, endpoints, now).map(Some).map_err(StartError::Thread)
}

fn start_audit(graph: &Graph, opened: Option<OpenedAudit>) -> Result<(AuditLog, Option<AuditWriter>), StartError> {
    let Some(opened) = opened else { return Ok((AuditLog::off(), None)) };
    let when_full = graph.settings.audit.when_full;
    let (log, writer) =
        opened.start(when_full, graph.metrics.process.audit_lost(), clock::now).map_err(StartError::Thread)?;
    Ok((log, Some(writer)))
}
