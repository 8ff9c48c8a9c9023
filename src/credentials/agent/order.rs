//! What an agent is told at its start, and never again: which store to be.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::serve::Fetch;
use crate::credentials::process::Program;

/// Which store an agent is. Goes to it as JSON; holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// A program that prints the key.
    Process(Program),
}

impl Order {
    /// Makes the store, in its agent.
    #[must_use]
    pub fn store(self) -> Box<dyn Fetch> {
        match self {
            Self::Process(program) => Box::new(program),
        }
    }

    /// How long the agent may take to answer: more than its store ever takes, so that its own error arrives.
    pub(super) fn patience(&self) -> Duration {
        const BETWEEN_US: Duration = Duration::from_secs(5);
        match self {
            Self::Process(program) => program.timeout.saturating_add(BETWEEN_US),
        }
    }

    /// As [`crate::credentials::KeyStore::watched`].
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        match self {
            Self::Process(_) => Vec::new(),
        }
    }

    /// As [`crate::credentials::KeyStore::poll`].
    pub(super) const fn poll(&self) -> Duration {
        match self {
            Self::Process(program) => program.refresh,
        }
    }

    /// As [`crate::credentials::KeyStore::describe`].
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Process(program) => program.describe(),
        }
    }
}
