//! `[trace]` as the program uses it.

use std::path::PathBuf;

use super::endpoint::Endpoint;
use crate::telemetry::trace::{ExportSettings, Forwarding, Sampling};

/// `[trace]`: exchanges are traced beyond the ID in log and audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// `sample_ratio` and `parent_based`.
    pub sampling: Sampling,
    /// `forward`.
    pub forwarding: Forwarding,
    /// `endpoint`, and what belongs to it. `None` when no spans are exported.
    pub export: Option<Export>,
}

/// Where spans go, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// `endpoint`, with `/v1/traces` behind its path, and `ca_file`.
    pub collector: Endpoint,
    /// `headers_file`: a secret.
    pub headers_file: Option<PathBuf>,
    /// The rest.
    pub settings: ExportSettings,
}
