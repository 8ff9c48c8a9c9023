//! The thread that reads the configuration again, after a change of it or of a route's files, or after SIGHUP, and
//! serves it only when all of it can be used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::restart::{Granted, NeedsRestart, needs_restart};
use super::source::Source;
use crate::app::build::error::BuildError;
use crate::app::build::graph::Graph;
use crate::app::build::route_files::RouteFiles;
use crate::app::confinement::{configuration_files, route_files};
use crate::app::serve::serving::Serving;
use crate::config::settings::Settings;
use crate::config::{self, ConfigError, Text};
use crate::directories::Directories;
use crate::error_chain::causes;

/// How long nothing must have happened after an event: replacing a file makes several.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// How long to wait for that in a directory where something happens all the time.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the file is read when nothing happens: network file systems do not notify.
const POLL: Duration = Duration::from_secs(30);
/// How long the workers may take to begin with a new graph. They need some microseconds.
const ADOPTION: Duration = Duration::from_secs(10);

/// What becomes of a configuration that was read again.
#[derive(Clone, Copy)]
pub(crate) enum ReloadEvent<'a> {
    /// It is being built.
    Begun,
    /// Every worker serves it.
    InUse(&'a Graph),
    /// It is not used; the one before is still served.
    Refused(&'a ReloadError),
}

/// Told of every reload, on the reloading thread.
pub(crate) type Report = Box<dyn Fn(ReloadEvent<'_>) + Send>;

/// Why a configuration is not used, not even in part.
#[derive(Debug, Error)]
pub(crate) enum ReloadError {
    /// It has faults, or cannot be read.
    #[error("the configuration cannot be used\n{0}")]
    Configuration(ConfigError),
    /// The process no longer has the rights for it.
    #[error(
        "a restart is needed (of the packages' service: systemctl restart countersign), since a process that serves \
         has given up what this takes:\n{}",
        lines(.0)
    )]
    Restart(Vec<NeedsRestart>),
    /// A key, a CA file or a certificate cannot be used.
    #[error("{}", .0.iter().map(|error| causes(error)).collect::<Vec<_>>().join("\n"))]
    Build(Vec<BuildError>),
}

fn lines(reasons: &[NeedsRestart]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    /// Something has happened in the file's directory, or the time for a look has come.
    Changed,
    /// SIGHUP: the configuration is built again even if it is the same, for the sake of the files it names.
    Requested,
    Stop,
}

/// The thread; its drop ends it.
pub(crate) struct Reloader {
    signals: Sender<Signal>,
}

impl Reloader {
    /// Starts the thread. It reads the file at once, so that no change since the caller read it is missed.
    pub(crate) fn start(
        serving: Arc<Serving>,
        source: Source,
        granted: Granted,
        report: Report,
    ) -> std::io::Result<Self> {
        let (signals, inbox) = mpsc::channel();
        let seen = source.served.sha256.clone().unwrap_or_default();
        let current = serving.current();
        let watched = watched_files(&source, current.settings());
        let directories = watch(&watched, signals.clone());
        let files = current.route_files.clone();
        serving.note_served(&current, source.served.sha256.as_deref());
        let digests = source.served.files.clone();
        let thread_state = ReloadThread {
            serving,
            source,
            granted,
            report,
            inbox,
            signals: signals.clone(),
            watched,
            directories,
            seen,
            digests,
            files,
        };
        thread::Builder::new().name("reload".to_owned()).spawn(move || thread_state.run())?;
        Ok(Self { signals })
    }

    /// Has the configuration read and built again (SIGHUP). Does not wait for it.
    pub(crate) fn poke(&self) {
        let _ended = self.signals.send(Signal::Requested);
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        let _ended = self.signals.send(Signal::Stop);
    }
}

/// The files of the configuration and those of its routes.
fn watched_files(source: &Source, settings: &Settings) -> Vec<PathBuf> {
    let configuration = configuration_files(source.file.as_deref());
    configuration.into_iter().chain(route_files(settings).map(Path::to_owned)).collect()
}

/// Watches the directories of these files. Where that fails, polling finds changes.
fn watch(files: &[PathBuf], signals: Sender<Signal>) -> Option<Directories> {
    if files.is_empty() {
        return None;
    }
    let changed = move || {
        let _ended = signals.send(Signal::Changed);
    };
    let armed = Directories::of(files.iter().map(PathBuf::as_path), changed).and_then(|mut directory| {
        directory.arm()?;
        Ok(directory)
    });
    armed
        .inspect_err(|error| {
            tracing::warn!(
                %error,
                "the directories of the configuration and of routes' files cannot all be watched: they are looked at \
                 every half minute"
            );
        })
        .ok()
}

/// The state of the thread.
struct ReloadThread {
    serving: Arc<Serving>,
    source: Source,
    granted: Granted,
    report: Report,
    inbox: Receiver<Signal>,
    signals: Sender<Signal>,
    watched: Vec<PathBuf>,
    directories: Option<Directories>,
    /// The digest of the text that was read last, or why it could not be read. A configuration that was refused is not
    /// tried again every half minute.
    seen: String,
    /// The digest of each file, as it was read last.
    digests: BTreeMap<String, String>,
    /// The files of routes, as they were looked at last.
    files: RouteFiles,
}

