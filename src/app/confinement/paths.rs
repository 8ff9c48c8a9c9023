//! The directories that a file is read from, however it is replaced.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// A path with more symlinks than this is circular.
const MOST_LINKS: usize = 40;

/// The directories from which the file at `path` is read, now and after it was replaced: by a rename in its own
/// directory, or by swapping a symlink in its path.
pub(crate) fn directories_of(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut rest = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..MOST_LINKS {
        found.insert(directory_or_file(&rest));
        let Some((link, target, beyond)) = first_link(&rest) else { break };
        // a neighbour of the link may become its target; but /var or / are not opened because of /var/run
        if let Some(directory) = link.parent().filter(|directory| directory.components().count() > 2) {
            found.insert(directory.to_owned());
        }
        rest = link.parent().unwrap_or(&link).join(target).join(beyond);
    }
    found
}

/// The same for a file that is not a secret. Of a directory at the top of the file system (/etc) root may read only the
/// file: there may be secrets beside it.
pub(crate) fn directories_of_public(file: &Path, user: User) -> BTreeSet<PathBuf> {
    let narrow = |path: PathBuf| match user {
        User::Root if path.components().count() <= 2 => file.to_owned(),
        User::Root | User::Other => path,
    };
    directories_of(file).into_iter().map(narrow).collect()
}

/// Whose files the process can read by their permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// Most of the system's, secrets included: only the rules of the confinement protect /etc/shadow.
    Root,
    /// Its own, and those that everybody may read.
    Other,
}

impl User {
    pub(crate) fn current() -> Self {
        if rustix::process::geteuid().is_root() { Self::Root } else { Self::Other }
    }
}

/// A file in the root directory is opened alone: its directory is the whole system.
fn directory_or_file(path: &Path) -> PathBuf {
    let directory = path.parent().filter(|directory| directory.parent().is_some());
    directory.unwrap_or(path).to_owned()
}

/// The first symlink in a path, its target, and the rest of the path.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let mut before = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        match component {
            Component::ParentDir => {
                before.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => before.push(component),
            Component::CurDir => {}
        }
        if let Ok(target) = std::fs::read_link(&before) {
            return Some((before, target, components.as_path().to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn strings(paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
        paths.into_iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_swapped_symlink_on_the_way_may_lead_to_its_neighbour() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("keys/..one")).unwrap();
        fs::write(root.join("keys/..one/key.age"), "").unwrap();
        symlink("..one", root.join("keys/..data")).unwrap();
        symlink("..data/key.age", root.join("keys/key.age")).unwrap();
        let found = strings(directories_of(&root.join("keys/key.age")));
        let expected = ["keys", "keys/..data", "keys/..one"].map(|name| root.join(name));
        assert_eq!(found, strings(expected));
    }

    #[test]
    fn a_symlink_high_up_opens_no_more_than_the_file_needs() {
        assert_eq!(strings(directories_of(Path::new("/key.age"))), ["/key.age"]);
        let found = strings(directories_of(Path::new("/proc/self/key.age")));
        assert!(!found.iter().any(|path| path == "/" || path == "/proc"), "{found:?}");
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let directory = tempfile::tempdir().unwrap();
        symlink("b", directory.path().join("a")).unwrap();
        symlink("a", directory.path().join("b")).unwrap();
        assert!(!directories_of(&directory.path().join("a")).is_empty());
    }
}
