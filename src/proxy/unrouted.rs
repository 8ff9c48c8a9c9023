//! What is said of a request that gets no route: to the client what it asked for, to the log which routes there are.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::query::ShownName;

/// The routes of a listener, and what chooses them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this listener serves {0}")]
pub(crate) struct Served(pub(super) String);

/// A route that the client does not see.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("route {0} is hidden from this client, whose rules allow nothing there")]
pub(crate) struct Hidden(pub(super) Arc<str>);

/// What a request asks for that no route is chosen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(super) host: ShownName,
    pub(super) path: ShownName,
    /// What the client signed for, where the listener accepts issued keys.
    pub(super) scope: Option<ShownName>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, path, scope } = self;
        write!(f, "no route is configured for the Host {host} and the path {path}")?;
        // with several services at one URL, a region or service without a route is the usual cause
        if let Some(scope) = scope {
            write!(f, ", signed for {scope} (SERVICE/REGION)")?;
        }
        f.write_str(of_its_own(path))
    }
}

/// Some services give each queue or topic a URL.
fn of_its_own(path: &ShownName) -> &'static str {
    if path.to_string().matches('/').count() > 1 {
        "; services that have a path of its own for each request, such as queue URLs, are not supported"
    } else {
        ""
    }
}
