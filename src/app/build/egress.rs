//! From the keys `egress...` of a route to the tunnel that a proxy is asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::settings::{EgressProxy, Endpoint};
use crate::guarded_file::{self, GuardError};
use crate::upstream::{NotCredentials, ProxyCredentials, Trust, TunnelSettings};

/// Why an egress proxy cannot be shown credentials.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// The file is missing, or others can read or replace it.
    #[error(transparent)]
    Guarded(#[from] GuardError),
    /// The file holds something else.
    #[error("{} holds no credentials: {source}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: NotCredentials,
    },
}

/// The tunnel to `endpoint`, which `proxy` is asked for when it has proven to be the one, as `trust` says. The file of
/// credentials is read anew for each graph.
pub(crate) fn tunnel(
    endpoint: &Endpoint,
    proxy: &EgressProxy,
    trust: Trust,
) -> Result<TunnelSettings, CredentialsError> {
    Ok(TunnelSettings {
        authority: format!("{}:{}", endpoint.host, endpoint.port),
        proxy: proxy.host.trim_end_matches('.').to_owned(),
        trust,
        credentials: proxy.credentials.as_deref().map(read).transpose()?.map(Arc::new),
    })
}

fn read(path: &Path) -> Result<ProxyCredentials, CredentialsError> {
    let text: Zeroizing<Vec<u8>> = guarded_file::read_secret(path)?;
    ProxyCredentials::parse(&text).map_err(|source| CredentialsError::Invalid { path: path.to_owned(), source })
}
