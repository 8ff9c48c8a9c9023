//! The agent's side: a loop that answers requests until the socket is closed.

use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use thiserror::Error;
use zeroize::Zeroizing;

use super::message::{Answer, Reply, Request};
use super::order::{Order, OrderError};
use crate::credentials::document::MAX_DOCUMENT;
use crate::credentials::stack::burn_stack;
use crate::credentials::store::{LoadError, LoadErrorKind};
use crate::error_chain::causes;

/// A store as seen by its agent.
pub trait Fetch {
    /// The current key's JSON; see [`crate::credentials::document`].
    ///
    /// # Errors
    /// [`LoadError`]: there is no usable key now.
    fn fetch(&mut self) -> Result<Zeroizing<Vec<u8>>, LoadError>;
}

/// Why an agent ends before its parent.
#[derive(Debug, Error)]
pub enum ServeError {
    /// It was not started by countersign.
    #[error("key-agent is started by countersign itself, for key stores that need a process of their own")]
    NotOrdered,
    /// The socket.
    #[error("the socket of the agent")]
    Socket(#[from] io::Error),
}

/// Serves the store that `make` makes of `order` (as JSON) on `socket`, until the other end is closed.
///
/// # Errors
/// [`ServeError`].
pub fn serve(
    order: &str,
    make: impl FnOnce(Order) -> Result<Box<dyn Fetch>, OrderError>,
    socket: impl AsFd,
) -> Result<(), ServeError> {
    let mut store = Order::read(order).and_then(make).map_err(|_not_ours| ServeError::NotOrdered)?;
    while let Some(request) = Request::receive(&socket)? {
        let answer = answer(store.as_mut());
        burn_stack();
        Reply { number: request.number, answer }.send(&socket)?;
    }
    Ok(())
}

#[inline(never)]
fn answer(store: &mut dyn Fetch) -> Answer {
    // a panic fails this load only: the next one may succeed
    let fetched = catch_unwind(AssertUnwindSafe(|| store.fetch()));
    match fetched {
        Ok(Ok(json)) if json.len() <= MAX_DOCUMENT => Answer::Document(json),
        Ok(Ok(_)) => failed(LoadErrorKind::Invalid, format!("more than {MAX_DOCUMENT} bytes; no access key has")),
        Ok(Err(error)) => failed(error.kind(), causes(&error)),
        Err(_panic) => failed(LoadErrorKind::Unavailable, "a bug in countersign: the agent panicked".to_owned()),
    }
}

const fn failed(kind: LoadErrorKind, text: String) -> Answer {
    Answer::Failed { kind, text }
}
