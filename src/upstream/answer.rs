//! The endpoint's answer as it arrives: streamed with back-pressure, cut when it stalls, and its connection kept when whole.

use std::collections::VecDeque;
use std::future::poll_fn;
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
    /// What was read ahead, in its order.
    held: VecDeque<Held>,
    connection: Option<Connection>,
    pool: Pool,
    idle: Duration,
    /// How long the endpoint says it keeps an idle connection.
    keep: Option<Duration>,
    /// Runs only while a piece is awaited; most answers never need it.
    clock: Option<Pin<Box<Sleep>>>,
}

/// A piece of what was read ahead.
enum Held {
    Frame(Frame<Bytes>),
    /// Gives way once, so that what lies before is written to the client: a connection that ends with an error ends at once.
    Pause,
    Broken(AnswerError),
}

impl Held {
    fn data(&self) -> Option<&Bytes> {
        match self {
            Self::Frame(frame) => frame.data_ref(),
            Self::Pause | Self::Broken(_) => None,
        }
    }

    fn is_trailers(&self) -> bool {
        match self {
            Self::Frame(frame) => frame.is_trailers(),
            Self::Pause | Self::Broken(_) => false,
        }
    }
}

impl AnswerBody {
    pub(super) fn new(
        body: Incoming,
        connection: Connection,
        pool: Pool,
        idle: Duration,
        keep: Option<Duration>,
    ) -> Self {
        Self { body, held: VecDeque::new(), connection: Some(connection), pool, idle, keep, clock: None }
    }

    /// Whether the answer has been read to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.held.is_empty() && (self.connection.is_none() || self.body.is_end_stream())
    }

    /// Reads the whole body if it has at most `limit` bytes, and gives a copy of it. Whether it does or not, and also when the
    /// future is dropped half-way, nothing is lost: whoever reads the body gets all of it, in the same order.
    pub async fn read_ahead(&mut self, limit: usize) -> Option<Bytes> {
        let announced = usize::try_from(self.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return None;
        }
        while self.held_bytes() <= limit {
            match poll_fn(|cx| self.poll_arriving(cx)).await {
                Some(Ok(frame)) => self.held.push_back(Held::Frame(frame)),
                Some(Err(error)) => {
                    self.held.extend([Held::Pause, Held::Broken(error)]);
                    return None;
                }
                None => return Some(self.held_data().flatten().copied().collect()),
            }
        }
        None
    }

    fn held_data(&self) -> impl Iterator<Item = &Bytes> {
        self.held.iter().filter_map(Held::data)
    }

    fn held_bytes(&self) -> usize {
        self.held_data().fold(0, |sum, data| sum.saturating_add(data.len()))
    }

    fn poll_arriving(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(clock) = &mut self.clock {
                    let now = Instant::now();
                    clock.as_mut().reset(now.checked_add(self.idle).unwrap_or(now));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(AnswerError::BrokenOff(error)))),
            Poll::Ready(None) => {
                self.give_back();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let stalled = ready!(self.poll_clock(cx));
                self.connection = None;
                Poll::Ready(Some(Err(stalled)))
            }
        }
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
        match self.held.pop_front() {
            Some(Held::Frame(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Held::Pause) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Held::Broken(error)) => Poll::Ready(Some(Err(error))),
            None => self.poll_arriving(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.body.size_hint();
        let held = u64::try_from(self.held_bytes()).unwrap_or(u64::MAX);
        // an answer with trailers has no length: they stand behind its last chunk
        let has_trailers = self.held.iter().any(Held::is_trailers);
        match rest.exact() {
            Some(rest) if !has_trailers => SizeHint::with_exact(rest.saturating_add(held)),
            Some(_) | None => {
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(held));
                hint
            }
        }
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
