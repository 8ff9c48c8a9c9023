//! What an agent is told at its start, and never again: which store to be.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::serve::Fetch;
#[cfg(feature = "aws")]
use crate::credentials::stores::aws::AwsKey;
#[cfg(feature = "pkcs11")]
use crate::credentials::stores::pkcs11::{TokenAgent, TokenKey};
use crate::credentials::stores::plugin::PluginKey;
use crate::credentials::stores::process::Program;

/// Which store an agent is. Goes to it as JSON; holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// A program that prints the key.
    Process(Program),
    /// A sealed key that an age plugin opens.
    Plugin(PluginKey),
    /// A key that one of AWS's sources has.
    #[cfg(feature = "aws")]
    Aws(AwsKey),
    /// A key in a token. Its agent signs as well, on standard output, which is a socket too.
    #[cfg(feature = "pkcs11")]
    Token(TokenKey),
}

impl Order {
    /// Makes the store, in its agent.
    #[must_use]
    pub fn store(self) -> Box<dyn Fetch> {
        match self {
            Self::Process(program) => Box::new(program),
            Self::Plugin(key) => Box::new(key),
            #[cfg(feature = "aws")]
            Self::Aws(key) => Box::new(key),
            #[cfg(feature = "pkcs11")]
            Self::Token(key) => Box::new(TokenAgent::new(key)),
        }
    }

    /// How long the agent may take to answer: more than its store ever takes, so that its own error arrives.
    pub(super) fn patience(&self) -> Duration {
        const BETWEEN_US: Duration = Duration::from_secs(5);
        match self {
            Self::Process(program) => program.timeout.saturating_add(BETWEEN_US),
            Self::Plugin(key) => key.timeout.saturating_add(BETWEEN_US),
            #[cfg(feature = "aws")]
            Self::Aws(key) => key.timeout.saturating_add(BETWEEN_US),
            // as long as a module that reaches its token over a network may try
            #[cfg(feature = "pkcs11")]
            Self::Token(_) => Duration::from_secs(30),
        }
    }

    /// As [`crate::credentials::KeyStore::watched`].
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        match self {
            Self::Process(_) => Vec::new(),
            Self::Plugin(key) => vec![key.file.clone(), key.identity.clone()],
            #[cfg(feature = "aws")]
            Self::Aws(_) => Vec::new(),
            #[cfg(feature = "pkcs11")]
            Self::Token(_) => Vec::new(),
        }
    }

    /// As [`crate::credentials::KeyStore::poll`].
    pub(super) const fn poll(&self) -> Duration {
        match self {
            Self::Process(program) => program.refresh,
            Self::Plugin(_) => crate::credentials::store::FILE_POLL,
            #[cfg(feature = "aws")]
            Self::Aws(key) => key.refresh,
            #[cfg(feature = "pkcs11")]
            Self::Token(_) => crate::credentials::store::FILE_POLL,
        }
    }

    /// As [`crate::credentials::KeyStore::describe`].
    pub fn describe(&self) -> String {
        match self {
            Self::Process(program) => program.describe(),
            Self::Plugin(key) => key.describe(),
            #[cfg(feature = "aws")]
            Self::Aws(key) => key.describe(),
            #[cfg(feature = "pkcs11")]
            Self::Token(key) => format!("{}, through {}", key.address, key.module.display()),
        }
    }
}
