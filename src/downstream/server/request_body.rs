//! The body of a client's request.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use crate::http1::BadChunk;

/// A request's body, still to be read.
pub struct RequestBody(Rc<dyn UnreadBody>);

/// What is left of the body that is next on a connection.
pub(super) trait UnreadBody {
    /// Bytes that nobody has taken yet: at least so many, and at most so many, when that is known.
    fn left(&self) -> (u64, Option<u64>);

    /// The next of them; `None` when the body is over.
    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BrokenBody>>;
}

/// Why a body ends before its end.
#[derive(Debug, Error)]
pub enum BrokenBody {
    /// Where it ends cannot be known.
    #[error(transparent)]
    Framing(BadChunk),
    /// The connection has ended.
    #[error(transparent)]
    Socket(io::Error),
}

impl RequestBody {
    /// The next on a connection.
    pub(super) fn new(unread: Rc<dyn UnreadBody>) -> Self {
        Self(unread)
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
