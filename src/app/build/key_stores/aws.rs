//! Keys that AWS's own tools would find.

use crate::credentials::aws::sees;
use crate::credentials::{AgentStore, AwsKey, KeyStore, LoadError};

/// Starts the agent of the store.
pub(super) fn store(key: &AwsKey) -> Result<Box<dyn KeyStore>, LoadError> {
    let environment = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(sees)).collect();
    Ok(Box::new(AgentStore::start(key.clone(), environment)?))
}
