//! Unix sockets: never open to the wrong users, not even while they are made, and removed at the end.
//!
//! The socket is made in a temporary directory that nobody else can enter, gets its group and mode there, and is then
//! renamed into place. (The umask could set the mode, but it belongs to the whole process, and does not set the group.)

use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::unistd::Group as SystemGroup;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::process::{Pid, geteuid};
use thiserror::Error;

/// Which group a socket is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// By number.
    Id(u32),
    /// By name, as the system knows it when the socket is bound.
    Name(String),
}

/// A Unix socket to be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// Its absolute path. The directory must exist.
    pub path: PathBuf,
    /// Permission bits. A client needs write permission to connect.
    pub mode: u32,
    /// Its group, if not the one of this process.
    pub group: Option<Group>,
}

/// Why a Unix socket cannot be bound.
#[derive(Debug, Error)]
pub enum UnixSocketError {
    /// Everybody may rename files in the directory, and so replace our socket with theirs.
    #[error(
        "everybody may replace files in {} (mode {mode:04o}): choose another directory, or chmod o-w it",
        .path.display()
    )]
    LooseDirectory {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The directory's owner may do the same.
    #[error(
        "{} belongs to uid {owner}, which is neither root nor this user, and could replace the socket",
        .path.display()
    )]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Another process listens there, most likely another countersign.
    #[error("a process listens on {} already", .0.display())]
    InUse(PathBuf),
    /// A file that is not a socket: we do not remove it.
    #[error("{} exists and is not a socket: remove it, or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The path is longer than a socket address can be.
    #[error("{} is too long for a Unix socket (at most 107 bytes)", .0.display())]
    TooLong(PathBuf),
    /// No such group.
    #[error("there is no group {0:?} on this system")]
    NoGroup(String),
    /// Anything else the system said.
    #[error("cannot {attempt} {}", .path.display())]
    Io {
        /// What was tried.
        attempt: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl UnixSocketError {
    /// Whether an owner or permissions have to be changed.
    #[must_use]
    pub fn is_permissions(&self) -> bool {
        match self {
            Self::LooseDirectory { .. } | Self::ForeignDirectory { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::InUse(_) | Self::NotASocket(_) | Self::TooLong(_) | Self::NoGroup(_) => false,
        }
    }

    /// Whether only another configuration helps.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::TooLong(_) | Self::NoGroup(_) => true,
            Self::LooseDirectory { .. }
            | Self::ForeignDirectory { .. }
            | Self::InUse(_)
            | Self::NotASocket(_)
            | Self::Io { .. } => false,
        }
    }
}

/// A socket's path in the file system. Dropping it removes the socket, unless a successor has put its own socket there.
#[derive(Debug)]
pub struct SocketPath {
    path: PathBuf,
    /// The socket's inode, held open so that no other file can get the same number.
    inode: File,
}

impl SocketPath {
    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let (found, ours) = (fs::symlink_metadata(&self.path), self.inode.metadata());
        let same = |found: &Metadata, ours: &Metadata| found.dev() == ours.dev() && found.ino() == ours.ino();
        if found.is_ok_and(|found| ours.is_ok_and(|ours| same(&found, &ours))) {
            // if the removal fails, the next process that binds here finds the socket stale
            let _removed = fs::remove_file(&self.path);
        }
    }
}

