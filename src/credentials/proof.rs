//! Proving a new key before it is used, by a harmless call to the endpoint.

use thiserror::Error;

use super::access_key::ActiveKey;

/// Proves keys.
pub trait Proof: Send + Sync {
    /// Makes a harmless call with `key`. Blocks until the response.
    ///
    /// # Errors
    /// [`Unproven`]: the endpoint does not accept it yet, or could not be asked.
    fn prove(&self, key: &ActiveKey) -> Result<(), Unproven>;
}

/// Why a key was not proven. It is loaded and proven again later: it takes a while until every endpoint knows a new AWS
/// key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unproven(String);

impl Unproven {
    /// `why` is shown in log and readiness: no secrets.
    #[must_use]
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
