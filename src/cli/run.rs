//! `countersign run`: the service, from reading its configuration to the end of its drain.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use clap::Args;
use rustix::process::Signal as SignalNumber;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::announcements::{self, Origin};
use super::config_file::ConfigFile;
use super::exit::{ExitCode, Failure};
use super::first_process;
use super::live;
use super::progress;
use super::start_faults::{failure, startable_graph};
use crate::app::confinement::audit_neighbours::beside_audit;
use crate::app::confinement::loose_sockets::loose_sockets;
use crate::app::reload::restart::Granted;
use crate::app::reload::source::Source;
use crate::app::serve::freed_memory::give_back_after_bursts;
use crate::app::{Bound, Drained, Graph, Running};
use crate::config::settings::Name;
use crate::config::{StrayVariable, settings};
use crate::confine;
use crate::credentials::WatchedKey;
use crate::trust;

/// Arguments of `countersign run`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

/// Serves until SIGTERM or SIGINT, and for `process.drain_delay` after it; then drains.
///
/// # Errors
/// A configuration, key or address cannot be used; or the drain had to cut exchanges off.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let found = arguments.config.find()?;
    let live::Read { strays, files, ignored, settings } = live::read(&found);
    let origin = Origin { found, files, ignored };
    let (settings, served) = settings.map_err(|failure| failure.beside(&strays))?;
    live::claim_descriptors(&settings)?;
    // before the first secret is read
    confine::keep_private().map_err(|error| Failure::because(ExitCode::System, &error))?;
    let log = settings.log.clone();
    let (graph, keys) = progress::logged(&log, || startable_graph(settings))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::because(ExitCode::System, &error))?;
    let credentials_directory = live::credentials_directory();
    let source = Source { file: origin.found.file.clone(), served, credentials_directory };
    runtime.block_on(serve(graph, keys, source, &origin, &strays))
}

/// Seeds the cryptography library if a listener or a route speaks TLS. This may take tens of milliseconds, so it is
/// done on the main thread, and before the process reports that it is ready.
fn seed(settings: &settings::Settings) {
    let is_tls = |it: settings::RouteEndpoint<'_>| it.endpoint.transport != settings::Transport::Plaintext;
    let export = settings.trace.as_ref().and_then(|trace| trace.export.as_ref());
    let exports_by_tls = export.is_some_and(|export| export.collector.transport != settings::Transport::Plaintext);
    let serves_by_tls = settings.listeners.iter().any(|listener| listener.tls.is_some());
    if serves_by_tls || exports_by_tls || settings.routes.iter().flat_map(settings::Route::endpoints).any(is_tls) {
        trust::seed();
    }
}

/// Warns of mistakes that do not prevent serving.
fn warn(strays: &[StrayVariable], loose_sockets: &[(Name, String)], bound: &Bound) {
    strays.iter().for_each(|stray| tracing::warn!("{stray}"));
    loose_sockets.iter().for_each(|(route, warning)| tracing::warn!(%route, "{warning}"));
    for name in bound.unused_sockets() {
        let what = "a socket of the service manager that no listener takes: its clients are not answered";
        tracing::warn!(name, "{what}; write `address = \"systemd:{name}\"`, or take the socket away");
    }
}

async fn serve(
    graph: Graph,
    keys: Vec<WatchedKey>,
    source: Source,
    origin: &Origin,
    strays: &[StrayVariable],
) -> Result<(), Failure> {
    let signals = Signals::new()?;
    let confinement = live::confinement(graph.settings(), source.file.as_deref(), &keys);
    let beside_audit = beside_audit(graph.settings(), source.file.as_deref(), &keys);
    let loose_sockets = loose_sockets(graph.settings());
    let places = graph.settings().places.clone();
    let bound = Bound::bind(graph).map_err(|error| failure(&places, &[], Some(&error)))?;
    // this runtime has no other threads: all of them, the log's included, start after this line and are confined
    let settings = bound.graph().settings();
    let posture = match settings.process.confinement {
        settings::Confinement::Confined => Some(live::confine(&confinement, settings, source.file.as_deref(), &keys)?),
        settings::Confinement::DangerUnconfined => None,
    };
    let log = live::initialise_log(bound.graph().settings())?;
    announcements::configuration(origin);
    announcements::posture(posture.as_ref());
    if let Some(warning) = beside_audit.filter(|_| posture.is_some()) {
        tracing::warn!("{warning}");
    }
    warn(strays, &loose_sockets, &bound);
    seed(bound.graph().settings());
    let mut running = bound.start(keys).map_err(|error| live::start_failure(&error))?;
    let granted = posture.map_or(Granted::Everything, |_| Granted::Only(confinement));
    let report = announcements::reporting(log.level());
    // before anybody is told of the addresses: from the first scrape on, metrics say which file is served
    running.follow(source, granted, report).map_err(|error| live::start_failure(&error))?;
    announcements::serving(&running);
    serve_until_told(running, signals).await
}

