//! Opening a file that holds a secret (a sealed key, an identity, the key of a certificate, a token of our own):
//! everything is checked on the open descriptor, and a file that others can read is refused.
//!
//! Two exceptions, for files that only root or our own user could have put there:
//! - a symlink is followed when root or we own the link itself (Kubernetes swaps `..data` in its volumes);
//! - the group may read a file that root owns and whose group is root's or one of ours (Kubernetes gives secrets
//!   `root:fsGroup 0440`; systemd lends credentials through an access list, which `stat` shows as 0440).

mod bounded;

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};
use thiserror::Error;
use zeroize::Zeroizing;

pub use bounded::read_bounded;

/// The longest file read, in bytes. A sealed key has about 500, with the longest session token some 45,000; an RSA key
/// of 16,384 bits has 13,000.
pub const MAX_SIZE: usize = 64 * 1024;

/// The longest chain of symlinks followed in a file's last component. Kubernetes needs one.
const MAX_LINKS: usize = 8;

/// Why a file that holds a secret is not used.
#[derive(Debug, Error)]
pub enum GuardError {
    /// There is no such file.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// This user may not open it.
    #[error("{path} may not be read by this user (uid {user}): {remedy}")]
    Denied {
        /// The file.
        path: PathBuf,
        /// Our effective user.
        user: u32,
        /// What to do.
        remedy: String,
    },
    /// A directory, FIFO, socket or device.
    #[error("{0} is not a regular file")]
    NotRegular(PathBuf),
    /// The group or others may read or write it.
    #[error("{path} is open to others (mode {mode:04o}): {remedy}")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What to do.
        remedy: String,
    },
    /// It belongs to another user.
    #[error("{path} belongs to uid {owner}, which is neither root nor this user: chown {user} {path}")]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Our effective user.
        user: u32,
    },
    /// The symlink belongs to another user.
    #[error(
        "{path} is a symlink that belongs to uid {owner}, who could point it elsewhere: give the path of the file \
         itself"
    )]
    ForeignLink {
        /// The symlink.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
    },
    /// The chain of symlinks is too long.
    #[error("{0} leads through more than {MAX_LINKS} symlinks: give the path of the file itself")]
    TooManyLinks(PathBuf),
    /// Everybody may rename files in the directory.
    #[error("everybody may replace files in {path} (mode {mode:04o}): chmod o-w {path}")]
    LooseDirectory {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// More than [`MAX_SIZE`].
    #[error("{0} is larger than {MAX_SIZE} bytes; no key, identity or token is")]
    TooLarge(PathBuf),
    /// Anything else the system said.
    #[error("{path} cannot be read")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl GuardError {
    /// Whether somebody has to change an owner or permissions.
    #[must_use]
    pub const fn is_permissions(&self) -> bool {
        match self {
            Self::Denied { .. }
            | Self::OpenToOthers { .. }
            | Self::ForeignOwner { .. }
            | Self::ForeignLink { .. }
            | Self::LooseDirectory { .. } => true,
            Self::Missing(_) | Self::Io { .. } | Self::NotRegular(_) | Self::TooManyLinks(_) | Self::TooLarge(_) => {
                false
            }
        }
    }
}

/// Reads a file that holds a secret.
///
/// # Errors
/// [`GuardError`]: it is missing, or others can read or replace it.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, GuardError> {
    let (path, descriptor) = open(path.to_owned())?;
    let file = File::from(descriptor);
    let failed = |source| GuardError::Io { path: path.clone(), source };
    check_file(&path, &file.metadata().map_err(failed)?)?;
    read_bounded(file, MAX_SIZE).map_err(failed)?.ok_or(GuardError::TooLarge(path))
}

/// Opens `path`, and returns it with the path to which its symlinks lead.
fn open(mut path: PathBuf) -> Result<(PathBuf, OwnedFd), GuardError> {
    // NOFOLLOW: each link is checked before it is followed. NONBLOCK: opening a FIFO would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    for _ in 0..=MAX_LINKS {
        let Some(name) = path.file_name() else {
            return Err(GuardError::NotRegular(path));
        };
        let directory = open_directory(&directory_of(&path))?;
        match openat(&directory, name, flags, Mode::empty()) {
            Ok(descriptor) => return Ok((path, descriptor)),
            Err(Errno::LOOP) => path = follow(&directory, &path, name)?,
            Err(error) => return Err(refused(&path, error)),
        }
    }
    Err(GuardError::TooManyLinks(path))
}

