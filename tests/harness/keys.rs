//! A directory with an identity and a sealed key, as an operator makes them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use countersign::credentials::seal::{Existing, seal, write_secret_file};
use countersign::credentials::{AccessKeyId, Credentials, HeldKey, Identities, SecretAccessKey, SessionToken};
use tempfile::TempDir;

/// A place of its own for the files of one key. Dropping it removes them.
pub struct Vault {
    directory: TempDir,
    identities: Identities,
}

impl Vault {
    /// An identity and no key.
    pub fn empty() -> Self {
        let vault = Self { directory: tempfile::tempdir().unwrap(), identities: Identities::generate() };
        let file = vault.identities.to_file(countersign::clock::now());
        write_secret_file(&vault.identity_file(), &file, Existing::Refuse).unwrap();
        vault
    }

    /// With a long-lived key.
    pub fn with(id: &str, secret: &str) -> Self {
        let vault = Self::empty();
        vault.publish(id, secret, "");
        vault
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn identity_file(&self) -> PathBuf {
        self.path("identity")
    }

    pub fn key_file(&self) -> PathBuf {
        self.path("key.age")
    }

    /// The lines of a `[key.NAME]` for the sealed key.
    pub fn sealed_lines(&self) -> String {
        format!("file = {:?}\nidentity_file = {:?}", self.key_file(), self.identity_file())
    }

    /// Puts a file that only we may read in the place of the one there was, by rename.
    pub fn put(&self, name: &str, contents: &str) -> PathBuf {
        write_secret_file(&self.path(name), contents.as_bytes(), Existing::Replace).unwrap();
        self.path(name)
    }

    /// A program that runs `script` in a shell, and the list of words that starts it.
    pub fn program(&self, name: &str, script: &str) -> String {
        let path = self.put(name, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        format!("[{path:?}]")
    }

    /// Puts a key in the place of the one there was, by rename; `more` is further JSON, beginning with a comma.
    pub fn publish(&self, id: &str, secret: &str, more: &str) {
        write_secret_file(&self.key_file(), &self.sealed(id, secret, more), Existing::Replace).unwrap();
    }

    pub fn sealed(&self, id: &str, secret: &str, more: &str) -> Vec<u8> {
        seal(document(id, secret, more).as_bytes(), &self.identities.recipients()).unwrap()
    }

    /// Publishes a key as Kubernetes does: a directory of its own, to which `..data` is switched by rename.
    pub fn publish_like_kubernetes(&self, generation: usize, id: &str, secret: &str) {
        let name = format!("..{generation}");
        fs::create_dir(self.path(&name)).unwrap();
        let file = self.path(&name).join("key.age");
        write_secret_file(&file, &self.sealed(id, secret, ""), Existing::Refuse).unwrap();
        symlink(&name, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        if !self.key_file().is_symlink() {
            symlink("..data/key.age", self.key_file()).unwrap();
        }
    }
}

/// What is sealed, printed or mounted: the JSON of a credential_process. `more` is further JSON, beginning with a
/// comma.
pub fn document(id: &str, secret: &str, more: &str) -> String {
    format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}"{more}}}"#)
}

/// The key as an endpoint knows it.
pub fn active(id: &str, secret: &str, token: Option<&str>) -> HeldKey {
    HeldKey::new(Credentials {
        access_key_id: AccessKeyId::parse(id).unwrap(),
        secret_access_key: SecretAccessKey::new(secret.as_bytes()).unwrap(),
        session_token: token.map(|token| SessionToken::new(token).unwrap()),
        expiration: None,
    })
}
