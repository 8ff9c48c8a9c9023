//! Writing an answer: head and first piece together when both are there, and no more read of the rest than the client takes.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::Body;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::AsyncWrite as _;

use super::message::Reply;
use super::shared_stream::SharedStream;
use super::stream::Socket;
use crate::clock;
use crate::http1::outgoing_response::{Asked, BodyAsked, asked_persistence, write_field, write_head};
use crate::http1::{MOST_COPIED, Persistence, ResponseFraming, Version};

thread_local! {
    /// Memory for what is written at once, head and small pieces: an answer that waits for nobody leaves it to the next one.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes `reply` to its end.
///
/// # Errors
/// The client is gone or does not read; or the answer breaks off, which the client has to see.
pub(super) async fn answer<S, B>(
    stream: &SharedStream<S>,
    reply: Reply<B>,
    after: Persistence,
) -> io::Result<Persistence>
where
    S: Socket,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    let Reply { status, fields, body } = reply;
    let says = asked_persistence(&fields);
    // a body that was not read, and has not come as a whole either, would be taken for the next request
    let after = if says == Persistence::KeepAlive && stream.skip_body() { after } else { Persistence::Close };
    let asked = Asked { version: Version::Http11, body: BodyAsked::Yes };
    let framing = ResponseFraming::of(status, body.size_hint().exact(), asked);
    let mut unwritten = Unwritten { before: ROOM.take(), ..Unwritten::default() };
    write_head(status, &fields, framing, asked.version, after, write_date, &mut unwritten.before);
    let mut body = pin!(body);
    let mut left = framing.length();
    while left != Some(0) {
        let next = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => {
                // nothing more for now: what there is goes out, and the client is watched
                ready!(unwritten.poll_write(stream, cx))?;
                stream.poll_while_waiting(cx, |_| Poll::Pending)
            }
        });
        let Some(frame) = next.await? else { break };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                // what came before the break is the client's
                poll_fn(|cx| unwritten.poll_write(stream, cx)).await?;
                return Err(io::Error::other(error));
            }
        };
        // trailers are not passed on: a client that can take them is hyper's
        let Ok(piece) = frame.into_data() else { continue };
        if piece.is_empty() {
            continue; // an empty chunk would be the last
        }
        match &mut left {
            Some(left) => *left = rest_of(*left, &piece)?,
            None => unwritten.begin_chunk(&piece),
        }
        unwritten.add(piece);
        poll_fn(|cx| unwritten.poll_room(stream, cx)).await?;
    }
    match left {
        Some(0) => {}
        Some(_) => return Err(io::Error::other("the body is shorter than announced")),
        None => unwritten.before.extend_from_slice(b"0\r\n\r\n"),
    }
    poll_fn(|cx| unwritten.poll_write(stream, cx)).await?;
    ROOM.set(unwritten.before);
    Ok(after)
}

/// RFC 9110 section 6.6.1. The text is made once a second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static WRITTEN: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let now = clock::now();
    WRITTEN.with_borrow_mut(|(second, text)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
        }
        // a clock that is beyond what can be written is none
        if !text.is_empty() {
            write_field(b"date", text.as_bytes(), out);
        }
    });
}

fn rest_of(left: u64, piece: &Bytes) -> io::Result<u64> {
    let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
    left.checked_sub(length).ok_or_else(|| io::Error::other("the body is longer than announced"))
}

/// What is to be written, in this order.
#[derive(Default)]
struct Unwritten {
    before: Vec<u8>,
    /// How much of `before` has been written.
    done: usize,
    piece: Bytes,
    behind: &'static [u8],
    /// Whether anything has been written that may not have left.
    dirty: bool,
}

impl Unwritten {
    fn begin_chunk(&mut self, piece: &Bytes) {
        self.before.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        self.behind = b"\r\n";
    }

    /// There must be no piece.
    fn add(&mut self, piece: Bytes) {
        if piece.len() > MOST_COPIED {
            self.piece = piece;
            return;
        }
        self.before.extend_from_slice(&piece);
        self.before.extend_from_slice(std::mem::take(&mut self.behind));
    }

    /// Makes room for another piece.
    fn poll_room<S: Socket>(&mut self, stream: &SharedStream<S>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.piece.is_empty() && self.before.len() < MOST_COPIED {
            return Poll::Ready(Ok(()));
        }
        self.poll_write(stream, cx)
    }

    /// Writes everything.
    fn poll_write<S: Socket>(&mut self, stream: &SharedStream<S>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = stream.borrow();
        loop {
            let before = self.before.get(self.done..).unwrap_or_default();
            let slices = [IoSlice::new(before), IoSlice::new(&self.piece), IoSlice::new(self.behind)];
            let wrote = match (before, &*self.piece, self.behind) {
                ([], [], []) => break,
                (_, [], []) => ready!(Pin::new(&mut *stream).poll_write(cx, before))?,
                _ => ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices))?,
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.dirty = true;
            self.advance(wrote);
        }
        if self.dirty {
            ready!(Pin::new(&mut *stream).poll_flush(cx))?;
            self.dirty = false;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut wrote: usize) {
        let of_before = wrote.min(self.before.len().saturating_sub(self.done));
        self.done = self.done.saturating_add(of_before);
        if self.done == self.before.len() {
            self.before.clear();
            self.done = 0;
        }
        wrote = wrote.saturating_sub(of_before);
        let of_piece = wrote.min(self.piece.len());
        self.piece.advance(of_piece);
        wrote = wrote.saturating_sub(of_piece);
        self.behind = self.behind.get(wrote..).unwrap_or_default();
    }
}
