//! `[rates]` as the program uses it.

use std::path::PathBuf;

use super::endpoint::{Endpoint, Transport};
use crate::rates::SharingSettings;
use crate::upstream::NextHop;

/// `[rates]`: replicas share the rates and quotas of clients through a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// `store`, `ca_file`, `server_name`, `client_certificate` and `client_key`.
    pub endpoint: Endpoint,
    /// `user`.
    pub user: Option<String>,
    /// `password_file`: a secret.
    pub password_file: Option<PathBuf>,
    /// `database`.
    pub database: u16,
    /// The rest.
    pub sharing: SharingSettings,
}

impl Rates {
    /// Where the store is, for messages.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = match (&self.endpoint.next_hop, &self.endpoint.transport) {
            (NextHop::Unix(_), _) => "",
            (NextHop::Tcp { .. }, Transport::Tls { .. }) => "valkeys://",
            (NextHop::Tcp { .. }, Transport::Plaintext) => "valkey://",
        };
        format!("{scheme}{}", self.endpoint.next_hop)
    }
}
