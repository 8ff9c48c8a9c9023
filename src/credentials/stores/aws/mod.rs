//! Keys from where AWS's own tools find them: environment, profiles (single sign-on, roles and programs included), web
//! identity, container and instance endpoints, through AWS's crates.
//!
//! A key names its source, and no other is asked in its place. The store's agent asks in a process of its own for each time
//! (`countersign aws-key`), which ends with the answer: AWS's crates wipe what they keep, but not what came over the network,
//! and what they left in memory is gone with the process. It has the agent's environment, which is `AWS_*`, `HOME` and where
//! certificates are, and is killed, with all it started, when it takes too long.

mod http;
mod source;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::credentials::agent::errand::{self, ErrandError};
use crate::credentials::agent::{Fetch, Order, OrderError, RemoteStore};
use crate::credentials::store::{LoadError, LoadErrorKind, StoreError};
use crate::credentials::store_kind::StoreKind;

pub use super::aws_key::{AwsKey, AwsSource};
pub use source::obtain;

/// The time that a process needs besides the source, and then some.
const BESIDES: Duration = Duration::from_secs(2);

/// The variables beside `AWS_*` that AWS's tools and ours go by.
const VARIABLES: [&str; 3] = ["HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Why a source gives no key.
#[derive(Debug, Error)]
pub enum AwsError {
    /// Nothing says where it would be.
    #[error("nothing is set up for {source_name}: {hint}{told}")]
    NotSetUp {
        /// The source, in words.
        source_name: &'static str,
        /// What it wants.
        hint: &'static str,
        /// `: ` and what AWS's crate says; or nothing.
        told: String,
        /// Whether it may come without anybody's doing.
        kind: LoadErrorKind,
    },
    /// What is set up cannot be used.
    #[error("{source_name} is not set up well: {told}")]
    SetUp {
        /// The source, in words.
        source_name: &'static str,
        /// What AWS's crate says.
        told: String,
    },
    /// A role is assumed in a region.
    #[error("no region to assume a role in: set `region`, or AWS_REGION where countersign is started")]
    NoRegion,
    /// It was asked, in vain.
    #[error("{source_name} gives no key: {told}")]
    Failed {
        /// The source, in words.
        source_name: &'static str,
        /// What AWS's crate says.
        told: String,
    },
    /// It does not answer.
    #[error("{source_name} has not given a key within {limit:?} (timeout)")]
    Timeout {
        /// The source, in words.
        source_name: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// What it gave is no access key.
    #[error("{0} gives what is no access key: an id, secret, token or time that AWS would not issue")]
    NoKey(&'static str),
    /// Our own side.
    #[error("the process that asks {source_name} cannot work: {told}")]
    System {
        /// The source, in words.
        source_name: &'static str,
        /// Why.
        told: String,
    },
}

impl StoreError for AwsError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::NotSetUp { kind, .. } => *kind,
            Self::SetUp { .. } | Self::NoRegion | Self::NoKey(_) => LoadErrorKind::Invalid,
            Self::Failed { .. } | Self::Timeout { .. } | Self::System { .. } => LoadErrorKind::Unavailable,
        }
    }
}

/// Whether an agent sees a variable of ours.
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
        errand::run("aws-key", self, self.timeout.saturating_add(BESIDES)).map_err(|error| match error {
            ErrandError::Timeout(_) => AwsError::Timeout { source_name, limit: self.timeout }.into(),
            ErrandError::TooMuch => AwsError::NoKey(source_name).into(),
            ErrandError::System(told) => AwsError::System { source_name, told }.into(),
            ErrandError::Refused(error) => error.into(),
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
