//! What an agent is told at its start, and never again: which store to be.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::credentials::store_kind::StoreKind;

/// The variable in which an agent finds its order.
pub const ORDER: &str = "COUNTERSIGN_KEY_AGENT";

/// Which store an agent is. Goes to it as JSON; holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    kind: StoreKind,
    settings: serde_json::Value,
}

/// An order that cannot be written, or is not one.
#[derive(Debug, Error)]
pub enum OrderError {
    /// Not the JSON of an order, or of the settings of its store.
    #[error("the settings of a key store cannot be passed to its agent")]
    Settings(#[from] serde_json::Error),
    /// Another kind of store.
    #[error("a key store of the kind {0} has no agent in this build")]
    NoAgent(StoreKind),
}

impl Order {
    /// Orders a store of this kind, made from `settings`.
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

    /// What the store is made from.
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

/// A store that runs in an agent, as the process that asks it knows it.
pub trait RemoteStore: Send + Sync {
    /// The order that has an agent be this store.
    ///
    /// # Errors
    /// [`OrderError`].
    fn order(&self) -> Result<Order, OrderError>;

    /// The longest time that one load may take in the agent; the agent's answer is awaited a little longer.
    fn longest_load(&self) -> Duration;

    /// As [`crate::credentials::KeyStore::watched`].
    fn watched(&self) -> Vec<PathBuf>;

    /// As [`crate::credentials::KeyStore::poll`].
    fn poll(&self) -> Duration;

    /// As [`crate::credentials::KeyStore::describe`].
    fn describe(&self) -> String;
}
