//! The key store that asks a program: AWS's `credential_process` convention, without a shell.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>: the program prints the JSON of
//! [`crate::credentials::document`] and exits with 0. It runs in the store's agent, and sees the environment of that
//! process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::credentials::agent::{Fetch, Order, OrderError, RemoteStore};
use crate::credentials::store::LoadError;
use crate::credentials::store_kind::StoreKind;
use crate::guarded_file;

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
        // each time: the program's permissions may have changed since
        guarded_file::check_trusted(Path::new(&self.path))?;
        Ok(self.run()?)
    }
}
