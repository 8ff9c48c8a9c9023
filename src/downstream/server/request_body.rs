//! The body of a client's request.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use super::pace::TooSlow;
use crate::http1::BadChunk;

/// A request's body, still to be read.
pub struct RequestBody(Rc<dyn UnreadBody>);

/// What is left of the body that is next on a connection.
pub(super) trait UnreadBody {
    /// The least and, if known, the most bytes that have not been read yet.
    fn left(&self) -> (u64, Option<u64>);

    /// How many bytes of it are here already and wait for the rest of their piece.
    fn arrived(&self) -> usize;

    /// The next bytes; `None` when the body has ended.
    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BrokenBody>>;
}

/// Why a body breaks off.
#[derive(Debug, Error)]
pub enum BrokenBody {
    /// Its end cannot be found.
    #[error(transparent)]
    Framing(BadChunk),
    /// The connection has ended.
    #[error(transparent)]
    Socket(io::Error),
    /// The client sends it too slowly.
    #[error("the body comes {0}")]
    Slow(TooSlow),
}

impl RequestBody {
    /// The next on a connection.
    pub(super) fn new(unread: Rc<dyn UnreadBody>) -> Self {
        Self(unread)
    }

    /// How many bytes are here that no frame has brought yet.
    pub(super) fn arrived(&self) -> usize {
        self.0.arrived()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        self.0.poll_body(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.0.left() == (0, Some(0))
    }

    fn size_hint(&self) -> SizeHint {
        let (least, most) = self.0.left();
        let mut hint = SizeHint::new();
        hint.set_lower(least);
        if let Some(most) = most {
            hint.set_upper(most);
        }
        hint
    }
}