/// Serves until a signal says otherwise, and ends as `process` says. Signals are obeyed from here on, also while
/// connections are opened ahead.
async fn serve_until_told(mut running: Running, mut signals: Signals) -> Result<(), Failure> {
    let mut warming_up = pin!(running.warm_up());
    let mut is_starting = true;
    let mut days = announcements::Days::begin();
    let mut waits = announcements::Waits::begin();
    let mut giving_back = pin!(give_back_after_bursts());
    let mut feeding = pin!(announcements::feed_watchdog(running.take_pulse()));
    let mut end_of_delay = None;
    let signal = loop {
        tokio::select! {
            never = &mut giving_back => match never {},
            never = &mut feeding => match never {},
            () = &mut warming_up, if is_starting && end_of_delay.is_none() => {
                is_starting = false;
                running.become_ready();
                announcements::notify_systemd(&[NotifyState::Ready]);
            }
            () = days.end_of_one() => announcements::expiring(&running.graph()),
            () = waits.next_look() => waits.log(),
            request = signals.next() => match obey(&request, &mut running, end_of_delay) {
                Next::Serve => {}
                Next::DrainAt(then) => {
                    announcements::stopping(then.duration_since(Instant::now()).saturating_add(drain_limit(&running)));
                    end_of_delay = Some(then);
                }
                Next::Drain(signal) => break Some(signal),
            },
            () = at(end_of_delay) => break None,
            error = running.worker_lost() => {
                tracing::error!(%error, "a worker is lost: every connection is dropped, and the process ends");
                let _as_many_as_there_were = running.cut().await;
                return Err(Failure::because(ExitCode::Bug, &error));
            }
        }
    };
    let limit = drain_limit(&running);
    announcements::stopping(limit);
    tracing::info!(signal, ?limit, "draining: no new connections, requests in progress may end");
    end(running, signals, limit).await
}

/// How long requests in progress may take to end.
fn drain_limit(running: &Running) -> Duration {
    running.graph().settings().process.drain
}

/// What the process does after a signal.
enum Next {
    Serve,
    /// Serves until then, and asks clients to leave.
    DrainAt(Instant),
    /// Drains, because of this signal.
    Drain(&'static str),
}

/// Does what a signal asks for. A signal to stop that comes before the `end_of_delay` ends the delay.
fn obey(request: &Request, running: &mut Running, end_of_delay: Option<Instant>) -> Next {
    match request {
        Request::Stop(name) => {
            let delay = running.graph().settings().process.drain_delay;
            let end = Instant::now().checked_add(delay).filter(|_| !delay.is_zero());
            match (end_of_delay, end) {
                (None, Some(end)) => {
                    tracing::info!(signal = name, ?delay, "not ready any more: requests are served until the drain");
                    running.leave(delay);
                    return Next::DrainAt(end);
                }
                (None, None) | (Some(_), _) => return Next::Drain(name),
            }
        }
        Request::Refresh => {
            tracing::info!("SIGHUP: reading the configuration and the keys again, opening the audit anew");
            running.refresh();
            running.reopen_audit();
        }
        Request::Reopen => {
            tracing::info!("SIGUSR1: opening the audit anew; the log is standard error, which stays open");
            running.reopen_audit();
        }
        Request::Ignore(name) => tracing::warn!(signal = name, "this signal has no meaning here: it is ignored"),
    }
    Next::Serve
}

/// Waits until then; for ever if there is no such time.
async fn at(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}

/// Drains for at most `limit`, or until another signal comes.
async fn end(mut running: Running, mut signals: Signals, limit: Duration) -> Result<(), Failure> {
    let drained = tokio::select! {
        drained = running.drain(limit) => Some(drained),
        name = signals.stop() => {
            tracing::warn!(signal = name, "a second signal: not waiting any longer");
            None
        }
    };
    let drained = match drained {
        Some(drained) => drained,
        None => running.cut().await,
    };
    match drained {
        Drained::Completely => {
            tracing::info!("drained");
            Ok(())
        }
        // only connections without a request were left
        Drained::Cut(0) => Ok(()),
        Drained::Cut(exchanges) => {
            Err(Failure::new(ExitCode::Negative, format!("the drain ended with {exchanges} exchanges cut off")))
        }
    }
}

/// The signals of the service. They are handled before anything listens.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    reopen: Signal,
    /// Signals without a meaning, whose default action would end the process without a line in the log.
    unexpected: [(&'static str, Signal); 7],
}

/// What a signal asks for.
enum Request {
    Stop(&'static str),
    Refresh,
    /// SIGUSR1, which tools that rotate logs send.
    Reopen,
    Ignore(&'static str),
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let handle = |kind| signal(kind).map_err(|error| Failure::because(ExitCode::System, &error));
        let numbered = |number: SignalNumber| handle(SignalKind::from_raw(number.as_raw()));
        let all = Self {
            terminate: handle(SignalKind::terminate())?,
            interrupt: handle(SignalKind::interrupt())?,
            hangup: handle(SignalKind::hangup())?,
            reopen: handle(SignalKind::user_defined1())?,
            unexpected: [
                ("SIGUSR2", numbered(SignalNumber::USR2)?),
                ("SIGALRM", numbered(SignalNumber::ALARM)?),
                ("SIGVTALRM", numbered(SignalNumber::VTALARM)?),
                ("SIGPROF", numbered(SignalNumber::PROF)?),
                ("SIGIO", numbered(SignalNumber::IO)?),
                ("SIGPWR", numbered(SignalNumber::POWER)?),
                ("SIGSTKFLT", numbered(SignalNumber::STKFLT)?),
            ],
        };
        first_process::leave_signals_to_command();
        Ok(all)
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.terminate.recv() => Request::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Request::Stop("SIGINT"),
            _ = self.hangup.recv() => Request::Refresh,
            _ = self.reopen.recv() => Request::Reopen,
            name = first_of(&mut self.unexpected) => Request::Ignore(name),
        }
    }

    async fn stop(&mut self) -> &'static str {
        loop {
            if let Request::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}

/// Waits for one of these signals, and returns its name.
async fn first_of(signals: &mut [(&'static str, Signal)]) -> &'static str {
    poll_fn(|context| {
        let came = signals.iter_mut().find_map(|(name, signal)| signal.poll_recv(context).is_ready().then_some(*name));
        came.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