/// Binds `socket`. Dropping the returned [`SocketPath`] removes it from the file system.
///
/// # Errors
/// [`UnixSocketError`].
pub fn bind(socket: &UnixSocket) -> Result<(UnixListener, SocketPath), UnixSocketError> {
    let path = socket.path.as_path();
    check_directory(parent(path))?;
    make_way(path)?;
    let MadeSocket { listener, file, directory: _removed_at_the_end } = MadeSocket::new(socket)?;
    let inode = openat(CWD, &file, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let inode = File::from(inode.map_err(|error| failed("look at", path)(error.into()))?);
    // never replaces a file that has appeared in the meantime
    renameat_with(CWD, &file, CWD, path, RenameFlags::NOREPLACE)
        .map_err(|error| failed("put a socket at", path)(error.into()))?;
    listener.set_nonblocking(true).map_err(failed("use", path))?;
    Ok((listener, SocketPath { path: path.to_owned(), inode }))
}

/// Whether [`bind`] would succeed: takes all of its steps but those that change what is at the path.
///
/// # Errors
/// As for [`bind`]. [`UnixSocketError::InUse`] comes last: whoever listens there now may be a process that makes way.
pub fn rehearse(socket: &UnixSocket) -> Result<(), UnixSocketError> {
    let path = socket.path.as_path();
    check_directory(parent(path))?;
    let occupied = occupied(path)?;
    MadeSocket::new(socket)?;
    match occupied {
        Occupied::Free | Occupied::Abandoned => Ok(()),
        Occupied::InUse => Err(UnixSocketError::InUse(path.to_owned())),
    }
}

/// The process that listens at `path`, by the kernel's account.
#[must_use]
pub fn listening_process(path: &Path) -> Option<Pid> {
    rustix::net::sockopt::socket_peercred(connect_at_once(path).ok()?).ok().map(|peer| peer.pid)
}

/// A socket with its mode and group, in a directory that nobody else can enter.
struct MadeSocket {
    listener: UnixListener,
    file: PathBuf,
    /// Removed when this is dropped.
    directory: tempfile::TempDir,
}

impl MadeSocket {
    fn new(socket: &UnixSocket) -> Result<Self, UnixSocketError> {
        let path = socket.path.as_path();
        let beside = parent(path);
        let directory = tempfile::Builder::new().prefix(".").rand_bytes(6).tempdir_in(beside);
        let directory = directory.map_err(failed("make a directory in", beside))?;
        let file = directory.path().join("s");
        if [path, &file].iter().any(|path| path.as_os_str().as_bytes().len() > LONGEST_PATH) {
            return Err(UnixSocketError::TooLong(path.to_owned()));
        }
        let listener = UnixListener::bind(&file).map_err(failed("bind", path))?;
        if let Some(group) = &socket.group {
            std::os::unix::fs::chown(&file, None, Some(group_id(group)?)).map_err(failed("give its group to", path))?;
        }
        let mode = Permissions::from_mode(socket.mode & 0o777);
        fs::set_permissions(&file, mode).map_err(failed("set the mode of", path))?;
        Ok(Self { listener, file, directory })
    }
}

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnixSocketError {
    let path = path.to_owned();
    move |source| UnixSocketError::Io { attempt, path, source }
}

/// `sun_path` without its NUL.
const LONGEST_PATH: usize = 107;

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Group members who may write in the directory are trusted: whoever set the group meant them to.
fn check_directory(path: &Path) -> Result<(), UnixSocketError> {
    let failed = |source| UnixSocketError::Io { attempt: "look at", path: path.to_owned(), source };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let metadata = File::from(directory).metadata().map_err(failed)?;
    if metadata.uid() != 0 && metadata.uid() != geteuid().as_raw() {
        return Err(UnixSocketError::ForeignDirectory { path: path.to_owned(), owner: metadata.uid() });
    }
    // with the sticky bit (/tmp), everybody may add files, and rename only their own
    if metadata.mode() & 0o1002 == 0o0002 {
        return Err(UnixSocketError::LooseDirectory { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
    }
    Ok(())
}

/// What is at the path of a socket.
enum Occupied {
    Free,
    /// A socket that no process has open: it was left behind by one that was killed.
    Abandoned,
    InUse,
}

/// Removes a socket that was left behind; anything else stays and is an error.
fn make_way(path: &Path) -> Result<(), UnixSocketError> {
    match occupied(path)? {
        Occupied::Free => Ok(()),
        Occupied::Abandoned => fs::remove_file(path).map_err(failed("remove the abandoned socket", path)),
        Occupied::InUse => Err(UnixSocketError::InUse(path.to_owned())),
    }
}

fn occupied(path: &Path) -> Result<Occupied, UnixSocketError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(UnixSocketError::NotASocket(path.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupied::Free),
        Err(error) => return Err(failed("look at", path)(error)),
    }
    match connect_at_once(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Occupied::Abandoned),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Occupied::Free),
        // a full queue (EAGAIN) belongs to a running process, too
        Ok(_) => Ok(Occupied::InUse),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Occupied::InUse),
        Err(error) => Err(failed("find out who listens on", path)(error)),
    }
}

