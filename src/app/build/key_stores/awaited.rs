//! A key store whose loads are waits: a store that does not answer is told of by name.

use std::path::PathBuf;
use std::time::Duration;

use crate::credentials::{ActiveKey, KeyStore, LoadError};
use crate::waits;

/// A store, and the name of its key.
pub(super) struct Awaited {
    pub(super) key: String,
    pub(super) store: Box<dyn KeyStore>,
}

impl KeyStore for Awaited {
    fn load(&self) -> Result<ActiveKey, LoadError> {
        let _wait = waits::begin(format!("key.{} ({})", self.key, self.store.describe()));
        self.store.load()
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.store.watched()
    }

    fn poll(&self) -> Duration {
        self.store.poll()
    }

    fn describe(&self) -> String {
        self.store.describe()
    }
}
