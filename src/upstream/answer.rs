//! The body of an endpoint's response as it arrives: streamed with back-pressure, cut when it stalls. Its connection
//! goes back to the pool when the response is complete.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::Instant;

use super::connection::Connection;
use super::pool::Pool;
use crate::http1::Framing;

/// Why an answer ends before its end. The client must see a broken transfer.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// The connection broke off, or the framing is wrong.
    #[error("the endpoint broke off in the middle of its answer")]
    BrokenOff(#[source] io::Error),
    /// Nothing came for too long.
    #[error("the endpoint sent nothing more for {} seconds", .0.as_secs())]
    Stalled(Duration),
}

/// The body of an answer. Reads from the endpoint only when the client takes more.
pub struct AnswerBody {
    framing: Framing,
    /// What was received and not yet taken.
    received: Bytes,
    /// What was read ahead, in order.
    held: VecDeque<Held>,
    /// Until the answer has come to its end.
    connection: Option<Box<Connection>>,
    home: Option<Home>,
    idle: Duration,
    /// When bytes of the endpoint last arrived: the time for which its connection is idle counts from then.
    heard: Instant,
    /// Whether the connection's clock runs: only while a piece is awaited. Most answers never need it.
    waits: bool,
}

/// Where a connection goes when its answer is over, and how long the endpoint says that it keeps one.
pub(super) struct Home {
    pub(super) pool: Pool,
    pub(super) keep: Option<Duration>,
}

/// A piece of what was read ahead.
enum Held {
    Data(Bytes),
    /// Pending once, so that what lies before can be written.
    Pause,
    Broken(AnswerError),
}

impl Held {
    fn data(&self) -> Option<&Bytes> {
        match self {
            Self::Data(data) => Some(data),
            Self::Pause | Self::Broken(_) => None,
        }
    }
}

impl AnswerBody {
    /// The body after a head that has just arrived; `received` has come with the head. A connection without a home is
    /// closed at the end of the answer.
    pub(super) fn new(
        framing: Framing,
        received: Bytes,
        connection: Box<Connection>,
        home: Option<Home>,
        idle: Duration,
        heard: Instant,
    ) -> Self {
        let (held, connection, waits) = (VecDeque::new(), Some(connection), false);
        let mut body = Self { framing, received, held, connection, home, idle, heard, waits };
        if body.framing.is_over() {
            body.give_back();
        }
        body
    }

    /// Whether the answer has been read to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_end_stream()
    }

    /// Reads the whole body if it has at most `limit` bytes, and gives a copy of it. Whether it does or not, and also
    /// when the future is dropped half-way, nothing is lost: whoever reads the body gets all of it, in the same order.
    pub async fn read_ahead(&mut self, limit: usize) -> Option<Bytes> {
        let announced = usize::try_from(self.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return None;
        }
        while self.held_bytes() <= limit {
            match poll_fn(|cx| self.poll_arriving(cx)).await {
                Some(Ok(data)) => self.held.push_back(Held::Data(data)),
                Some(Err(error)) => {
                    self.held.extend([Held::Pause, Held::Broken(error)]);
                    return None;
                }
                None => return Some(self.held_data().flatten().copied().collect()),
            }
        }
        None
    }

    /// What has been read of the body already, unless it is, or is announced as, longer than `limit`. Reads nothing. Of
    /// a chunked body these are the bytes as they came, sizes of chunks included.
    pub fn at_hand(&self, limit: usize) -> impl Iterator<Item = &[u8]> {
        let announced = usize::try_from(self.size_hint().lower()).unwrap_or(usize::MAX);
        let here = self.held_bytes().saturating_add(self.received.len());
        let pieces = self.held_data().chain([&self.received]).map(|piece| &**piece);
        pieces.filter(move |_| announced.max(here) <= limit)
    }

    /// Has `body` read in the place of the whole body, which was read ahead.
    pub fn replace(&mut self, body: Bytes) {
        self.held = VecDeque::from([Held::Data(body)]);
        self.framing = Framing::Length(0);
    }

    fn held_data(&self) -> impl Iterator<Item = &Bytes> {
        self.held.iter().filter_map(Held::data)
    }

    fn held_bytes(&self) -> usize {
        self.held_data().fold(0, |sum, data| sum.saturating_add(data.len()))
    }

    fn poll_arriving(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AnswerError>>> {
        let arrived = ready!(self.poll_piece(cx));
        self.waits = false;
        match arrived {
            // bytes behind an error are not part of the response
            Err(error) => {
                (self.connection, self.received) = (None, Bytes::new());
                Poll::Ready(Some(Err(error)))
            }
            Ok(piece) => {
                if self.framing.is_over() {
                    self.give_back();
                }
                Poll::Ready(piece.map(Ok))
            }
        }
    }

    /// The next piece; none when there is no other.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, AnswerError>> {
        loop {
            let step = self.framing.step(&self.received);
            let step = step.map_err(|bad| broken(io::ErrorKind::InvalidData, bad))?;
            self.received.advance(step.skip);
            if step.data > 0 {
                return Poll::Ready(Ok(Some(self.received.split_to(step.data))));
            }
            if self.framing.is_over() {
                return Poll::Ready(Ok(None));
            }
            let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(None)) };
            match connection.poll_more(cx) {
                Poll::Ready(Ok(received)) if !received.is_empty() => {
                    (self.received, self.heard) = (received, Instant::now());
                }
                Poll::Ready(Ok(_nothing)) if self.framing.end() => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(_nothing)) => {
                    return Poll::Ready(Err(broken(io::ErrorKind::UnexpectedEof, "it closed the connection")));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(AnswerError::BrokenOff(error))),
                Poll::Pending => {
                    if !mem::replace(&mut self.waits, true) {
                        let now = Instant::now();
                        connection.wake_at(now.checked_add(self.idle).unwrap_or(now));
                    }
                    ready!(connection.poll_clock(cx));
                    return Poll::Ready(Err(AnswerError::Stalled(self.idle)));
                }
            }
        }
    }

    /// A connection goes back only from here: when its answer has come to its end and nothing behind it, and all of its
    /// request is written. An endpoint may answer before it has read all of one.
    fn give_back(&mut self) {
        if let (Some(connection), Some(home)) = (self.connection.take(), self.home.take())
            && connection.is_written()
            && self.received.is_empty()
        {
            home.pool.put(connection, home.keep, self.heard);
        }
    }
}

