//! Walks a path, one component at a time, each from the open descriptor of the one before: what was checked is what is
//! opened.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat};
use rustix::io::Errno;

use super::error::{GuardError, MAX_LINKS};
use super::private_groups;
use super::writers::{check_directory, check_link};

/// What a path leads to.
pub(super) struct Reached {
    /// Its path, for messages: symlinks of the last component are resolved.
    pub(super) path: PathBuf,
    /// An `O_PATH` descriptor: it can be inspected and not read.
    pub(super) object: OwnedFd,
    pub(super) metadata: Metadata,
    parent: OwnedFd,
    name: OsString,
    /// A link of `/proc` to a descriptor, which has no path.
    follow: OFlags,
}

impl Reached {
    /// Opens it for reading. A FIFO is not waited for.
    pub(super) fn open(&self) -> Result<File, GuardError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | self.follow;
        let opened = openat(&self.parent, &self.name, flags, Mode::empty());
        opened.map(File::from).map_err(|error| GuardError::refused(&self.path, error))
    }
}

/// Walks to the file `path`. Every directory and symlink on the way is checked.
pub(super) fn walk(path: &Path) -> Result<Reached, GuardError> {
    let reached = Walk::begin(path, Sought::File)?.run()?;
    reached.ok_or_else(|| GuardError::NotRegular(path.to_owned()))
}

/// Walks to a directory in which files are made: its path for messages, and its descriptor.
///
/// It is checked like every directory on the way to a file. Above it, a group may write in a directory of root's:
/// `/var/log` belongs to such a group on some systems. Its members can move the directory away, and have none of root's
/// or ours to put in its place but those that are there already.
pub(super) fn walk_to_directory(path: &Path) -> Result<(PathBuf, OwnedFd), GuardError> {
    let mut walk = Walk::begin(path, Sought::Directory)?;
    let (None, Some(Place { shown, descriptor })) = (walk.run()?, walk.trail.pop()) else {
        return Err(GuardError::Io { path: path.to_owned(), source: Errno::NOTDIR.into() });
    };
    let (descriptor, metadata) = look(&shown, descriptor)?;
    check_directory(&shown, &descriptor, &metadata)?;
    Ok((shown, descriptor))
}

/// What the end of the path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sought {
    File,
    Directory,
}

/// What is left to do.
enum Step {
    Into(OsString),
    /// `..`
    Up,
    /// A symlink to a directory was followed: messages go on calling it by its own path.
    Renamed(PathBuf),
}

/// A directory on the way.
struct Place {
    shown: PathBuf,
    descriptor: OwnedFd,
}

struct Walk {
    /// In reverse order.
    steps: Vec<Step>,
    /// The directories from the root to where we are. Never empty.
    trail: Vec<Place>,
    links: usize,
    sought: Sought,
}

impl Walk {
    fn begin(path: &Path, sought: Sought) -> Result<Self, GuardError> {
        private_groups::learn();
        let absolute = std::path::absolute(path).map_err(|source| GuardError::Io { path: path.to_owned(), source })?;
        let mut walk = Self { steps: Vec::new(), trail: vec![open_root()?], links: 0, sought };
        walk.add(&absolute);
        Ok(walk)
    }

