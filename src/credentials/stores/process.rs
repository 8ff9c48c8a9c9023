//! The key store that asks a program: AWS's `credential_process` convention, without a shell.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>: the program prints the JSON of
//! [`crate::credentials::document`] and exits with 0. It runs in the store's agent, and sees the environment of that
//! process.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::credentials::agent::{Fetch, Order, OrderError, RemoteStore};
use crate::credentials::store::LoadError;
use crate::credentials::store_kind::StoreKind;

pub use crate::credentials::program::{ProcessError, Program};

impl RemoteStore for Program {
    fn order(&self) -> Result<Order, OrderError> {
        Order::new(StoreKind::Process, self)
    }

    fn longest_load(&self) -> Duration {
        self.timeout
    }

    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn poll(&self) -> Duration {
        self.refresh
    }

    fn describe(&self) -> String {
        format!("what {} prints", self.path)
    }
}

impl Fetch for Program {
    fn fetch(&mut self) -> Result<Zeroizing<Vec<u8>>, LoadError> {
        Ok(self.run()?)
    }
}
