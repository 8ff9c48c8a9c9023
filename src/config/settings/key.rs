//! `[key.NAME]` as the program uses it.

use std::path::PathBuf;
use std::time::Duration;

use super::name::Name;
use crate::credentials::{AccessKeyId, AwsKey, FileSource, ReadableSecret, TokenAddress};

/// One `[key.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The table's name.
    pub name: Name,
    /// Where the key is kept.
    pub store: KeyStore,
}

impl Key {
    /// Whether whoever has the PIN may read the secret out of the token (`danger_readable_secret`).
    #[must_use]
    pub fn may_be_read(&self) -> bool {
        matches!(&self.store, KeyStore::Pkcs11(store) if store.readable != ReadableSecret::Refuse)
    }
}

/// `kind`, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStore {
    /// `kind = "sealed"` (the default): an age file.
    Sealed {
        /// `file`: the sealed key.
        file: PathBuf,
        /// `identity_file` or `identity_credential`: the age identity that opens it.
        identity: FileSource,
        /// `environment`: the variables that an age plugin sees of those countersign was started with; by default none.
        environment: Vec<String>,
        /// `timeout`: how long an age plugin may take; then it is killed.
        timeout: Duration,
    },
    /// `kind = "file"`: the key's JSON as it stands, in `file` or `credential`.
    File(FileSource),
    /// `kind = "process"`: a program that prints the key's JSON.
    Process(ProcessStore),
    /// `kind = "pkcs11"`: a key in a token.
    Pkcs11(Box<Pkcs11Store>),
    /// `kind = "aws"`: where AWS's own tools find a key.
    Aws(AwsKey),
}

/// What belongs to `kind = "process"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStore {
    /// `command`: the program, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// `environment`: the variables it sees of those countersign was started with; by default none.
    pub environment: Vec<String>,
    /// `timeout`: how long it may take; then it is killed, and all it started.
    pub timeout: Duration,
    /// `refresh`: how often it is asked again at least; sooner when what it printed expires sooner.
    pub refresh: Duration,
}

/// What belongs to `kind = "pkcs11"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11Store {
    /// `access_key_id`: the public id of the key, which a token does not know.
    pub access_key_id: AccessKeyId,
    /// `module`: the token's library.
    pub module: PathBuf,
    /// `uri`: which token, which key.
    pub address: TokenAddress,
    /// `pin_file`, `pin_credential` or the URI's `pin-source`.
    pub pin: FileSource,
    /// `environment`: the variables that the library sees of those countersign was started with; by default none.
    pub environment: Vec<String>,
    /// `sessions`: how many signatures are made at a time.
    pub sessions: usize,
    /// `queue`: how many requests may wait for a signature.
    pub queue: usize,
    /// `deadline`: how long a request may wait for its signature.
    pub deadline: Duration,
    /// `max_message`: the longest string to sign that the device takes.
    pub max_message: usize,
    /// `danger_readable_secret`.
    pub readable: ReadableSecret,
}