    /// Takes every step; `None` if the path ends in a directory.
    fn run(&mut self) -> Result<Option<Reached>, GuardError> {
        while let Some(step) = self.steps.pop() {
            match step {
                Step::Up => self.up(),
                Step::Renamed(shown) => self.rename(shown),
                Step::Into(name) => {
                    if let Some(reached) = self.enter(name)? {
                        return Ok(Some(reached));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Adds the components of a path or of the target of a symlink.
    fn add(&mut self, path: &Path) {
        if path.is_absolute() {
            self.trail.truncate(1);
        }
        self.steps.extend(path.components().rev().filter_map(|component| match component {
            Component::Normal(name) => Some(Step::Into(name.to_owned())),
            Component::ParentDir => Some(Step::Up),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        }));
    }

    fn up(&mut self) {
        if self.trail.len() > 1 {
            self.trail.pop();
        }
    }

    fn rename(&mut self, shown: PathBuf) {
        if let Some(place) = self.trail.last_mut() {
            place.shown = shown;
        }
    }

    /// The path that a component would have, with all that is left to walk.
    fn whole(&self, here: &Path) -> PathBuf {
        let rest = self.steps.iter().rev().filter_map(|step| match step {
            Step::Into(name) => Some(name.as_os_str()),
            Step::Up => Some(OsStr::new("..")),
            Step::Renamed(_) => None,
        });
        here.iter().chain(rest).collect()
    }

    /// Takes one step. The last one reaches what is looked for.
    fn enter(&mut self, name: OsString) -> Result<Option<Reached>, GuardError> {
        let Some(place) = self.trail.last() else { return Err(GuardError::NotRegular(name.into())) };
        let here = place.shown.join(&name);
        let refused = |error| match error {
            // the first that is missing
            Errno::NOENT => GuardError::Missing(here.clone()),
            error => GuardError::refused(&self.whole(&here), error),
        };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let object = openat(&place.descriptor, &name, flags, Mode::empty()).map_err(refused)?;
        let (object, metadata) = look(&here, object)?;
        let is_last = self.steps.is_empty();
        if metadata.is_symlink() {
            check_link(&here, &metadata)?;
            if !(is_last && self.sought == Sought::File && is_proc(&place.descriptor)) {
                let target = readlinkat(&object, "", Vec::new()).map_err(refused)?;
                self.follow(&here, Path::new(OsStr::from_bytes(target.as_bytes())))?;
                return Ok(None);
            }
        } else if metadata.is_dir() {
            match (self.sought, check_directory(&here, &object, &metadata)) {
                (Sought::File, Ok(())) if is_last => return Err(GuardError::NotRegular(here)),
                (Sought::Directory, Err(GuardError::GroupDirectory { mode, .. }))
                    if metadata.uid() == 0 && mode & 0o002 == 0 => {}
                (Sought::File | Sought::Directory, checked) => checked?,
            }
            self.trail.push(Place { shown: here, descriptor: object });
            return Ok(None);
        } else if !is_last {
            return Err(GuardError::NotRegular(self.whole(&here)));
        }
        let follow = if metadata.is_symlink() { OFlags::empty() } else { OFlags::NOFOLLOW };
        let parent = match self.trail.pop() {
            Some(place) => place.descriptor,
            None => return Err(GuardError::NotRegular(here)),
        };
        Ok(Some(Reached { path: here, object, metadata, parent, name, follow }))
    }

    fn follow(&mut self, link: &Path, target: &Path) -> Result<(), GuardError> {
        self.links = self.links.saturating_add(1);
        if self.links > MAX_LINKS {
            return Err(GuardError::TooManyLinks(link.to_owned()));
        }
        if !self.steps.is_empty() {
            self.steps.push(Step::Renamed(link.to_owned()));
        }
        self.add(target);
        Ok(())
    }
}

fn open_root() -> Result<Place, GuardError> {
    let root = Path::new("/");
    let opened = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let (descriptor, metadata) = look(root, opened.map_err(|error| GuardError::refused(root, error))?)?;
    check_directory(root, &descriptor, &metadata)?;
    Ok(Place { shown: root.to_owned(), descriptor })
}

fn look(path: &Path, descriptor: OwnedFd) -> Result<(OwnedFd, Metadata), GuardError> {
    let file = File::from(descriptor);
    let metadata = file.metadata().map_err(|source| GuardError::Io { path: path.to_owned(), source })?;
    Ok((file.into(), metadata))
}

/// Whether a directory is one of `/proc`, where a symlink may stand for a descriptor (`/dev/stdin`).
fn is_proc(directory: &OwnedFd) -> bool {
    fstatfs(directory).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC)
}
