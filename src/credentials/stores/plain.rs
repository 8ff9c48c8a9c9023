//! The key store for a place that is safe already: the key's JSON, unencrypted, in a file that only we may read.
//!
//! The file is a Kubernetes or Docker secret, a systemd credential, or what a Vault or OpenBao agent renders.

use std::path::PathBuf;

use thiserror::Error;

use super::sealed::looks_sealed;
use crate::credentials::access_key::{ActiveKey, HeldKey};
use crate::credentials::document::{self, DocumentError};
use crate::credentials::stack::burn_stack;
use crate::credentials::store::{FILE_POLL, KeyStore, LoadError, LoadErrorKind, StoreError};
use crate::guarded_file::{self, GuardError};

/// Why a plain file gives no key.
#[derive(Debug, Error)]
pub enum PlainError {
    /// The file itself.
    #[error("the key's file cannot be used")]
    File(#[source] GuardError),
    /// It is an age file.
    #[error("{0} is an age file: write kind = \"sealed\", and where its identity is")]
    Sealed(PathBuf),
    /// It does not hold an access key.
    #[error("{path} does not hold an access key")]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DocumentError,
    },
}

impl StoreError for PlainError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Sealed(_) | Self::Document { .. } => LoadErrorKind::Invalid,
        }
    }
}

/// An access key in a file, unsealed.
pub struct PlainFile {
    file: PathBuf,
}

impl PlainFile {
    /// The store for `file`.
    #[must_use]
    pub const fn new(file: PathBuf) -> Self {
        Self { file }
    }

    #[inline(never)]
    fn load_unburned(&self) -> Result<ActiveKey, PlainError> {
        let text = guarded_file::read_secret(&self.file).map_err(PlainError::File)?;
        if looks_sealed(&text) {
            return Err(PlainError::Sealed(self.file.clone()));
        }
        let credentials =
            document::parse(&text).map_err(|source| PlainError::Document { path: self.file.clone(), source })?;
        Ok(HeldKey::new(credentials).into())
    }
}

impl KeyStore for PlainFile {
    fn load(&self) -> Result<ActiveKey, LoadError> {
        let key = self.load_unburned();
        burn_stack();
        Ok(key?)
    }

    fn watched(&self) -> Vec<PathBuf> {
        vec![self.file.clone()]
    }

    fn poll(&self) -> std::time::Duration {
        FILE_POLL
    }

    fn describe(&self) -> String {
        format!("{}, not sealed", self.file.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::credentials::seal::{Existing, write_secret_file};

    const DOCUMENT: &str = r#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE",
        "SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;

    fn load(contents: &str, mode: u32) -> Result<ActiveKey, LoadError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.json");
        write_secret_file(&path, contents.as_bytes(), Existing::Refuse).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        PlainFile::new(path).load()
    }

    fn refused(contents: &str, mode: u32) -> (LoadErrorKind, String) {
        let error = load(contents, mode).err().unwrap();
        (error.kind(), error.to_string())
    }

    #[test]
    fn the_json_of_a_credential_process_is_loaded() {
        assert_eq!(load(DOCUMENT, 0o600).unwrap().id().as_str(), "AKIAIOSFODNN7EXAMPLE");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_like_a_sealed_one() {
        assert_eq!(refused(DOCUMENT, 0o644).0, LoadErrorKind::Permissions);
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_it_is() {
        let (kind, message) = refused("age-encryption.org/v1\n", 0o600);
        assert!(kind == LoadErrorKind::Invalid && message.contains("kind = \"sealed\""), "{message}");
        let (kind, message) = refused("{\"Version\":1}", 0o600);
        assert!(kind == LoadErrorKind::Invalid && message.ends_with("does not hold an access key"), "{message}");
        let missing = PlainFile::new("/nonexistent/key.json".into()).load().err().unwrap();
        assert_eq!(missing.kind(), LoadErrorKind::Unavailable);
    }
}
