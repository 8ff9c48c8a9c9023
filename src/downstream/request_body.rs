//! The body of a client's request, whoever reads the connection it comes on.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;

/// A request's body, still to be read.
pub struct RequestBody(Reader);

enum Reader {
    Hyper(Incoming),
    Direct(Rc<dyn Remaining>),
}

/// What is left of the body that is next on a connection.
pub(super) trait Remaining {
    /// Bytes that nobody has taken yet.
    fn left(&self) -> usize;

    /// All of them, in one piece.
    fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>>;
}

/// Why a body ends before its end.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct BrokenBody(Cause);

#[derive(Debug, Error)]
enum Cause {
    #[error(transparent)]
    Hyper(hyper::Error),
    #[error(transparent)]
    Socket(io::Error),
}

impl RequestBody {
    /// The next on a connection that is read here.
    pub(super) fn direct(remaining: Rc<dyn Remaining>) -> Self {
        Self(Reader::Direct(remaining))
    }
}

impl From<Incoming> for RequestBody {
    fn from(incoming: Incoming) -> Self {
        Self(Reader::Hyper(incoming))
    }
}

impl BrokenBody {
    /// Whether the bytes are at fault, and not their absence.
    pub(super) fn is_framing(&self) -> bool {
        use io::ErrorKind::{InvalidData, InvalidInput};
        let Cause::Hyper(error) = &self.0 else { return false };
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        cause.is_some_and(|cause| [InvalidData, InvalidInput].contains(&cause.kind()))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        match &mut self.0 {
            Reader::Hyper(incoming) => {
                Pin::new(incoming).poll_frame(cx).map_err(|error| BrokenBody(Cause::Hyper(error)))
            }
            Reader::Direct(remaining) if remaining.left() == 0 => Poll::Ready(None),
            Reader::Direct(remaining) => {
                let whole = remaining.poll_rest(cx).map_ok(Frame::data);
                whole.map_err(|error| BrokenBody(Cause::Socket(error))).map(Some)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Reader::Hyper(incoming) => incoming.is_end_stream(),
            Reader::Direct(remaining) => remaining.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Reader::Hyper(incoming) => incoming.size_hint(),
            Reader::Direct(remaining) => SizeHint::with_exact(u64::try_from(remaining.left()).unwrap_or(u64::MAX)),
        }
    }
}