/// The directory a file is in; `.` for a bare name.
#[must_use]
pub fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Opens a directory, unless everybody may rename its files.
fn open_directory(path: &Path) -> Result<OwnedFd, GuardError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = File::from(openat(CWD, path, flags, Mode::empty()).map_err(|error| refused(path, error))?);
    let metadata = directory.metadata().map_err(|source| GuardError::Io { path: path.to_owned(), source })?;
    // with the sticky bit (/tmp, Kubernetes volumes) everybody may add files, and rename only their own
    if metadata.mode() & 0o1002 == 0o0002 {
        return Err(GuardError::LooseDirectory { path: path.to_owned(), mode: permissions(&metadata) });
    }
    Ok(directory.into())
}

/// The target of the symlink `name` in `directory`. The check and the read use the same descriptor.
fn follow(directory: &OwnedFd, path: &Path, name: &OsStr) -> Result<PathBuf, GuardError> {
    let failed = |error| refused(path, error);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let link = File::from(openat(directory, name, flags, Mode::empty()).map_err(failed)?);
    let metadata = link.metadata().map_err(|source| GuardError::Io { path: path.to_owned(), source })?;
    if !trusted(metadata.uid()) {
        return Err(GuardError::ForeignLink { path: path.to_owned(), owner: metadata.uid() });
    }
    let target = readlinkat(&link, "", Vec::new()).map_err(failed)?;
    Ok(directory_of(path).join(OsStr::from_bytes(target.as_bytes())))
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<(), GuardError> {
    let path = || path.to_owned();
    if !metadata.is_file() {
        return Err(GuardError::NotRegular(path()));
    }
    if !trusted(metadata.uid()) {
        return Err(GuardError::ForeignOwner { path: path(), owner: metadata.uid(), user: geteuid().as_raw() });
    }
    let lent_to_group = metadata.uid() == 0 && is_our_group(metadata.gid());
    let open_to_others = if lent_to_group { metadata.mode() & 0o037 } else { metadata.mode() & 0o077 };
    if open_to_others != 0 {
        let remedy = if in_kubernetes_volume(&path()) {
            "set defaultMode: 0400 on the volume in the pod's specification".to_owned()
        } else {
            format!("chmod 600 {}", path().display())
        };
        return Err(GuardError::OpenToOthers { path: path(), mode: permissions(metadata), remedy });
    }
    if usize::try_from(metadata.len()).map_or(true, |length| length > MAX_SIZE) {
        return Err(GuardError::TooLarge(path()));
    }
    Ok(())
}

fn permissions(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

fn trusted(owner: u32) -> bool {
    owner == 0 || owner == geteuid().as_raw()
}

fn is_our_group(group: u32) -> bool {
    let supplementary = || getgroups().unwrap_or_default().iter().any(|ours| ours.as_raw() == group);
    group == 0 || group == getegid().as_raw() || supplementary()
}

/// Files in Kubernetes volumes cannot be changed where they are seen.
fn in_kubernetes_volume(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == "..data")
}

fn denied(path: PathBuf) -> GuardError {
    let user = geteuid().as_raw();
    let remedy = if in_kubernetes_volume(&path) {
        "set fsGroup in the pod's securityContext to one of its groups".to_owned()
    } else {
        format!("chown {user} {}, or run as its owner", path.display())
    };
    GuardError::Denied { path, user, remedy }
}

fn refused(path: &Path, error: Errno) -> GuardError {
    let path = path.to_owned();
    match error {
        Errno::NOENT => GuardError::Missing(path),
        Errno::ACCESS | Errno::PERM => denied(path),
        Errno::NXIO | Errno::NOTDIR => GuardError::NotRegular(path),
        other => GuardError::Io { path, source: other.into() },
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use rustix::fs::{FileType, mknodat};
    use tempfile::TempDir;

    use super::*;

    fn secret(mode: u32) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.age");
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    fn message(path: &Path) -> String {
        read_secret(path).expect_err("refused").to_string()
    }

    #[test]
    fn a_file_of_ours_alone_is_read() {
        for mode in [0o400, 0o600] {
            let (_directory, path) = secret(mode);
            assert_eq!(**read_secret(&path).unwrap(), *b"secret");
        }
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_the_fix() {
        for mode in [0o604, 0o644, 0o602, 0o620, 0o660, 0o610, 0o777] {
            let (_directory, path) = secret(mode);
            let expected = format!("{0} is open to others (mode {mode:04o}): chmod 600 {0}", path.display());
            assert_eq!(message(&path), expected);
            assert!(read_secret(&path).unwrap_err().is_permissions());
        }
    }

    #[test]
    fn a_group_may_read_only_what_root_lends_to_one_of_our_groups() {
        let (_directory, path) = secret(0o640);
        if !geteuid().is_root() {
            assert!(matches!(read_secret(&path), Err(GuardError::OpenToOthers { .. })));
            return; // the rest needs root
        }
        chown(&path, Some(0), Some(getegid().as_raw())).unwrap();
        assert!(read_secret(&path).is_ok());
        chown(&path, Some(0), Some(54321)).unwrap();
        assert!(matches!(read_secret(&path), Err(GuardError::OpenToOthers { .. })));
    }

    #[test]
    fn a_file_or_symlink_of_somebody_else_is_refused() {
        if !geteuid().is_root() {
            return; // only root can give files away
        }
        let (directory, path) = secret(0o600);
        let link = directory.path().join("link");
        symlink("key.age", &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(54321), None).unwrap();
        assert!(message(&link).contains("is a symlink that belongs to uid 54321"));
        chown(&path, Some(54321), None).unwrap();
        assert!(message(&path).contains("belongs to uid 54321, which is neither root nor this user: chown 0 "));
    }

    #[test]
    fn a_symlink_of_ours_is_followed_and_its_target_checked() {
        let (directory, path) = secret(0o600);
        // as Kubernetes lays out a volume
        let data = directory.path().join("..2026_11_22");
        fs::create_dir(&data).unwrap();
        fs::rename(&path, data.join("key.age")).unwrap();
        symlink("..2026_11_22", directory.path().join("..data")).unwrap();
        symlink("..data/key.age", &path).unwrap();
        assert_eq!(**read_secret(&path).unwrap(), *b"secret");
        fs::set_permissions(data.join("key.age"), Permissions::from_mode(0o644)).unwrap();
        assert!(message(&path).ends_with(
            "..data/key.age is open to others (mode 0644): set defaultMode: 0400 on the volume in \
             the pod's specification"
        ));
    }

    #[test]
    fn symlinks_that_lead_nowhere_or_in_a_circle_are_refused() {
        let (directory, _path) = secret(0o600);
        let (nowhere, circle) = (directory.path().join("nowhere"), directory.path().join("circle"));
        symlink("missing", &nowhere).unwrap();
        symlink("circle", &circle).unwrap();
        assert!(matches!(read_secret(&nowhere), Err(GuardError::Missing(path)) if path.ends_with("missing")));
        assert!(matches!(read_secret(&circle), Err(GuardError::TooManyLinks(_))));
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_its_writer() {
        let (directory, _path) = secret(0o600);
        let fifo = directory.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(matches!(read_secret(&fifo), Err(GuardError::NotRegular(_))));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let (directory, path) = secret(0o600);
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in
            [directory.path(), &socket, &path.join("below"), Path::new("/"), Path::new("/dev/null"), Path::new("..")]
        {
            assert!(matches!(read_secret(path), Err(GuardError::NotRegular(_))), "{}", path.display());
        }
        assert!(matches!(read_secret(&directory.path().join("missing")), Err(GuardError::Missing(_))));
    }

    #[test]
    fn a_file_larger_than_any_key_is_refused() {
        let (_directory, path) = secret(0o600);
        fs::write(&path, vec![b'x'; MAX_SIZE]).unwrap();
        assert!(read_secret(&path).is_ok());
        fs::write(&path, vec![b'x'; MAX_SIZE + 1]).unwrap();
        assert!(matches!(read_secret(&path), Err(GuardError::TooLarge(_))));
    }

    #[test]
    fn a_directory_everybody_may_change_is_refused_unless_it_is_sticky() {
        let (directory, path) = secret(0o600);
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(message(&path).contains(&format!("(mode 0777): chmod o-w {}", directory.path().display())));
        fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
        assert!(read_secret(&path).is_ok());
    }
    #[test]
    fn a_file_this_user_may_not_read_says_whose_it_should_be() {
        let (_directory, path) = secret(0o000);
        if geteuid().is_root() {
            return; // root may read everything
        }
        assert!(
            message(&path).contains(&format!("may not be read by this user (uid {0}): chown {0} ", geteuid().as_raw()))
        );
    }
}
