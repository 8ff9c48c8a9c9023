//! The body of a response, and what is given back once it has been written.

use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

/// A complete text.
pub struct Content {
    text: Full<Bytes>,
    kept: Vec<Box<dyn Any>>,
}

impl Content {
    pub(super) fn new(text: Bytes) -> Self {
        Self { text: Full::new(text), kept: Vec::new() }
    }

    /// Keeps something until the response has been written.
    pub(super) fn keep(&mut self, guard: impl Any) {
        self.kept.push(Box::new(guard));
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.text).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.text.size_hint()
    }
}
