//! Listeners, and the certificates of listeners and routes.

use serde::{Deserialize, Serialize};

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it really listens: `127.0.0.1:8021`, or `unix:/path`; several addresses are separated by `, `.
    pub address: String,
    /// Whether its clients speak TLS.
    pub tls: bool,
    /// How clients identify themselves: `any_local`, or the words of `authenticate`.
    pub authenticate: Vec<String>,
    /// Whether it has the keys of its token issuer.
    pub token_keys: TokenKeys,
    /// Client connections that are open.
    pub connections: u64,
    /// How many there may be.
    pub connections_limit: u64,
}

/// Whether a listener has the keys of its token issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKeys {
    /// It needs none.
    NotNeeded,
    /// It has them.
    Known,
    /// They have not been fetched yet: clients with tokens are refused.
    Awaited,
}

/// A certificate that countersign shows to clients or endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Who shows it: `listener.NAME` or `route.NAME`.
    pub of: String,
    /// Its file.
    pub file: String,
    /// Whether it holds.
    pub state: CertificateState,
    /// When it ends, or has ended.
    pub expires_at: String,
    /// The time until then; negative after it.
    pub expires_in_seconds: i64,
}

/// Whether a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// It does.
    Valid,
    /// It does, and has to be renewed within 14 days.
    EndsSoon,
    /// It does not hold any more.
    Ended,
    /// It does not hold yet.
    NotYet,
}
