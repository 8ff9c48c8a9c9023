//! Keys from the sources of AWS's own tools, through AWS's crates: environment, profiles (with single sign-on, roles
//! and programs), web identity, container and instance endpoints.
//!
//! A key names its source, and no other source is asked instead. For each load, the store's agent starts a process
//! (`countersign aws-key`) that ends with its answer: AWS's crates wipe what they keep, but not what came over the
//! network, and that memory is gone with the process. It has the agent's environment (`AWS_*`, `HOME` and the paths of
//! certificates), and is killed, together with all that it started, when it takes too long.

mod http;
mod source;
mod trusted_files;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::credentials::agent::one_shot::{self, OneShotError};
use crate::credentials::agent::{Fetch, Order, OrderError, RemoteStore};
use crate::credentials::store::{LoadError, LoadErrorKind, StoreError};
use crate::credentials::store_kind::StoreKind;

pub use super::aws_key::{AwsKey, AwsSource};
pub use source::obtain;

/// More time than the process needs beside the source.
const BESIDES: Duration = Duration::from_secs(2);

/// The variables besides `AWS_*` that AWS's tools and ours use.
const VARIABLES: [&str; 3] = ["HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Why a source gives no key.
#[derive(Debug, Error)]
pub enum AwsError {
    /// The source is not configured.
    #[error("nothing is set up for {source_name}: {hint}{told}")]
    NotSetUp {
        /// The description of the source.
        source_name: &'static str,
        /// What to configure.
        hint: &'static str,
        /// The message of AWS's crate in brackets, or nothing.
        told: String,
        /// How to react.
        kind: LoadErrorKind,
    },
    /// The configuration of the source cannot be used.
    #[error("{source_name} is not set up correctly: {told}")]
    SetUp {
        /// The description of the source.
        source_name: &'static str,
        /// The message of AWS's crate.
        told: String,
    },
    /// A file that the source depends on can be written or replaced by others.
    #[error("{told}")]
    Guarded {
        /// Which file, and what to do.
        told: String,
    },
    /// A role must be assumed, and no region is configured.
    #[error("no region to assume a role in: set `region`, or AWS_REGION where countersign is started")]
    NoRegion,
    /// The source was asked and failed.
    #[error("{source_name} gives no key: {told}")]
    Failed {
        /// The description of the source.
        source_name: &'static str,
        /// The message of AWS's crate.
        told: String,
    },
    /// The source did not answer in time.
    #[error("{source_name} has not given a key within {limit:?} (timeout)")]
    Timeout {
        /// The description of the source.
        source_name: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The source's answer is not an access key.
    #[error("{0} gives something that is not an access key: an id, secret, token or time that AWS would not issue")]
    NoKey(&'static str),
    /// The process itself failed.
    #[error("the process that asks {source_name} cannot work: {told}")]
    System {
        /// The description of the source.
        source_name: &'static str,
        /// Why.
        told: String,
    },
}

impl StoreError for AwsError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::NotSetUp { kind, .. } => *kind,
            Self::Guarded { .. } => LoadErrorKind::Permissions,
            Self::SetUp { .. } | Self::NoRegion | Self::NoKey(_) => LoadErrorKind::Invalid,
            Self::Failed { .. } | Self::Timeout { .. } | Self::System { .. } => LoadErrorKind::Unavailable,
        }
    }
}

/// Whether an agent gets this variable of our environment.
#[must_use]
pub fn sees(variable: &str) -> bool {
    variable.starts_with("AWS_") || VARIABLES.contains(&variable)
}

impl RemoteStore for AwsKey {
    fn order(&self) -> Result<Order, OrderError> {
        Order::new(StoreKind::Aws, self)
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
        Self::describe(self)
    }
}

impl Fetch for AwsKey {
    fn fetch(&mut self) -> Result<Zeroizing<Vec<u8>>, LoadError> {
        let source_name = self.source.describe();
        one_shot::run("aws-key", self, self.timeout.saturating_add(BESIDES)).map_err(|error| match error {
            OneShotError::Timeout(_) => AwsError::Timeout { source_name, limit: self.timeout }.into(),
            OneShotError::TooMuch => AwsError::NoKey(source_name).into(),
            OneShotError::System(told) => AwsError::System { source_name, told }.into(),
            OneShotError::Refused(error) => error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_sees_what_is_awss_and_nothing_else() {
        assert!(sees("AWS_PROFILE") && sees("HOME") && sees("SSL_CERT_FILE"));
        assert!(!sees("PATH") && !sees("LD_PRELOAD") && !sees("COUNTERSIGN_LOG") && !sees("HTTPS_PROXY"));
    }
}
