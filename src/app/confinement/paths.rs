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
/// file: there may be secrets beside it. What has no path (the pipe behind /dev/stdin) is in no directory: no rule can
/// name it, and none is needed for it.
pub(crate) fn directories_of_public(file: &Path, user: User) -> BTreeSet<PathBuf> {
    let narrow = |path: PathBuf| match user {
        User::Root if path.components().count() <= 2 => (!is_nameless(file)).then(|| file.to_owned()),
        User::Root | User::Other => Some(path),
    };
    directories_of(file).into_iter().filter_map(narrow).collect()
}

/// Whether a path leads, through a link of /proc, to a descriptor of something that is in no directory.
fn is_nameless(file: &Path) -> bool {
    file.exists() && file.canonicalize().is_err()
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
    fn a_pipe_is_in_no_directory_and_no_rule_names_it() {
        use std::os::fd::AsRawFd as _;

        let (reads, _writes) = std::io::pipe().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let pipe = PathBuf::from(format!("/proc/self/fd/{}", reads.as_raw_fd()));
        let link = directory.path().join("stdin");
        symlink(&pipe, &link).unwrap();
        assert!(is_nameless(&pipe) && is_nameless(&link));
        assert!(!is_nameless(directory.path()) && !is_nameless(&directory.path().join("missing")));
        for user in [User::Root, User::Other] {
            assert!(!directories_of_public(&link, user).contains(&link));
        }
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let directory = tempfile::tempdir().unwrap();
        symlink("b", directory.path().join("a")).unwrap();
        symlink("a", directory.path().join("b")).unwrap();
        assert!(!directories_of(&directory.path().join("a")).is_empty());
    }
}