/// Lets what lies before be written to the client: an error ends the client's connection at once.
fn give_way<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

fn broken(kind: io::ErrorKind, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AnswerError {
    AnswerError::BrokenOff(io::Error::new(kind, error))
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.held.pop_front() {
            Some(Held::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Held::Pause) => give_way(cx),
            Some(Held::Broken(error)) => Poll::Ready(Some(Err(error))),
            None => match ready!(self.poll_arriving(cx)) {
                Some(Err(error)) => {
                    self.held.push_back(Held::Broken(error));
                    give_way(cx)
                }
                data_or_end => Poll::Ready(data_or_end.map(|data| data.map(Frame::data))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.framing.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        let held = u64::try_from(self.held_bytes()).unwrap_or(u64::MAX);
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left.saturating_add(held)),
            // where the last chunk is, is known when it has come
            Framing::Chunked(_) | Framing::UntilClose => {
                let mut hint = SizeHint::new();
                hint.set_lower(held);
                hint
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::ChunkedDecoder;
    use crate::upstream::request::Outgoing;
    use crate::upstream::socket::{Socket, Watched};
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::task::Waker;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A body of which so much was received with its head, on a connection whose other end is the last of the three.
    async fn body(framing: Framing, received: &'static str, unwritten: Outgoing) -> (AnswerBody, Pool, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        let (endpoint, _) = listener.accept().unwrap();
        let mut connection = Connection::new(Socket::Plain(Watched::new(tcp)), Some(address));
        connection.owe(unwritten);
        let pool = Pool::new(1, HOUR);
        let home = Some(Home { pool: pool.clone(), keep: None });
        (
            AnswerBody::new(framing, Bytes::from_static(received.as_bytes()), connection, home, HOUR, Instant::now()),
            pool,
            endpoint,
        )
    }

    async fn next(body: &mut AnswerBody) -> Option<Result<Bytes, AnswerError>> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(test);
    }

    #[test]
    fn what_came_with_the_head_is_handed_out_without_another_read_and_its_connection_given_back_at_once() {
        run(async {
            let (mut body, pool, _endpoint) = body(Framing::Length(5), "whole", Outgoing::none()).await;
            assert!(!body.is_end_stream() && !body.is_complete() && pool.is_empty());
            assert_eq!(body.size_hint().exact(), Some(5));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut body).poll_frame(&mut cx).is_ready());
            assert!(body.is_end_stream() && body.is_complete() && !pool.is_empty());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(next(&mut body).await.is_none());
        });
    }

    #[test]
    fn an_empty_body_is_at_its_end_from_the_start() {
        run(async {
            let (body, pool, _endpoint) = body(Framing::Length(0), "", Outgoing::none()).await;
            assert!(body.is_end_stream() && body.is_complete() && !pool.is_empty());
        });
    }

    #[test]
    fn a_connection_with_something_behind_its_answer_or_of_its_request_unwritten_is_not_given_back() {
        run(async {
            let (_body, pool, _endpoint) = body(Framing::Length(0), "HTTP/1.1 200 OK", Outgoing::none()).await;
            assert!(pool.is_empty());
            let (mut body, pool, _endpoint) = body(Framing::Length(5), "early", Outgoing::of(vec![0; 64 << 20])).await;
            assert_eq!(next(&mut body).await.unwrap().unwrap(), "early");
            assert!(body.is_complete() && pool.is_empty());
        });
    }

    #[test]
    fn a_body_ends_as_its_framing_says_or_is_broken() {
        let chunked = || Framing::Chunked(Box::new(ChunkedDecoder::new(8)));
        for (framing, received, sent, data, is_whole) in [
            (Framing::Length(10), "begun", "ended", "begunended", true),
            (Framing::Length(10), "begun", "end", "begunend", false),
            (chunked(), "5\r\nbeg", "un\r\n0\r\n\r\n", "begun", true),
            (chunked(), "5\r\nbegun\r\n", "0\r\n\r", "begun", false),
            (chunked(), "5\r\nbegun\r\n", "xyz\r\n", "begun", false),
            (Framing::UntilClose, "begun", "ended", "begunended", true),
            (Framing::UntilClose, "", "", "", true),
        ] {
            run(async {
                let (mut body, pool, mut endpoint) = body(framing, received, Outgoing::none()).await;
                endpoint.write_all(sent.as_bytes()).unwrap();
                drop(endpoint);
                let mut got = String::new();
                let end = loop {
                    match next(&mut body).await {
                        Some(Ok(bytes)) => got.push_str(std::str::from_utf8(&bytes).unwrap()),
                        end => break end,
                    }
                };
                assert_eq!((got.as_str(), end.is_none(), body.is_complete()), (data, is_whole, is_whole), "{sent:?}");
                assert!(matches!(end, None | Some(Err(AnswerError::BrokenOff(_)))));
                assert!(next(&mut body).await.is_none(), "there is nothing behind an end");
                let _may_be_given_back_and_is_closed = pool;
            });
        }
    }

    #[test]
    fn an_error_is_told_after_what_lay_before_it_could_be_written() {
        run(async {
            let framing = Framing::Chunked(Box::new(ChunkedDecoder::new(8)));
            let (mut body, _pool, _endpoint) = body(framing, "5\r\nbegun\r\nxyz\r\n", Outgoing::none()).await;
            let mut cx = Context::from_waker(Waker::noop());
            assert!(matches!(Pin::new(&mut body).poll_frame(&mut cx), Poll::Ready(Some(Ok(_)))));
            assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
            assert!(matches!(Pin::new(&mut body).poll_frame(&mut cx), Poll::Ready(Some(Err(_)))));
        });
    }

    #[test]
    fn only_the_time_in_which_a_piece_is_awaited_counts_as_a_stall() {
        run(async {
            let (mut body, pool, mut endpoint) = body(Framing::Length(15), "begun", Outgoing::none()).await;
            assert_eq!(next(&mut body).await.unwrap().unwrap(), "begun");
            tokio::time::advance(2 * HOUR).await; // a client that takes its time
            endpoint.write_all(b"moved").unwrap();
            assert_eq!(next(&mut body).await.unwrap().unwrap(), "moved");
            let asked = Instant::now();
            assert!(matches!(next(&mut body).await, Some(Err(AnswerError::Stalled(HOUR)))));
            assert!(asked.elapsed() >= HOUR);
            assert!(!body.is_complete() && pool.is_empty());
        });
    }

    #[test]
    fn what_is_read_ahead_is_given_again_in_its_order() {
        run(async {
            let (mut body, _pool, mut endpoint) = body(Framing::Length(10), "begun", Outgoing::none()).await;
            endpoint.write_all(b"ended").unwrap();
            assert_eq!(body.read_ahead(9).await, None, "it is longer");
            assert_eq!(body.read_ahead(10).await.unwrap(), "begunended");
            assert_eq!((body.size_hint().exact(), body.is_complete()), (Some(10), false));
            assert_eq!(next(&mut body).await.unwrap().unwrap(), "begun");
            assert_eq!(next(&mut body).await.unwrap().unwrap(), "ended");
            assert!(body.is_complete() && next(&mut body).await.is_none());
        });
    }

    #[test]
    fn a_body_that_was_read_ahead_can_be_replaced_and_has_the_length_of_the_new_one() {
        run(async {
            let framing = Framing::Chunked(Box::new(ChunkedDecoder::new(8)));
            let (mut body, pool, _endpoint) = body(framing, "5\r\nbegun\r\n0\r\n\r\n", Outgoing::none()).await;
            assert_eq!(body.read_ahead(10).await.unwrap(), "begun");
            body.replace(Bytes::from_static(b"other"));
            assert_eq!((body.size_hint().exact(), body.is_complete()), (Some(5), false));
            assert_eq!(next(&mut body).await.unwrap().unwrap(), "other");
            assert!(body.is_complete() && next(&mut body).await.is_none() && !pool.is_empty());
        });
    }
}
