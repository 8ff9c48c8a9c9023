//! `[key.NAME]` as the program uses it.

use std::path::PathBuf;
use std::time::Duration;

use super::Name;
use crate::credentials::FileSource;

/// One `[key.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The table's name.
    pub name: Name,
    /// Where the key is kept.
    pub store: KeyStore,
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
        /// `timeout`, default `"30s"`: how long an age plugin may take; then it is killed.
        timeout: Duration,
    },
    /// `kind = "file"`: the key's JSON as it stands, in `file` or `credential`.
    File(FileSource),
    /// `kind = "process"`: a program that prints the key's JSON.
    Process(ProcessStore),
    /// `kind = "pkcs11"`: a key in a token.
    Pkcs11(Box<Pkcs11Store>),
    /// `kind = "aws"`: where AWS's own tools find a key.
    Aws(AwsStore),
}

/// What belongs to `kind = "process"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStore {
    /// `command`: the program, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// `environment`: the variables it sees of those countersign was started with; by default none.
    pub environment: Vec<String>,
    /// `timeout`, default `"30s"`: how long it may take; then it is killed, and all it started.
    pub timeout: Duration,
    /// `refresh`, default `"1h"`: how often it is asked again at least; sooner when what it printed expires sooner.
    pub refresh: Duration,
}

/// What belongs to `kind = "aws"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsStore {
    /// `source`: which place, and no other.
    pub source: AwsSource,
    /// `profile`: instead of what `AWS_PROFILE` says.
    pub profile: Option<String>,
    /// `role`: the ARN of a role that is assumed with what the source gives.
    pub role: Option<String>,
    /// `region`: of the AWS services that are asked, instead of what `AWS_REGION` or the profile says.
    pub region: Option<String>,
    /// `timeout`, default `"30s"`: how long the source may take.
    pub timeout: Duration,
    /// `refresh`, default `"1h"`: how often it is asked again at least; sooner when the key expires sooner.
    pub refresh: Duration,
}

/// The values of `source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsSource {
    /// `"environment"`: `AWS_ACCESS_KEY_ID` and its neighbours.
    Environment,
    /// `"profile"`: a profile, and whatever it refers to.
    Profile,
    /// `"web-identity"`: a token's file and a role, as EKS sets them.
    WebIdentity,
    /// `"container"`: the endpoint that ECS and EKS pod identity name.
    Container,
    /// `"instance"`: the metadata service of EC2, version 2.
    Instance,
    /// `"default"`: the first of all these that has a key.
    Default,
}

/// What belongs to `kind = "pkcs11"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11Store {
    /// `access_key_id`: the public id of the key, which a token does not know.
    pub access_key_id: String,
    /// `module`: the token's library.
    pub module: PathBuf,
    /// `uri`: which token, which key.
    pub uri: TokenUri,
    /// `pin_file`, `pin_credential` or the URI's `pin-source`.
    pub pin: FileSource,
    /// `environment`: the variables that the library sees of those countersign was started with; by default none.
    pub environment: Vec<String>,
    /// `sessions`, 1 to 8, default 2: how many signatures are made at a time.
    pub sessions: usize,
    /// `queue`, default 256: how many requests may wait for a signature.
    pub queue: usize,
    /// `deadline`, default `"2s"`: how long a request may wait for its signature.
    pub deadline: Duration,
    /// `max_message`, default `"64 KiB"`: the longest string to sign that the device takes.
    pub max_message: usize,
    /// `danger_readable_secret`.
    pub readable: ReadableSecret,
}

/// A PKCS#11 URI (RFC 7512): the attributes that are looked at, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenUri {
    /// `token`: its label.
    pub token: Option<String>,
    /// `manufacturer`, of the token.
    pub manufacturer: Option<String>,
    /// `model`, of the token.
    pub model: Option<String>,
    /// `serial`, of the token.
    pub serial: Option<String>,
    /// `slot-id`.
    pub slot: Option<u64>,
    /// `object`: the key's label.
    pub object: Option<String>,
    /// `id`, of the key.
    pub id: Option<Vec<u8>>,
    /// `pin-source`, a file.
    pub pin_source: Option<PathBuf>,
}

/// Whether a key is used whose secret the token would tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadableSecret {
    /// No.
    Refuse,
    /// `danger_readable_secret = true`.
    DangerAllow,
}
