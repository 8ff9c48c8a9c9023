//! Sealing: encrypting an access key to recipients, and writing secret files atomically.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use age::armor::{ArmoredWriter, Format};
use age::{EncryptError, Encryptor};
use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};
use rustix::process::{getegid, geteuid};
use thiserror::Error;

use super::document::{self, DocumentError, MAX_DOCUMENT};
use super::identity::Recipient;
use super::stores::plugin::{self, RecipientError};
use crate::guarded_file::{MAX_SIZE, directory_of};

/// Why a key is not sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// The document is not an access key.
    #[error("this is not an access key in the JSON of credential_process")]
    Document(#[from] DocumentError),
    /// The document is longer than can be opened again.
    #[error("this is longer than {MAX_DOCUMENT} bytes; no access key is")]
    TooLarge,
    /// The file would be larger than can be opened again.
    #[error("the sealed file would be larger than {MAX_SIZE} bytes: use fewer recipients")]
    TooManyRecipients,
    /// The recipients' plugins cannot be used.
    #[error(transparent)]
    Recipients(#[from] RecipientError),
    /// A plugin failed.
    #[error("the age plugin cannot encrypt to its recipients: {0}")]
    Plugin(String),
    /// The age library refused.
    #[error("age cannot encrypt to these recipients")]
    Encrypt(#[source] age::EncryptError),
}

/// Why a file is not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// It exists, and must not be replaced.
    #[error("{0} exists")]
    Exists(PathBuf),
    /// What the system said.
    #[error("{path} cannot be written")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What to do about a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Keep it, and fail.
    Refuse,
    /// Replace it.
    Replace,
}

/// Encrypts `document` to all of `recipients`, armored. A document that could not be loaded is not sealed.
///
/// # Errors
/// [`SealError`].
pub fn seal(document: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, SealError> {
    if document.len() > MAX_DOCUMENT {
        return Err(SealError::TooLarge);
    }
    drop(document::parse(document)?);
    let wrappers = plugin::wrappers(recipients)?;
    let encryptor = Encryptor::with_recipients(wrappers.iter().map(AsRef::as_ref)).map_err(|error| {
        if let EncryptError::Plugin(errors) = &error {
            return SealError::Plugin(plugin::told(errors));
        }
        SealError::Encrypt(error)
    })?;
    let sealed = encrypt(encryptor, document).map_err(|error| SealError::Encrypt(error.into()))?;
    if sealed.len() > MAX_SIZE { Err(SealError::TooManyRecipients) } else { Ok(sealed) }
}

fn encrypt(encryptor: Encryptor, document: &[u8]) -> io::Result<Vec<u8>> {
    let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut stream = encryptor.wrap_output(armor)?;
    stream.write_all(document)?;
    stream.finish()?.finish()
}

/// Writes a file that only we may read (mode 0600 from its creation, whatever the umask): under a temporary name in the
/// same directory, synced, then renamed into place, with the directory synced. A reader of `path` sees the old file or
/// the new one. No backup is kept: an old key in `key~` would be forgotten.
///
/// The new file keeps the owner and group of the one that it replaces, so that a service that could read it still can;
/// and the group's right to read where [`crate::guarded_file`] accepts it.
///
/// # Errors
/// [`WriteError`]; `path` is then unchanged.
pub fn write_secret_file(path: &Path, contents: &[u8], existing: Existing) -> Result<(), WriteError> {
    let failed = |source: io::Error| WriteError::Io { path: path.to_owned(), source };
    let directory = directory_of(path);
    let mut file = tempfile::Builder::new()
        .prefix(".countersign-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(&directory)
        .map_err(failed)?;
    file.write_all(contents).map_err(failed)?;
    let persisted = match existing {
        Existing::Refuse => {
            file.as_file().sync_all().map_err(failed)?;
            file.persist_noclobber(path)
        }
        Existing::Replace => {
            inherit_owner(path, file.as_file()).map_err(failed)?;
            file.as_file().sync_all().map_err(failed)?;
            file.persist(path)
        }
    };
    persisted.map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            WriteError::Exists(path.to_owned())
        } else {
            failed(error.error)
        }
    })?;
    File::open(&directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn inherit_owner(path: &Path, file: &File) -> io::Result<()> {
    let old = match fs::symlink_metadata(path) {
        Ok(old) if old.is_file() => old,
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if (old.uid(), old.gid()) != (geteuid().as_raw(), getegid().as_raw()) {
        fchown(file.as_fd(), Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))?;
    }
    if old.uid() == 0 {
        fchmod(file.as_fd(), Mode::from_raw_mode(0o600 | (old.mode() & 0o040)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::identity::Identities;
    use super::*;

    const DOCUMENT: &[u8] = br#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE",
        "SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_could_not_be_loaded_again_is_not_sealed() {
        let recipients = Identities::generate().recipients();
        assert!(matches!(seal(b"{}", &recipients), Err(SealError::Document(DocumentError::Missing("Version")))));
        assert!(matches!(seal(&[b' '; MAX_DOCUMENT + 1], &recipients), Err(SealError::TooLarge)));
        assert!(matches!(seal(DOCUMENT, &[]), Err(SealError::Encrypt(_))));
        let crowd: Vec<_> = recipients.iter().cycle().take(500).cloned().collect();
        assert!(matches!(seal(DOCUMENT, &crowd), Err(SealError::TooManyRecipients)));
    }

    #[test]
    fn the_longest_secrets_can_be_sealed_and_opened() {
        let long = "x".repeat(super::super::secret::MAX_SECRET_LENGTH);
        let document =
            format!(r#"{{"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":"{long}","SessionToken":"{long}"}}"#);
        assert!(seal(document.as_bytes(), &Identities::generate().recipients()).is_ok());
    }

    #[test]
    fn a_file_is_written_0600_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.age");
        write_secret_file(&path, b"one", Existing::Refuse).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let refused = write_secret_file(&path, b"two", Existing::Refuse);
        assert!(matches!(refused, Err(WriteError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_secret_file(&path, b"two", Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(directory.path()), ["key.age"]);
    }

    #[test]
    fn a_file_that_was_open_to_others_is_closed_when_it_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.age");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        write_secret_file(&path, b"new", Existing::Replace).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o037, 0);
    }

    #[test]
    fn replacing_a_symlink_leaves_what_it_led_to_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("key.age"), directory.path().join("target"));
        fs::write(&target, "target").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_secret_file(&link, b"new", Existing::Replace).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"target");
        assert_eq!(fs::read(&link).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_is_replaced_hands_on_its_owner_and_the_groups_right_to_read() {
        if !geteuid().is_root() {
            return; // only root can give files away
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.age");
        write_secret_file(&path, b"one", Existing::Refuse).unwrap();
        std::os::unix::fs::chown(&path, Some(0), Some(12345)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write_secret_file(&path, b"two", Existing::Replace).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (0, 12345, 0o640));
    }
}
