//! Where a file that holds a secret is: at a path, or among the credentials that systemd gives a service.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where a file that holds a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSource {
    /// At a path.
    Path(PathBuf),
    /// Under this name in the directory in which systemd places a service's credentials.
    SystemdCredential(String),
}

/// Why a file has no path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileSourceError {
    /// systemd did not start us with credentials.
    #[error(
        "$CREDENTIALS_DIRECTORY is not set: the unit needs \
         LoadCredential={name}:/path or LoadCredentialEncrypted={name}:/path"
    )]
    NoCredentialsDirectory {
        /// The credential asked for.
        name: String,
    },
    /// The name is not a file name.
    #[error("the name of a systemd credential is the name of one file, without a slash")]
    CredentialName,
}

impl FileSource {
    /// Under this name among systemd's credentials; `None` when it is not the name of one file, which would lead out of
    /// their directory.
    #[must_use]
    pub fn systemd_credential(name: &str) -> Option<Self> {
        is_credential_name(name).then(|| Self::SystemdCredential(name.to_owned()))
    }

    /// The path to read. `credentials_directory` is the value of `$CREDENTIALS_DIRECTORY`: this module reads no
    /// environment.
    ///
    /// # Errors
    /// A credential is asked for where there are none, or by an invalid name.
    pub fn locate(&self, credentials_directory: Option<&Path>) -> Result<PathBuf, FileSourceError> {
        match (self, credentials_directory) {
            (Self::Path(path), _) => Ok(path.clone()),
            (Self::SystemdCredential(name), _) if !is_credential_name(name) => Err(FileSourceError::CredentialName),
            (Self::SystemdCredential(name), Some(directory)) => Ok(directory.join(name)),
            (Self::SystemdCredential(name), None) => {
                Err(FileSourceError::NoCredentialsDirectory { name: name.clone() })
            }
        }
    }
}

/// systemd's own rule (`credential_name_valid`): one path component of printable ASCII, at most 255 bytes.
fn is_credential_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    plain && !matches!(name, "" | "." | "..") && name.len() <= 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_systemd_credential_is_one_file_in_the_directory_systemd_names() {
        let named = |name: &str| FileSource::SystemdCredential(name.to_owned());
        let directory = Some(Path::new("/run/credentials/countersign.service"));
        assert_eq!(
            named("identity").locate(directory).unwrap(),
            Path::new("/run/credentials/countersign.service/identity")
        );
        for name in ["", ".", "..", "../../etc/shadow", "a/b", "a b"] {
            assert_eq!(named(name).locate(directory), Err(FileSourceError::CredentialName), "{name}");
        }
        let message = named("identity").locate(None).unwrap_err().to_string();
        assert!(message.contains("LoadCredentialEncrypted=identity:"), "{message}");
    }
}
