//! The threads that refresh keys, one for each key. A thread loads the key when a watched directory changes, on SIGHUP,
//! before the key expires, and at an interval in any case. With one thread per key, a store is never asked twice at the
//! same time, and a slow store does not delay others.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use thiserror::Error;

use super::schedule::{after_failure, after_success, left};
use super::slot::{KeySlot, RefreshOutcome};
use super::store::{KeyStore, LoadError};
use crate::directories::Directories;

/// Called after every load of a key, on its thread: log it, count it, return soon.
pub type Report = Arc<dyn Fn(&KeySlot, Result<RefreshOutcome, LoadError>) + Send + Sync>;

/// Reads the time.
pub type Clock = fn() -> Timestamp;

/// A key, and how it is refreshed.
pub struct WatchedKey {
    /// The slot that holds the current key.
    pub slot: Arc<KeySlot>,
    /// The store that it is loaded from.
    pub store: Box<dyn KeyStore>,
}

/// Why changes of a key are not noticed at once.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The thread cannot be started: nothing is refreshed.
    #[error("the thread that refreshes keys cannot be started")]
    Thread(#[source] std::io::Error),
    /// The system does not notify us (on Linux: the limits on inotify): changes are found by polling every half minute.
    #[error("directories cannot be watched for changes of keys: changes are found within half a minute")]
    Notify(#[source] notify::Error),
}

/// The intervals of a thread.
#[derive(Clone, Copy)]
struct Pace {
    /// How long it waits for further events: replacing a file makes several.
    debounce: Duration,
    /// The longest that a load is put off, in a directory where events never stop.
    patience: Duration,
    /// The time from a first failure to the next load.
    retry: Duration,
    /// The time between loads when nothing happens, instead of the store's own.
    poll: Option<Duration>,
}

const PACE: Pace = Pace {
    debounce: Duration::from_millis(100),
    patience: Duration::from_secs(1),
    retry: Duration::from_secs(1),
    poll: None,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    Look,
    Stop,
}

/// Refreshes several keys until it is dropped.
pub struct KeyWatcher(Vec<KeyKeeper>);

/// Refreshes one key until it is dropped.
pub struct KeyKeeper {
    signals: Sender<Signal>,
    blind: Option<WatchError>,
}

impl KeyWatcher {
    /// Starts a keeper for each key.
    ///
    /// # Errors
    /// [`WatchError::Thread`].
    pub fn start(keys: Vec<WatchedKey>, report: &Report, clock: Clock) -> Result<Self, WatchError> {
        let keepers = keys.into_iter().map(|key| KeyKeeper::start(key, Arc::clone(report), clock));
        keepers.collect::<Result<_, _>>().map(Self)
    }

    /// [`KeyKeeper::blind`] of the first key that has one.
    #[must_use]
    pub fn blind(&self) -> Option<&WatchError> {
        self.0.iter().find_map(KeyKeeper::blind)
    }

    /// Has every key loaded soon (SIGHUP). Does not wait for it.
    pub fn poke(&self) {
        self.0.iter().for_each(KeyKeeper::poke);
    }
}

impl KeyKeeper {
    /// Starts the thread. It reads files at once, so that it misses no change since the caller loaded them.
    ///
    /// # Errors
    /// [`WatchError::Thread`].
    pub fn start(key: WatchedKey, report: Report, clock: Clock) -> Result<Self, WatchError> {
        Self::start_at(PACE, key, report, clock)
    }

    /// Why changes are only found by polling; `None` if the system notifies us. Deserves a warning in the log.
    #[must_use]
    pub const fn blind(&self) -> Option<&WatchError> {
        self.blind.as_ref()
    }

    /// Has the key loaded soon. Does not wait for it.
    pub fn poke(&self) {
        // the thread keeps the other end until drop
        let _sent = self.signals.send(Signal::Look);
    }

    fn start_at(pace: Pace, key: WatchedKey, report: Report, clock: Clock) -> Result<Self, WatchError> {
        let (signals, inbox) = mpsc::channel();
        let (directories, blind) = match directories_of(&key, signals.clone()) {
            Ok(mut directories) => {
                let blind = directories.as_mut().and_then(|directories| directories.arm().err());
                (directories, blind)
            }
            Err(error) => (None, Some(error)),
        };
        let name = format!("key-{}", key.slot.name());
        let round = Round { pace, key, report, clock, inbox, directories, failures: 0 };
        thread::Builder::new().name(name).spawn(move || round.run()).map_err(WatchError::Thread)?;
        Ok(Self { signals, blind: blind.map(WatchError::Notify) })
    }
}

impl Drop for KeyKeeper {
    fn drop(&mut self) {
        // the thread is not joined: its store may take long
        let _sent = self.signals.send(Signal::Stop);
    }
}

/// The directories of a store's files, if it has any.
fn directories_of(key: &WatchedKey, signals: Sender<Signal>) -> Result<Option<Directories>, notify::Error> {
    let files = key.store.watched();
    if files.is_empty() {
        return Ok(None);
    }
    let changed = move || {
        let _ended = signals.send(Signal::Look);
    };
    Directories::of(files.iter().map(AsRef::as_ref), changed).map(Some)
}

/// What the thread owns.
struct Round {
    pace: Pace,
    key: WatchedKey,
    report: Report,
    clock: Clock,
    inbox: Receiver<Signal>,
    directories: Option<Directories>,
    failures: u32,
}

impl Round {
    fn run(mut self) {
        let mut wait = self.first_wait();
        loop {
            match self.inbox.recv_timeout(wait) {
                Ok(Signal::Look) => {
                    if self.settle() == Signal::Stop {
                        return;
                    }
                    // a symlink may lead elsewhere now
                    let _armed = self.directories.as_mut().map(Directories::arm);
                }
                Err(RecvTimeoutError::Timeout) => {
                    // if watching fails, it is tried again next time; until then polling finds the changes
                    let _armed = self.directories.as_mut().map(Directories::arm);
                }
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            wait = self.look();
        }
    }

    /// Files may have changed since the caller loaded them. A store without files was asked just now.
    fn first_wait(&self) -> Duration {
        let WatchedKey { slot, store } = &self.key;
        let now = (self.clock)();
        match slot.current(now) {
            Ok(key) if store.watched().is_empty() => after_success(store.poll(), left(key.expiration(), now)),
            Ok(_) | Err(_) => Duration::ZERO,
        }
    }

    /// Loads the key, reports the outcome, and returns how long to wait.
    fn look(&mut self) -> Duration {
        let WatchedKey { slot, store } = &self.key;
        let outcome = slot.renew(store.as_ref(), (self.clock)());
        let poll = self.pace.poll.unwrap_or_else(|| store.poll());
        let well = matches!(outcome, Ok(RefreshOutcome::Unchanged | RefreshOutcome::Changed));
        (self.report)(slot, outcome);
        let now = (self.clock)();
        match slot.current(now) {
            Ok(key) if well => {
                self.failures = 0;
                after_success(poll, left(key.expiration(), now))
            }
            Ok(_) | Err(_) => {
                self.failures = self.failures.saturating_add(1);
                after_failure(self.pace.retry, poll, self.failures)
            }
        }
    }

    /// Waits until nothing has happened for a while.
    fn settle(&self) -> Signal {
        let begun = Instant::now();
        while begun.elapsed() < self.pace.patience {
            match self.inbox.recv_timeout(self.pace.debounce) {
                Ok(Signal::Look) => {}
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Signal::Stop,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        Signal::Look
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::path::PathBuf;

    use jiff::Timestamp;
    use tempfile::TempDir;

    use super::super::identity::Identities;
    use super::super::seal::{Existing, seal, write_secret_file};
    use super::super::slot::KeyUnavailable;
    use super::super::stores::sealed::SealedFile;
    use super::*;

    const FIRST: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    const SECOND: (&str, &str) = ("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY");

    /// How long a test waits before it fails: below the poll, so that a notification that never came is not made up
    /// for.
    const GENEROUS: Duration = Duration::from_secs(25);
    /// Notifications alone.
    const NEVER_POLL: Pace = Pace { poll: Some(Duration::from_secs(3600)), retry: Duration::from_secs(3600), ..PACE };
    /// Next to no wait for quiet.
    const BRISK_POLL: Pace = Pace { poll: Some(Duration::from_millis(20)), retry: Duration::from_millis(20), ..PACE };

    type Outcome = Result<RefreshOutcome, LoadError>;

    /// A watched key in a directory of its own; every look arrives in `looks`.
    struct Scene {
        directory: TempDir,
        identities: Identities,
        slot: Arc<KeySlot>,
        looks: Receiver<Outcome>,
        watcher: Option<KeyKeeper>,
    }

    impl Scene {
        fn new() -> Self {
            let (_unused, looks) = mpsc::channel();
            let directory = tempfile::tempdir().unwrap();
            fs::create_dir(directory.path().join("keys")).unwrap();
            let identities = Identities::generate();
            let file = identities.to_file(Timestamp::UNIX_EPOCH);
            write_secret_file(&directory.path().join("id"), &file, Existing::Refuse).unwrap();
            Self { directory, identities, slot: Arc::new(KeySlot::new("main")), looks, watcher: None }
        }

        fn sealed(&self, (id, secret): (&str, &str)) -> Vec<u8> {
            let document = format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}"}}"#);
            seal(document.as_bytes(), &self.identities.recipients()).unwrap()
        }

        fn keys(&self) -> PathBuf {
            self.directory.path().join("keys")
        }

        fn put(&self, path: &Path, key: (&str, &str)) {
            write_secret_file(path, &self.sealed(key), Existing::Replace).unwrap();
        }

        fn watch(&mut self, pace: Pace) {
            let store = SealedFile::new(self.keys().join("key.age"), self.directory.path().join("id"));
            let (sender, looks) = mpsc::channel();
            let report: Report = Arc::new(move |slot, outcome| {
                assert_eq!(slot.name(), "main");
                let _test_over = sender.send(outcome);
            });
            let key = WatchedKey { slot: Arc::clone(&self.slot), store: Box::new(store) };
            let watcher = KeyKeeper::start_at(pace, key, report, || Timestamp::UNIX_EPOCH).unwrap();
            assert!(watcher.blind().is_none());
            (self.watcher, self.looks) = (Some(watcher), looks);
        }

        /// Waits for a look with the outcome asked for; a file being replaced may be looked at more than once.
        fn wait_for(&self, wanted: impl Fn(&Outcome) -> bool) {
            let begun = Instant::now();
            while !wanted(&self.looks.recv_timeout(GENEROUS.saturating_sub(begun.elapsed())).expect("a look in time")) {
            }
        }

        fn wait_for_change_to(&self, key: (&str, &str)) {
            self.wait_for(|outcome| matches!(outcome, Ok(RefreshOutcome::Changed)));
            assert_eq!(self.current(), key.0);
        }

        fn current(&self) -> String {
            self.slot.current(Timestamp::UNIX_EPOCH).ok().unwrap().id().as_str().to_owned()
        }
    }

    #[test]
    fn a_file_replaced_by_rename_is_picked_up() {
        let mut scene = Scene::new();
        let path = scene.keys().join("key.age");
        scene.put(&path, FIRST);
        scene.watch(NEVER_POLL);
        scene.wait_for_change_to(FIRST);
        scene.put(&path, SECOND);
        scene.wait_for_change_to(SECOND);
        scene.put(&path, FIRST);
        scene.wait_for_change_to(FIRST);
    }

    #[test]
    fn a_file_that_appears_later_is_picked_up() {
        let mut scene = Scene::new();
        scene.watch(NEVER_POLL);
        scene.wait_for(Result::is_err);
        assert!(matches!(scene.slot.current(Timestamp::UNIX_EPOCH), Err(KeyUnavailable::NotLoaded)));
        scene.put(&scene.keys().join("key.age"), FIRST);
        scene.wait_for_change_to(FIRST);
    }

    #[test]
    fn a_kubernetes_volume_that_is_swapped_is_picked_up_every_time() {
        let mut scene = Scene::new();
        // as kubelet's atomic writer does it: a new directory, a new link, and the link renamed over `..data`
        let publish = |scene: &Scene, version: &str, key| {
            let keys = scene.keys();
            fs::create_dir(keys.join(version)).unwrap();
            scene.put(&keys.join(version).join("key.age"), key);
            symlink(version, keys.join("..data_tmp")).unwrap();
            fs::rename(keys.join("..data_tmp"), keys.join("..data")).unwrap();
        };
        publish(&scene, "..2026_1", FIRST);
        symlink("..data/key.age", scene.keys().join("key.age")).unwrap();
        scene.watch(NEVER_POLL);
        scene.wait_for_change_to(FIRST);
        publish(&scene, "..2026_2", SECOND);
        fs::remove_dir_all(scene.keys().join("..2026_1")).unwrap();
        scene.wait_for_change_to(SECOND);
        publish(&scene, "..2026_3", FIRST);
        fs::remove_dir_all(scene.keys().join("..2026_2")).unwrap();
        scene.wait_for_change_to(FIRST);
    }

    #[test]
    fn a_half_written_file_keeps_the_old_key_until_it_is_whole() {
        let mut scene = Scene::new();
        let path = scene.keys().join("key.age");
        scene.put(&path, FIRST);
        scene.watch(NEVER_POLL);
        scene.wait_for_change_to(FIRST);
        let second = scene.sealed(SECOND);
        fs::write(&path, &second[..second.len() / 2]).unwrap(); // in place, as a careless editor would
        scene.wait_for(Result::is_err);
        assert_eq!(scene.current(), FIRST.0);
        fs::write(&path, &second).unwrap();
        scene.wait_for_change_to(SECOND);
    }

    #[test]
    fn a_poke_has_the_key_looked_at_and_looking_does_not_wake_the_watcher_again() {
        let mut scene = Scene::new();
        scene.put(&scene.keys().join("key.age"), FIRST);
        scene.watch(NEVER_POLL);
        scene.wait_for_change_to(FIRST);
        // events of the first look (it opens files) would come within this time, and none may
        assert!(scene.looks.recv_timeout(PACE.patience).is_err());
        scene.watcher.as_ref().unwrap().poke();
        scene.wait_for(|outcome| matches!(outcome, Ok(RefreshOutcome::Unchanged)));
    }

    #[test]
    fn without_any_notification_the_poll_finds_the_change() {
        let mut scene = Scene::new();
        scene.put(&scene.keys().join("key.age"), FIRST);
        scene.watch(BRISK_POLL);
        scene.wait_for_change_to(FIRST);
        // the directory is replaced, and the watch on the old one hears nothing of the new
        fs::rename(scene.keys(), scene.directory.path().join("old")).unwrap();
        fs::create_dir(scene.keys()).unwrap();
        scene.put(&scene.keys().join("key.age"), SECOND);
        scene.wait_for_change_to(SECOND);
    }

    #[test]
    fn dropping_the_watcher_ends_its_thread() {
        let mut scene = Scene::new();
        scene.watch(NEVER_POLL);
        drop(scene.watcher.take());
        while scene.looks.recv().is_ok() {}
        assert_eq!(Arc::strong_count(&scene.slot), 1);
    }
}
