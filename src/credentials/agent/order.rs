//! The order that an agent is started with: which store to be.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::credentials::store_kind::StoreKind;

/// The variable in which an agent finds its order.
pub const ORDER: &str = "COUNTERSIGN_KEY_AGENT";

/// Which store an agent is to be. Passed to it as JSON; holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    kind: StoreKind,
    settings: serde_json::Value,
}

/// Why an order cannot be written or read.
#[derive(Debug, Error)]
pub enum OrderError {
    /// Not the JSON of an order, or of the settings of its store.
    #[error("the settings of a key store cannot be passed to its agent")]
    Settings(#[from] serde_json::Error),
    /// Stores of this kind have no agent, or not in this build.
    #[error("a key store of the kind {0} has no agent in this build")]
    NoAgent(StoreKind),
}

impl Order {
    /// An order for a store of this kind with these settings.
    ///
    /// # Errors
    /// The settings cannot be written as JSON: a path that is not UTF-8.
    pub fn new(kind: StoreKind, settings: &impl Serialize) -> Result<Self, OrderError> {
        Ok(Self { kind, settings: serde_json::to_value(settings)? })
    }

    /// The kind of store.
    #[must_use]
    pub const fn kind(&self) -> StoreKind {
        self.kind
    }

    /// The settings of the store.
    ///
    /// # Errors
    /// These are not the settings of such a store.
    pub fn settings<T: DeserializeOwned>(self) -> Result<T, OrderError> {
        Ok(serde_json::from_value(self.settings)?)
    }

    pub(super) fn read(json: &str) -> Result<Self, OrderError> {
        Ok(serde_json::from_str(json)?)
    }

    pub(super) fn write(&self) -> Result<String, OrderError> {
        Ok(serde_json::to_string(self)?)
    }
}

/// A store that runs in an agent, as seen by the parent process.
pub trait RemoteStore: Send + Sync {
    /// The order that makes an agent this store.
    ///
    /// # Errors
    /// [`OrderError`].
    fn order(&self) -> Result<Order, OrderError>;

    /// The longest time that one load may take in the agent. The parent waits a little longer for the answer.
    fn longest_load(&self) -> Duration;

    /// As [`crate::credentials::KeyStore::watched`].
    fn watched(&self) -> Vec<PathBuf>;

    /// As [`crate::credentials::KeyStore::poll`].
    fn poll(&self) -> Duration;

    /// As [`crate::credentials::KeyStore::describe`].
    fn describe(&self) -> String;
}
