//! Writing a response: head and first piece together when both are available, and the rest read only as fast as the
//! client takes it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::Body;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::AsyncWrite as _;

use super::client_socket::Socket;
use super::handler::Reply;
use super::incoming::Incoming;
use crate::clock;
use crate::http1::outgoing_response::{
    Asked, LAST_CHUNK, asked_persistence, write_chunk_size, write_field, write_head,
};
use crate::http1::{MOST_COPIED, Persistence, ResponseFraming};

thread_local! {
    /// Memory for what is written at once, head and small pieces: a response that waits for nobody leaves it to the
    /// next one.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes all of `reply`. Returns what becomes of the connection; `wanted` is what the client asked for.
///
/// # Errors
/// The client is gone or does not read; or the response breaks off, and the client must see that.
pub(super) async fn respond<S, B>(
    incoming: &Incoming<S>,
    reply: Reply<B>,
    asked: Asked,
    wanted: Persistence,
) -> io::Result<Persistence>
where
    S: Socket,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    let Reply { status, fields, body } = reply;
    let framing = ResponseFraming::of(status, body.size_hint().exact(), asked);
    let all = [wanted, asked_persistence(&fields), framing.persistence()];
    // a body that was neither read nor received completely would be read as the next request
    let persistence = if all.contains(&Persistence::Close) || !incoming.skip_body() {
        Persistence::Close
    } else {
        Persistence::KeepAlive
    };
    let mut unwritten = Unwritten { before: SPARE.take(), ..Unwritten::default() };
    unwritten.before.extend_from_slice(incoming.unfinished_interim());
    write_head(status, &fields, framing, asked.version, persistence, write_date, &mut unwritten.before);
    incoming.stream().begin_response();
    let mut body = pin!(body);
    let mut left = framing.length();
    while left != Some(0) {
        let next = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => {
                // nothing more for now: write what there is, and watch the client
                ready!(unwritten.poll_write(incoming, cx))?;
                incoming.poll_while_waiting(cx, |_| Poll::Pending)
            }
        });
        let Some(frame) = next.await? else { break };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                // the client gets what came before the break
                poll_fn(|cx| unwritten.poll_write(incoming, cx)).await?;
                return Err(cut(incoming, error));
            }
        };
        // trailers are not passed on
        let Ok(piece) = frame.into_data() else { continue };
        if piece.is_empty() {
            continue; // an empty chunk would be the last
        }
        if let Some(left) = &mut left {
            *left = rest_of(*left, &piece).ok_or_else(|| cut(incoming, "the body is longer than announced"))?;
        } else if framing == ResponseFraming::Chunked {
            unwritten.begin_chunk(&piece);
        }
        unwritten.add(piece);
        poll_fn(|cx| unwritten.poll_space(incoming, cx)).await?;
    }
    match left {
        Some(0) => {}
        Some(_) => return Err(cut(incoming, "the body is shorter than announced")),
        None if framing == ResponseFraming::Chunked => unwritten.before.extend_from_slice(LAST_CHUNK),
        None => {}
    }
    poll_fn(|cx| unwritten.poll_write(incoming, cx)).await?;
    SPARE.set(unwritten.before);
    Ok(persistence)
}

fn cut<S: Socket>(incoming: &Incoming<S>, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    incoming.stream().cut();
    io::Error::other(error)
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
        // a date that cannot be written, such as one of a year beyond 9999, is left out
        if !text.is_empty() {
            write_field(b"date", text.as_bytes(), out);
        }
    });
}

fn rest_of(left: u64, piece: &Bytes) -> Option<u64> {
    left.checked_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX))
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
        write_chunk_size(piece.len(), &mut self.before);
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

    /// Makes space for another piece.
    fn poll_space<S: Socket>(&mut self, incoming: &Incoming<S>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.piece.is_empty() && self.before.len() < MOST_COPIED {
            return Poll::Ready(Ok(()));
        }
        self.poll_write(incoming, cx)
    }

    /// Writes everything.
    fn poll_write<S: Socket>(&mut self, incoming: &Incoming<S>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = incoming.stream();
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
