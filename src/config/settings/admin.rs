//! `[admin]` as the program uses it.

use std::net::SocketAddr;

/// `[admin]`: `/livez`, `/readyz`, `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `address`. Any address: what it serves is not secret, and the kubelet calls the pod's.
    pub address: SocketAddr,
}
