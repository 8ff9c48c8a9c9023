//! The endpoint's answer as it arrives: streamed with back-pressure, cut when it stalls, and its connection kept when whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep};

use super::connect::Connection;
use super::pool::Pool;

/// Why an answer ends before its end. The client must see a broken transfer.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// The connection broke off, or the framing is wrong.
    #[error("the endpoint broke off in the middle of its answer")]
    BrokenOff(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("the endpoint sent nothing more for {} seconds", .0.as_secs())]
    Stalled(Duration),
}

/// The body of an answer. Reads from the endpoint only when the client takes more.
pub struct AnswerBody {
    body: Incoming,
    connection: Option<Connection>,
    pool: Pool,
    idle: Duration,
    /// How long the endpoint says it keeps an idle connection.
    keep: Option<Duration>,
    /// Runs only while a piece is awaited; most answers never need it.
    clock: Option<Pin<Box<Sleep>>>,
}

impl AnswerBody {
    pub(super) fn new(
        body: Incoming,
        connection: Connection,
        pool: Pool,
        idle: Duration,
        keep: Option<Duration>,
    ) -> Self {
        Self { body, connection: Some(connection), pool, idle, keep, clock: None }
    }

    /// Whether the answer has been read to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.connection.is_none() || self.body.is_end_stream()
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<AnswerError> {
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(self.idle)));
        ready!(clock.as_mut().poll(cx));
        Poll::Ready(AnswerError::Stalled(self.idle))
    }

    /// A connection goes back only from here: when its answer is known to be complete.
    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.put(connection, self.keep);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(clock) = &mut this.clock {
                    let now = Instant::now();
                    clock.as_mut().reset(now.checked_add(this.idle).unwrap_or(now));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(AnswerError::BrokenOff(error)))),
            Poll::Ready(None) => {
                this.give_back();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let stalled = ready!(this.poll_clock(cx));
                this.connection = None;
                Poll::Ready(Some(Err(stalled)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    /// hyper does not poll a body again whose announced length has come: that end is noticed here.
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}
