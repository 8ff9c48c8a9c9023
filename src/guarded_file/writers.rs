//! Who may change what a path leads to: root and our own user, and nobody else.
//!
//! A user who may write a file can change it, and a user who may rename entries of a directory on the way can put
//! another file in its place. There are four exceptions, each for what only root could have set up:
//! - in a directory with the sticky bit (`/tmp`), everybody may add files and rename only their own;
//! - a group may write whose only member is root or our user, unless there is an access control list: Debian and others
//!   give each user such a group, and make files with the mode 0664;
//! - everybody may write in the directory of a Kubernetes volume (0777) that is mounted read-only here;
//! - the files of HashiCorp's injector belong to its own user.

use std::fs::Metadata;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, StatVfsMountFlags, fstatvfs, getxattr, statat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::{GuardError, SECRET, VAULT, in_kubernetes_volume, injected_remedy};
use super::private_groups::is_private;

/// The user that HashiCorp's injector runs the Vault agent as, unless an annotation says otherwise.
const INJECTOR: u32 = 100;

/// Checks a directory on the way.
pub(super) fn check_directory(path: &Path, directory: &OwnedFd, metadata: &Metadata) -> Result<(), GuardError> {
    let (owner, mode, group) = (metadata.uid(), permissions(metadata), metadata.gid());
    if !is_trusted(owner) {
        let user = geteuid().as_raw();
        return Err(GuardError::ForeignDirectory { path: path.to_owned(), owner, user });
    }
    let group_writes = others_in_group_write(directory, metadata);
    let everybody_writes = mode & 0o002 != 0;
    if mode & 0o1000 != 0 || !(group_writes || everybody_writes) || is_kubernetes_volume(directory) {
        return Ok(());
    }
    let path = path.to_owned();
    Err(if group_writes {
        GuardError::GroupDirectory { path, group, mode }
    } else {
        GuardError::LooseDirectory { path, mode }
    })
}

/// Checks a symlink on the way.
pub(super) fn check_link(path: &Path, metadata: &Metadata) -> Result<(), GuardError> {
    if is_trusted(metadata.uid()) {
        Ok(())
    } else {
        Err(GuardError::ForeignLink { path: path.to_owned(), owner: metadata.uid() })
    }
}

/// Checks the file itself.
pub(super) fn check_file(path: &Path, file: impl AsFd, metadata: &Metadata) -> Result<(), GuardError> {
    check_owner(path, metadata)?;
    let group_writes = others_in_group_write(file, metadata);
    if !holds_what_is_written(metadata) || !(group_writes || metadata.mode() & 0o002 != 0) {
        return Ok(());
    }
    let remedy = if in_kubernetes_volume(path) {
        "set defaultMode: 0444 on the volume in the pod's specification".to_owned()
    } else {
        injected_remedy(path, "0444").unwrap_or_else(|| format!("chmod go-w {}", path.display()))
    };
    Err(GuardError::WritableByOthers { path: path.to_owned(), mode: permissions(metadata), remedy })
}

/// Whether it is no device: bytes written to a device are not what its next reader reads.
pub(super) fn holds_what_is_written(metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    !kind.is_char_device() && !kind.is_block_device()
}

/// Checks to whom a file belongs.
pub(super) fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), GuardError> {
    let owner = metadata.uid();
    if is_trusted(owner) || is_injected(path, owner) {
        return Ok(());
    }
    let remedy =
        injected_remedy(path, SECRET).unwrap_or_else(|| format!("chown {} {}", geteuid().as_raw(), path.display()));
    Err(GuardError::ForeignOwner { path: path.to_owned(), owner, remedy })
}

/// Whether the group may write, and has other members than root and our user. With an access control list, the
/// permissions of the group are the most that anybody on the list has.
fn others_in_group_write(object: impl AsFd, metadata: &Metadata) -> bool {
    metadata.mode() & 0o020 != 0 && (!is_private(metadata.gid()) || has_access_list(object))
}

fn has_access_list(object: impl AsFd) -> bool {
    // by path, because an `O_PATH` descriptor cannot be asked
    let path = format!("/proc/self/fd/{}", object.as_fd().as_raw_fd());
    match getxattr(path, "system.posix_acl_access", &mut [0_u8; 0][..]) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => false,
        Ok(_) | Err(_) => true,
    }
}

/// Whether the injector has put a file there. Only root can have made the directory, which is checked like every other.
pub(super) fn is_injected(path: &Path, owner: u32) -> bool {
    owner == INJECTOR && path.starts_with(VAULT)
}

pub(super) fn permissions(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == geteuid().as_raw()
}

/// Whether a directory is the top of a volume as the kubelet lays it out (`..data`, a symlink of root's), and is
/// mounted read-only: through this mount, nobody writes. ConfigMaps have the mode 0777, without the sticky bit.
fn is_kubernetes_volume(directory: &OwnedFd) -> bool {
    let read_only = fstatvfs(directory).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY));
    let swapped = || statat(directory, "..data", AtFlags::SYMLINK_NOFOLLOW);
    read_only
        && swapped().is_ok_and(|link| link.st_uid == 0 && FileType::from_raw_mode(link.st_mode) == FileType::Symlink)
}