/// Connects without waiting: the process that listens may hang with a full queue.
fn connect_at_once(path: &Path) -> io::Result<UnixStream> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&socket2::SockAddr::unix(path)?)?;
    Ok(std::os::fd::OwnedFd::from(socket).into())
}

fn group_id(group: &Group) -> Result<u32, UnixSocketError> {
    match group {
        Group::Id(id) => Ok(*id),
        Group::Name(name) => match SystemGroup::from_name(name) {
            Ok(Some(group)) => Ok(group.gid.as_raw()),
            Ok(None) => Err(UnixSocketError::NoGroup(name.clone())),
            Err(error) => {
                let path = PathBuf::from(OsString::from(name));
                Err(UnixSocketError::Io { attempt: "look up the group", path, source: error.into() })
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket_at(path: &Path) -> UnixSocket {
        UnixSocket { path: path.to_owned(), mode: 0o600, group: None }
    }

    /// Other tests start processes, which have our descriptors, too, from their fork to their exec: for that moment a
    /// socket that we closed is still alive.
    fn bind_once_abandoned(path: &Path) -> (UnixListener, SocketPath) {
        for _ in 0..200 {
            match bind(&socket_at(path)) {
                Err(UnixSocketError::InUse(_)) => std::thread::sleep(std::time::Duration::from_millis(20)),
                bound => return bound.unwrap(),
            }
        }
        panic!("{} is still in use", path.display());
    }

    #[test]
    fn a_socket_has_its_mode_and_is_removed_with_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (_listener, bound) = bind(&socket_at(&path)).unwrap();
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "the directory it was made in is gone");
        UnixStream::connect(&path).unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn an_abandoned_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(UnixListener::bind(&path).unwrap()); // std leaves it behind, as a killed process would
        let _bound = bind_once_abandoned(&path);
        assert!(matches!(bind(&socket_at(&path)), Err(UnixSocketError::InUse(_))));
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_successors_socket_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (listener, first) = bind(&socket_at(&path)).unwrap();
        drop(listener);
        let _second = bind_once_abandoned(&path);
        drop(first);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_rehearsal_changes_nothing_and_says_what_binding_would() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        rehearse(&socket_at(&path)).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
        drop(UnixListener::bind(&path).unwrap());
        rehearse(&socket_at(&path)).unwrap();
        assert!(path.exists(), "an abandoned socket is removed by whoever binds, not before");
        let _bound = bind_once_abandoned(&path);
        assert!(matches!(rehearse(&socket_at(&path)), Err(UnixSocketError::InUse(_))));
        assert_eq!(listening_process(&path), Some(rustix::process::getpid()));
        let missing = directory.path().join("missing/socket");
        let (said, would) = (rehearse(&socket_at(&missing)).unwrap_err(), bind(&socket_at(&missing)).unwrap_err());
        assert_eq!(said.to_string(), would.to_string());
    }

    #[test]
    fn what_is_not_a_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&socket_at(&path)), Err(UnixSocketError::NotASocket(_))));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &link).unwrap();
        assert!(matches!(bind(&socket_at(&link)), Err(UnixSocketError::NotASocket(_))));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_directory_that_everybody_may_change_is_refused_unless_it_is_sticky() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(bind(&socket_at(&path)), Err(UnixSocketError::LooseDirectory { .. })));
        fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
        bind(&socket_at(&path)).unwrap();
    }

    #[test]
    fn a_path_that_is_too_long_and_a_group_that_is_not_there_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("x".repeat(108));
        assert!(matches!(bind(&socket_at(&long)), Err(UnixSocketError::TooLong(_))));
        let group = Some(Group::Name("no-such-group-here".to_owned()));
        let error = bind(&UnixSocket { group, ..socket_at(&directory.path().join("s")) }).unwrap_err();
        assert_eq!(error.to_string(), "there is no group \"no-such-group-here\" on this system");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
