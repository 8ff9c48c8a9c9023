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
    /// systemd has not copied this one. It copies credentials at the start alone, so waiting is of no use.
    #[error(
        "the credential {name} is not in {}: as root, `systemd-creds encrypt --name={name} - \
         /etc/credstore.encrypted/{name}` reads it from standard input and keeps it encrypted for this machine; with \
         LoadCredentialEncrypted={name} in the unit, systemd copies it when the service starts again",
        directory.display()
    )]
    NoSuchCredential {
        /// The credential asked for.
        name: String,
        /// `$CREDENTIALS_DIRECTORY`.
        directory: PathBuf,
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

    /// As [`Self::locate`], but a credential has to be there.
    ///
    /// # Errors
    /// As above, and when systemd did not give us this credential.
    pub fn locate_given(&self, credentials_directory: Option<&Path>) -> Result<PathBuf, FileSourceError> {
        let path = self.locate(credentials_directory)?;
        match (self, credentials_directory) {
            // what cannot be looked at is reported by whoever reads it
            (Self::SystemdCredential(name), Some(directory)) if path.try_exists().is_ok_and(|exists| !exists) => {
                let (name, directory) = (name.clone(), directory.to_owned());
                Err(FileSourceError::NoSuchCredential { name, directory })
            }
            (Self::SystemdCredential(_) | Self::Path(_), _) => Ok(path),
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

    #[test]
    fn a_credential_that_systemd_did_not_copy_is_missed_with_the_command_that_puts_it_there() {
        let directory = tempfile::tempdir().unwrap();
        let key = FileSource::SystemdCredential("countersign-key".to_owned());
        let message = key.locate_given(Some(directory.path())).unwrap_err().to_string();
        let command = "systemd-creds encrypt --name=countersign-key - /etc/credstore.encrypted/countersign-key";
        assert!(message.contains(command), "{message}");
        assert!(message.contains(&directory.path().display().to_string()), "{message}");

        std::fs::write(directory.path().join("countersign-key"), "{}").unwrap();
        assert_eq!(key.locate_given(Some(directory.path())).unwrap(), directory.path().join("countersign-key"));
        // another file may still be written
        let file = FileSource::Path(directory.path().join("later.json"));
        assert!(file.locate_given(Some(directory.path())).is_ok());
    }
}
