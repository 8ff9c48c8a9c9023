//! Why serving could not begin.

use std::io;

use thiserror::Error;

use super::remedy::Remedy;
use super::sockets::BindError;
use crate::credentials::WatchError;
use crate::error_chain::causes;
use crate::telemetry::audit::AuditError;

/// Why serving could not begin.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener has no socket.
    #[error("{table}.address")]
    Bind {
        /// `listener.NAME` or `admin`.
        table: String,
        /// Why not.
        source: BindError,
    },
    /// The audit cannot be written from the start.
    #[error(transparent)]
    Audit(AuditError),
    /// Several of these.
    #[error("{}", .0.iter().map(|error| causes(error)).collect::<Vec<_>>().join("\n"))]
    Several(Vec<StartError>),
    /// No thread to be had.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// Keys could not be watched.
    #[error("cannot watch the keys")]
    Watch(#[source] WatchError),
}

impl StartError {
    /// An error that says all of `errors`, if there are any.
    pub(super) fn all(mut errors: Vec<Self>) -> Result<(), Self> {
        match (errors.pop(), errors.is_empty()) {
            (None, _) => Ok(()),
            (Some(only), true) => Err(only),
            (Some(last), false) => {
                errors.push(last);
                Err(Self::Several(errors))
            }
        }
    }

    /// The errors that this one consists of.
    pub(crate) fn each(&self) -> Vec<&Self> {
        match self {
            Self::Several(errors) => errors.iter().flat_map(Self::each).collect(),
            Self::Bind { .. } | Self::Audit(_) | Self::Thread(_) | Self::Watch(_) => vec![self],
        }
    }

    /// The key of the configuration that it is about.
    pub(crate) fn path(&self) -> Option<String> {
        match self {
            Self::Bind { table, .. } => Some(format!("{table}.address")),
            Self::Audit(_) => Some("audit.target".to_owned()),
            Self::Several(_) | Self::Thread(_) | Self::Watch(_) => None,
        }
    }

    /// What has to be done. Of several errors, the one counts that needs most.
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Bind { source, .. } => source.remedy(),
            Self::Audit(error) if error.is_denied() => Remedy::Permit,
            Self::Audit(_) | Self::Thread(_) | Self::Watch(_) => Remedy::Retry,
            Self::Several(errors) => errors.iter().map(Self::remedy).max().unwrap_or(Remedy::Retry),
        }
    }
}
