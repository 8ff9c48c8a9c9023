//! Replaces the store in a build without the feature `valkey`, where the configuration refuses `rates.store`.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use super::client_rates::{Inbox, Sharing, SharingSettings};
use super::hints::Endpoints;
use super::location::{StoreFault, StoreServer};

/// No store can be configured in this build, so there is no value of this type.
#[derive(Debug)]
pub struct StoreThread(Infallible);

impl StoreThread {
    /// Never called.
    pub fn end(&self) {
        match self.0 {}
    }

    /// Never called.
    pub fn wait(self, _limit: Duration) {
        match self.0 {}
    }
}

/// Starts nothing.
///
/// # Errors
/// Always.
pub fn start(
    _server: StoreServer,
    _sharing: &Sharing,
    _inbox: Inbox,
    _endpoints: Box<dyn Endpoints>,
    _now: fn() -> u64,
) -> io::Result<StoreThread> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this build knows no store of rates"))
}

/// Tries nothing.
///
/// # Errors
/// Always.
pub async fn try_out(_server: &StoreServer, _settings: &SharingSettings, limit: Duration) -> Result<(), StoreFault> {
    Err(StoreFault::Late(limit))
}
