//! Why serving could not begin.

use std::io;

use thiserror::Error;

use super::sockets::BindError;
use crate::credentials::WatchError;
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
    /// No thread to be had.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// Keys could not be watched.
    #[error("cannot watch the keys")]
    Watch(#[source] WatchError),
}
