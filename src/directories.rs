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
    files: Vec<PathBuf>,
    /// The directories that symlinks led to when they were looked at last.
    behind: BTreeSet<PathBuf>,
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
        Ok(Self { watcher, files: files.into_iter().map(Path::to_owned).collect(), behind: BTreeSet::new() })
    }

    /// Watches each directory, and those that symlinks on the way to a file lead to. Call it again later: a directory
    /// that was replaced must be watched anew, and a symlink may lead elsewhere.
    ///
    /// # Errors
    /// The first error about a file's own directory; the other directories are watched. A directory behind a symlink
    /// may be one that we cannot read: the file is looked at now and then anyhow.
    pub fn arm(&mut self) -> Result<(), notify::Error> {
        let own: BTreeSet<PathBuf> = self.files.iter().map(|file| directory_of(file)).collect();
        let mut behind: BTreeSet<PathBuf> = self.files.iter().flat_map(|file| behind_symlinks(file)).collect();
        behind.retain(|path| !own.contains(path));
        for gone in self.behind.difference(&behind).filter(|path| !own.contains(*path)) {
            let _was_not_watched = self.watcher.unwatch(gone);
        }
        let mut outcome = Ok(());
        for path in &own {
            let armed = self.watcher.watch(path, RecursiveMode::NonRecursive);
            outcome = outcome.and(armed);
        }
        for path in &behind {
            let _polled_otherwise = self.watcher.watch(path, RecursiveMode::NonRecursive);
        }
        self.behind = behind;
        outcome
    }
}

/// The directories in which a change can make another file of `file`: that of each symlink on the way to it, and those
/// that they lead to.
fn behind_symlinks(file: &Path) -> Vec<PathBuf> {
    // as many as Linux follows
    const MOST: usize = 40;
    let (mut directories, mut path) = (Vec::new(), file.to_owned());
    for _ in 0..MOST {
        let link = path.ancestors().find_map(|prefix| Some((prefix, std::fs::read_link(prefix).ok()?)));
        let Some((prefix, target)) = link else { break };
        let rest = path.strip_prefix(prefix).unwrap_or(Path::new(""));
        let above = directory_of(prefix);
        let led_to = above.join(target);
        let next = if rest.as_os_str().is_empty() { led_to } else { led_to.join(rest) };
        directories.push(above);
        directories.push(directory_of(&next));
        path = next;
    }
    directories
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
    fn a_file_behind_symlinks_changes_where_it_is_where_they_are_and_where_they_led_to_later() {
        let (etc, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| data.path().join(name);
        for version in ["v1", "v2", "v3"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("key"), version).unwrap();
        }
        symlink("v1", at("current")).unwrap();
        symlink(at("current").join("key"), etc.path().join("file")).unwrap();
        let (mut directories, changes) = watched(etc.path());
        let arrives = |deed: &dyn Fn()| {
            while changes.try_recv().is_ok() {} // of what was done before
            deed();
            changes.recv_timeout(Duration::from_secs(30)).unwrap();
        };
        arrives(&|| fs::write(at("v1/key"), "new").unwrap());
        arrives(&|| {
            symlink("v2", at("next")).unwrap();
            fs::rename(at("next"), at("current")).unwrap();
        });
        directories.arm().unwrap();
        arrives(&|| fs::write(at("v2/key"), "new").unwrap());
    }

    #[test]
    fn symlinks_that_lead_in_a_circle_come_to_an_end() {
        let directory = tempfile::tempdir().unwrap();
        symlink("b", directory.path().join("a")).unwrap();
        symlink("a", directory.path().join("b")).unwrap();
        assert!(behind_symlinks(&directory.path().join("a")).iter().all(|path| path == directory.path()));
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
