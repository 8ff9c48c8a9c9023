//! Notices that files change, by watching their directories: a watch on the file itself is lost when the file is
//! replaced or a symlink is changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::guarded_file::directory_of;

/// Watches the directories of some files until it is dropped.
pub struct Directories {
    watcher: RecommendedWatcher,
    paths: BTreeSet<PathBuf>,
}

impl Directories {
    /// The directories of `files`. Once armed, `changed` is called, on its own thread, for every event that may have
    /// changed one of the files.
    ///
    /// # Errors
    /// The system cannot notify us (on Linux: the limits on inotify).
    pub fn of<'f>(
        files: impl IntoIterator<Item = &'f Path>,
        mut changed: impl FnMut() + Send + 'static,
    ) -> Result<Self, notify::Error> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // an error may stand for events that were lost
            if event.map_or(true, |event| is_change(event.kind)) {
                changed();
            }
        })?;
        Ok(Self { watcher, paths: files.into_iter().map(directory_of).collect() })
    }

    /// Watches each directory. Call it again later: a directory that was replaced must be watched anew.
    ///
    /// # Errors
    /// The first error; the other directories are watched.
    pub fn arm(&mut self) -> Result<(), notify::Error> {
        let mut outcome = Ok(());
        for path in &self.paths {
            let armed = self.watcher.watch(path, RecursiveMode::NonRecursive);
            outcome = outcome.and(armed);
        }
        outcome
    }
}

/// The system also reports reads: reacting to those, we would wake ourselves for ever. It reports each write as well,
/// and a log file in the same directory would wake us all the time. So a file counts as changed when it is closed after
/// writing, moved, linked or removed.
const fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Data(_)) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    /// The directory of a file, watched.
    fn watched(directory: &Path) -> (Directories, Receiver<()>) {
        let (signals, changes) = channel();
        let file = directory.join("file");
        let mut directories = Directories::of([file.as_path()], move || signals.send(()).unwrap_or_default()).unwrap();
        directories.arm().unwrap();
        (directories, changes)
    }

    #[test]
    fn a_file_changes_when_it_is_closed_moved_linked_or_removed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("other"), "1").unwrap();
        let deeds: [&dyn Fn(); 4] = [
            &|| fs::write(at("file"), "1").unwrap(),
            &|| fs::rename(at("other"), at("file")).unwrap(),
            &|| fs::remove_file(at("file")).unwrap(),
            &|| symlink("elsewhere", at("file")).unwrap(),
        ];
        for deed in deeds {
            let (_directories, changes) = watched(directory.path());
            deed();
            changes.recv_timeout(Duration::from_secs(30)).unwrap();
        }
    }

    #[test]
    fn neither_reading_nor_a_write_to_a_file_that_stays_open_is_a_change() {
        use notify::event::{DataChange, MetadataKind, RenameMode};
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        for no_change in [
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            close(AccessMode::Read),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
        ] {
            assert!(!is_change(no_change), "{no_change:?}");
        }
        for change in [
            close(AccessMode::Write),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), // one that all may read now
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        ] {
            assert!(is_change(change), "{change:?}");
        }
    }
}
