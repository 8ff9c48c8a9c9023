//! Why a guarded file is not used: what is wrong with it, and the command that corrects it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;
use thiserror::Error;

use super::MAX_SIZE;

/// The longest chain of symlinks followed, as long as the kernel's. Kubernetes needs two.
pub(super) const MAX_LINKS: usize = 40;

/// The mode of a file that holds a secret.
pub(super) const SECRET: &str = "0400";

/// Why a file that is trusted, or holds a secret, is not used.
#[derive(Debug, Error)]
pub enum GuardError {
    /// The file does not exist.
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
    /// A secret that the group or others may read or write.
    #[error("{path} is open to others (mode {mode:04o}): {remedy}")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What to do.
        remedy: String,
    },
    /// A trusted file that the group or others may write.
    #[error("{path} can be written by others (mode {mode:04o}): {remedy}")]
    WritableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What to do.
        remedy: String,
    },
    /// It belongs to another user.
    #[error("{path} belongs to uid {owner}, which is neither root nor this user: {remedy}")]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// What to do.
        remedy: String,
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
    /// The directory belongs to another user.
    #[error(
        "{path} belongs to uid {owner}, who is neither root nor this user and could replace what is in it: \
         chown {user} {path}, or choose another directory"
    )]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Our effective user.
        user: u32,
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
    /// The members of a group may rename files in the directory.
    #[error("the group {group} may replace files in {path} (mode {mode:04o}): chmod go-w {path}")]
    GroupDirectory {
        /// The directory.
        path: PathBuf,
        /// The group's number.
        group: u32,
        /// The directory's permission bits.
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

/// What kind of fault a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardFault {
    /// An owner or permissions: somebody has to change them.
    Permissions,
    /// It is not there or cannot be read, which may pass.
    Unreadable,
    /// It is nothing that could be used.
    Unsuitable,
}

impl GuardError {
    /// Whether somebody has to change an owner or permissions.
    #[must_use]
    pub const fn is_permissions(&self) -> bool {
        matches!(self.fault(), GuardFault::Permissions)
    }

    /// The kind of what is wrong.
    #[must_use]
    pub const fn fault(&self) -> GuardFault {
        match self {
            Self::Denied { .. }
            | Self::OpenToOthers { .. }
            | Self::WritableByOthers { .. }
            | Self::ForeignOwner { .. }
            | Self::ForeignLink { .. }
            | Self::ForeignDirectory { .. }
            | Self::LooseDirectory { .. }
            | Self::GroupDirectory { .. } => GuardFault::Permissions,
            Self::Missing(_) | Self::Io { .. } => GuardFault::Unreadable,
            Self::NotRegular(_) | Self::TooManyLinks(_) | Self::TooLarge(_) => GuardFault::Unsuitable,
        }
    }

    /// What the system itself would say of the file, for a reader that has words of its own for files that are missing
    /// or cannot be opened; otherwise the error as it is.
    ///
    /// # Errors
    /// What only the guard objects to.
    pub fn into_io(self) -> Result<io::Error, Self> {
        match self {
            Self::Missing(_) => Ok(Errno::NOENT.into()),
            Self::Denied { .. } => Ok(Errno::ACCESS.into()),
            Self::Io { source, .. } => Ok(source),
            Self::TooManyLinks(_) => Ok(Errno::LOOP.into()),
            Self::NotRegular(_)
            | Self::OpenToOthers { .. }
            | Self::WritableByOthers { .. }
            | Self::ForeignOwner { .. }
            | Self::ForeignLink { .. }
            | Self::ForeignDirectory { .. }
            | Self::LooseDirectory { .. }
            | Self::GroupDirectory { .. }
            | Self::TooLarge(_) => Err(self),
        }
    }

    /// The error for what the system said when `path` was opened.
    pub(super) fn refused(path: &Path, error: Errno) -> Self {
        let path = path.to_owned();
        match error {
            Errno::NOENT => Self::Missing(path),
            Errno::ACCESS | Errno::PERM => Self::denied(path),
            Errno::NXIO | Errno::NOTDIR => Self::NotRegular(path),
            other => Self::Io { path, source: other.into() },
        }
    }

    fn denied(path: PathBuf) -> Self {
        let user = geteuid().as_raw();
        let remedy = if in_kubernetes_volume(&path) {
            "set fsGroup in the pod's securityContext to one of its groups".to_owned()
        } else if let Some(remedy) = injected_remedy(&path, SECRET) {
            remedy
        } else {
            format!("chown {user} {}, or run as its owner", path.display())
        };
        Self::Denied { path, user, remedy }
    }
}

/// Where the injector of Vault mounts its volume: a tmpfs of root's with the mode 1777.
pub(super) const VAULT: &str = "/vault/secrets";
/// The same for OpenBao's.
const OPENBAO: &str = "/openbao/secrets";

/// The annotations that have an injector's agent write `path` for our user, with this mode; `None` for a file
/// elsewhere. A `chmod` would last until the agent writes the file again.
pub(super) fn injected_remedy(path: &Path, mode: &str) -> Option<String> {
    let below = |directory, prefix| path.strip_prefix(directory).ok().map(|name| (name.display(), prefix));
    let (name, prefix) = below(VAULT, "vault.hashicorp.com").or_else(|| below(OPENBAO, "openbao.openbao.org"))?;
    let user = geteuid().as_raw();
    Some(format!(
        "set the pod's annotations {prefix}/agent-run-as-user: \"{user}\" and {prefix}/agent-inject-perms-{name}: \
         \"{mode}\""
    ))
}

/// Files in Kubernetes volumes cannot be changed where they are seen.
pub(super) fn in_kubernetes_volume(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == "..data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_an_injector_is_mended_by_its_annotations_and_another_by_chmod() {
        let user = geteuid().as_raw();
        assert_eq!(
            injected_remedy(Path::new("/vault/secrets/key.json"), SECRET).unwrap(),
            format!(
                "set the pod's annotations vault.hashicorp.com/agent-run-as-user: \"{user}\" and \
                 vault.hashicorp.com/agent-inject-perms-key.json: \"0400\""
            )
        );
        let other = injected_remedy(Path::new("/openbao/secrets/ca.pem"), "0444").unwrap();
        assert!(other.ends_with("openbao.openbao.org/agent-inject-perms-ca.pem: \"0444\""), "{other}");
        assert_eq!(injected_remedy(Path::new("/srv/vault/secrets/key.json"), SECRET), None);
    }
}