impl ReloadThread {
    fn run(mut self) {
        let mut signal = Signal::Changed;
        while signal != Signal::Stop {
            // a symlink may lead elsewhere now; where a directory cannot be watched, the poll finds changes
            let _armed = self.directories.as_mut().map(Directories::arm);
            // before the files are read: one that is added to conf.d from now on is noticed
            self.watch_anew();
            self.read_again(signal);
            signal = match self.inbox.recv_timeout(POLL) {
                Ok(Signal::Changed) => self.settle(),
                Ok(Signal::Requested) => Signal::Requested,
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => Signal::Stop,
                Err(RecvTimeoutError::Timeout) => Signal::Changed,
            };
        }
    }

    /// Waits until nothing has happened for a while, and says what to do then.
    fn settle(&self) -> Signal {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.inbox.recv_timeout(DEBOUNCE) {
                Ok(Signal::Changed) => {}
                Ok(Signal::Requested) => return Signal::Requested, // whoever sends SIGHUP has finished writing
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Signal::Stop,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        Signal::Changed
    }

    fn read_again(&mut self, signal: Signal) {
        let environment = config::process_environment();
        let text = Text::read(self.source.file.as_deref(), config::writable_configuration(&environment));
        let fingerprint = text.as_ref().map_or_else(ToString::to_string, |text| text.sha256().unwrap_or_default());
        self.tell_changes(text.as_ref().ok());
        let files = RouteFiles::of(route_files(self.serving.current().settings()));
        let are_same_files = files == self.files;
        self.files = files;
        if signal != Signal::Requested && are_same_files && self.seen == fingerprint {
            return;
        }
        let settings = text.and_then(|text| text.settings(environment));
        let current = self.serving.current();
        self.seen.clone_from(&fingerprint);
        if signal != Signal::Requested
            && are_same_files
            && settings.as_ref().is_ok_and(|settings| settings == current.settings())
        {
            // only comments have changed, or a refused change was undone
            self.serving.note_served(&current, self.digest());
            tracing::info!("the configuration file was changed, and its configuration is the one in use");
            return;
        }
        (self.report)(ReloadEvent::Begun);
        match self.attempt(settings.map_err(ReloadError::Configuration)) {
            Ok(graph) => {
                self.serving.note_served(&graph, self.digest());
                graph.metrics.configuration.count_reload();
                (self.report)(ReloadEvent::InUse(&graph));
                // as they were before they were read, so that no change since then is missed
                self.files = graph.route_files.clone();
                self.watch_anew();
            }
            Err(error) => {
                self.serving.note_refused();
                (self.report)(ReloadEvent::Refused(&error));
            }
        }
    }

    /// Logs which files of the configuration are other ones than at the last look.
    fn tell_changes(&mut self, text: Option<&Text>) {
        let Some(text) = text else { return };
        let known = std::mem::replace(&mut self.digests, text.digests());
        if known != self.digests {
            tracing::info!(files = %text.changes_since(&known), "the files of the configuration have changed");
        }
    }

    /// Watches other directories when the files are others: conf.d was made, or a file in it is a symlink.
    fn watch_anew(&mut self) {
        let files = watched_files(&self.source, self.serving.current().settings());
        if files != self.watched {
            self.directories = watch(&files, self.signals.clone());
            self.watched = files;
        }
    }

    /// The digest of the files that were read last, if there is a file.
    fn digest(&self) -> Option<&str> {
        self.source.file.as_ref().map(|_| self.seen.as_str())
    }

    fn attempt(&self, settings: Result<Settings, ReloadError>) -> Result<Arc<Graph>, ReloadError> {
        let settings = settings?;
        let current = self.serving.current();
        let reasons = needs_restart(&current, &settings, &self.granted, &self.source);
        if !reasons.is_empty() {
            return Err(ReloadError::Restart(reasons));
        }
        let built = current.succeed(settings, self.source.credentials_directory.as_deref());
        let (graph, keys) = built.map_err(ReloadError::Build)?;
        let graph = Arc::new(graph);
        self.serving.adopt(&graph, keys);
        self.wait_for_workers(&graph);
        Ok(graph)
    }

    /// After this, only requests that have begun before are judged by the previous graph.
    fn wait_for_workers(&self, graph: &Graph) {
        let adopted = self.serving.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let mut missing = graph.settings.process.workers;
        while missing > 0 {
            match adopted.recv_timeout(ADOPTION.saturating_sub(begun.elapsed())) {
                Ok(generation) if generation == graph.generation() => missing = missing.saturating_sub(1),
                Ok(_earlier) => {}
                Err(_elapsed_or_gone) => {
                    tracing::error!(missing, "workers have not begun with the new configuration");
                    return;
                }
            }
        }
    }
}
