//! Sealed keys that an age plugin opens: a program (`age-plugin-NAME`) that has the identity, usually in hardware, and
//! decrypts the file's key. <https://c2sp.org/age-plugin>
//!
//! For each load, the store's agent starts a process (`countersign plugin-key`) that runs the plugin, opens the file
//! and ends with its answer: the age crate reads from plugins through buffers that are not wiped, and waits for a
//! plugin for ever. The plugin sees a fixed `PATH` and the variables that the configuration lists, but never
//! `AGEDEBUG`. Its questions are not answered, since no operator is present, and it is killed when it takes too long.

mod no_operator;
mod open;
mod recipients;
mod trusted_program;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::credentials::agent::one_shot::{self, OneShotError};
use crate::credentials::agent::{Fetch, Order, OrderError, RemoteStore};
use crate::credentials::store::{FILE_POLL, LoadError, LoadErrorKind, StoreError};
use crate::credentials::store_kind::StoreKind;
use crate::credentials::stores::sealed::SealedError;
use crate::guarded_file::GuardError;

pub use open::obtain;
pub(in crate::credentials) use open::told;
pub use recipients::RecipientError;
pub(in crate::credentials) use recipients::wrappers;

/// The `PATH` by which plugins are found, and which they get, unless `PATH` is passed on.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A sealed key whose identity file names a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginKey {
    /// The sealed file, by its absolute path.
    pub file: PathBuf,
    /// The identity file, by its absolute path.
    pub identity: PathBuf,
    /// How long opening it may take.
    pub timeout: Duration,
}

/// Why a plugin gives no key.
#[derive(Debug, Error)]
pub enum PluginError {
    /// An error that is not about plugins.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// It is not installed.
    #[error(
        "the program {program}, which {identity} names, is in no directory of the PATH {path}: install it there, or \
         have countersign's own PATH searched with `environment = [\"PATH\"]`"
    )]
    Missing {
        /// `age-plugin-NAME`.
        program: String,
        /// The identity file.
        identity: PathBuf,
        /// The `PATH` that was searched.
        path: String,
    },
    /// Others can write or replace the program, or put another before it in the `PATH`.
    #[error("{program} is not started")]
    Guarded {
        /// `age-plugin-NAME`.
        program: String,
        /// Why not.
        source: GuardError,
    },
    /// The identity names a plugin by an invalid name.
    #[error("{0} names an age plugin with an invalid name")]
    NoName(PathBuf),
    /// There is no temporary directory, which every plugin needs.
    #[error(
        "there is no place for the temporary directory of an age plugin: mount one at /tmp, or pass TMPDIR on with \
         `environment`"
    )]
    NoPlace(#[source] std::io::Error),
    /// It asks a question, and no operator is present to answer.
    #[error(
        "{program} asks for something ({question}), and nobody is there to answer: use an identity that it opens \
         without a PIN, passphrase or confirmation"
    )]
    Asks {
        /// `age-plugin-NAME`.
        program: String,
        /// The question, redacted.
        question: String,
    },
    /// It refused, with a reason.
    #[error("{program} does not open {file}: {told}")]
    Refused {
        /// `age-plugin-NAME`.
        program: String,
        /// The sealed file.
        file: PathBuf,
        /// The reason, redacted.
        told: String,
    },
    /// It ended without an answer.
    #[error("{program} ended while it was asked to open {file}")]
    Ended {
        /// `age-plugin-NAME`.
        program: String,
        /// The sealed file.
        file: PathBuf,
    },
    /// It does not follow the protocol of age plugins.
    #[error("{program} does not answer as an age plugin does (https://c2sp.org/age-plugin)")]
    Garbled {
        /// `age-plugin-NAME`.
        program: String,
    },
    /// None of the identities opens the file.
    #[error(
        "{file} is opened by none of the identities in {identity}: it is sealed to others, or {programs} cannot be \
         started"
    )]
    NoneFits {
        /// The sealed file.
        file: PathBuf,
        /// The identity file.
        identity: PathBuf,
        /// The plugins that were asked.
        programs: String,
    },
    /// It took too long and was killed.
    #[error(
        "{file} was not opened within {limit:?} (timeout), and the age plugin was killed: it may wait for its \
         device, or to be touched{told}"
    )]
    Timeout {
        /// The sealed file.
        file: PathBuf,
        /// The limit.
        limit: Duration,
        /// `: ` and its last message, redacted, or nothing.
        told: String,
    },
    /// The process itself failed.
    #[error("the process that opens {file} cannot work: {told}")]
    System {
        /// The sealed file.
        file: PathBuf,
        /// Why.
        told: String,
    },
}

impl StoreError for PluginError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Sealed(error) => error.kind(),
            Self::Guarded { .. } => LoadErrorKind::Permissions,
            Self::Missing { .. }
            | Self::NoName(_)
            | Self::Asks { .. }
            | Self::Garbled { .. }
            | Self::NoneFits { .. } => LoadErrorKind::Invalid,
            // a device may be plugged in, a daemon started
            Self::NoPlace(_)
            | Self::Refused { .. }
            | Self::Ended { .. }
            | Self::Timeout { .. }
            | Self::System { .. } => LoadErrorKind::Unavailable,
        }
    }
}

impl RemoteStore for PluginKey {
    fn order(&self) -> Result<Order, OrderError> {
        Order::new(StoreKind::Sealed, self)
    }

    fn longest_load(&self) -> Duration {
        self.timeout
    }

    fn watched(&self) -> Vec<PathBuf> {
        vec![self.file.clone(), self.identity.clone()]
    }

    fn poll(&self) -> Duration {
        FILE_POLL
    }

    fn describe(&self) -> String {
        format!("{}, opened with {} through an age plugin", self.file.display(), self.identity.display())
    }
}

impl Fetch for PluginKey {
    fn fetch(&mut self) -> Result<Zeroizing<Vec<u8>>, LoadError> {
        let file = self.file.clone();
        one_shot::run("plugin-key", self, self.timeout).map_err(|error| match error {
            OneShotError::Timeout(told) => PluginError::Timeout { file, limit: self.timeout, told }.into(),
            OneShotError::TooMuch => PluginError::System { file, told: "too long an answer".to_owned() }.into(),
            OneShotError::System(told) => PluginError::System { file, told }.into(),
            OneShotError::Refused(error) => error.into(),
        })
    }
}

/// The environment of an agent that has plugins started: `passed_on`, and a `PATH` unless that has one.
#[must_use]
pub fn environment(passed_on: Vec<(OsString, OsString)>) -> Vec<(OsString, OsString)> {
    // of two variables with the same name the last counts
    let default = (OsString::from("PATH"), OsString::from(PATH));
    std::iter::once(default).chain(passed_on).collect()
}

/// The file name of a plugin's program.
fn program(name: &str) -> String {
    format!("age-plugin-{name}")
}
