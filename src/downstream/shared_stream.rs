//! A client's stream in the hands of two who never read at once: the connection, which awaits requests, and the body of the one
//! that is being handled.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::ending::Ending;
use super::request_body::Remaining;
use super::stream::{ClientStream, Socket};
use super::usual::usual;
use crate::http1::{RequestHead, RequestHeadReader};

/// Room for a request of the ordinary kind, head and form.
const ROOM: usize = 2 * 1024;
/// Most room at once for a connection whose last request was larger.
const MOST_ROOM: usize = 64 * 1024;

/// A body up to this size is copied out of the room, which costs less than to share it.
const COPIED: usize = 4 * 1024;

thread_local! {
    /// The room of connections that wait: one for all of a worker.
    static SPARE: Cell<BytesMut> = Cell::default();
}

/// See the module's page.
pub(super) struct SharedStream<S: Socket>(RefCell<Received<S>>);

struct Received<S: Socket> {
    stream: ClientStream<S>,
    /// What has come and was not taken. Without room of its own while nothing has.
    bytes: BytesMut,
    /// Of the body of the request under way, whether it has come or not.
    body_left: usize,
    /// For the next request.
    room: usize,
}

/// What there is to do on a connection.
#[allow(clippy::large_enum_variant)] // it lives for a moment, on the stack
pub(super) enum Begin {
    /// This.
    Usual(RequestHead),
    /// Something for hyper.
    Unusual,
    /// Nothing more.
    Nothing,
}

impl<S: Socket> SharedStream<S> {
    /// Nothing has come on it.
    pub(super) fn new(stream: ClientStream<S>) -> Self {
        Self(RefCell::new(Received { stream, bytes: BytesMut::new(), body_left: 0, room: ROOM }))
    }

    /// The stream, for whoever writes.
    pub(super) fn borrow(&self) -> RefMut<'_, ClientStream<S>> {
        RefMut::map(self.0.borrow_mut(), |received| &mut received.stream)
    }

    /// The stream with all that has come on it.
    pub(super) fn into_hyper(self: Rc<Self>) -> Option<ClientStream<S>> {
        let Received { mut stream, bytes, body_left: _, room: _ } = Rc::into_inner(self)?.0.into_inner();
        stream.put_back(&bytes);
        Some(stream)
    }

    /// Awaits a request.
    pub(super) fn poll_begin(&self, cx: &mut Context<'_>, ending: &mut Ending) -> Poll<io::Result<Begin>> {
        let received = &mut *self.0.borrow_mut();
        if received.bytes.is_empty() {
            received.give_back_room();
            match received.poll_more(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Begin::Nothing)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if ending.is_over(cx) => return Poll::Ready(Ok(Begin::Nothing)),
                Poll::Pending => return Poll::Pending,
            }
        }
        // a head that is larger than the room goes on at once; one that comes slowly is hyper's
        while received.head_fills_room() {
            match received.poll_rest_of_head(cx) {
                Poll::Ready(Ok(0)) | Poll::Pending => break,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(received.begin().map_or(Begin::Unusual, Begin::Usual)))
    }

    /// Polls what an answer is awaited from, and whether the client still waits for it: an error when it does not.
    pub(super) fn poll_while_waiting<T>(
        &self,
        cx: &mut Context<'_>,
        mut awaited: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = awaited(cx) {
            return Poll::Ready(Ok(done));
        }
        let received = &mut *self.0.borrow_mut();
        // while more is to come of the body, its reader notices an end; of the next request no more is read than has come
        if received.body_left > 0 || !received.bytes.is_empty() {
            return Poll::Pending;
        }
        ready!(received.stream.poll_heard(cx));
        ready!(received.poll_more(cx))?;
        Poll::Pending
    }

    /// Skips what nobody wanted of the body, if all of it has come; else what follows is not the next request.
    pub(super) fn skip_body(&self) -> bool {
        let received = &mut *self.0.borrow_mut();
        if received.bytes.len() < received.body_left {
            return false;
        }
        received.bytes.advance(std::mem::take(&mut received.body_left));
        true
    }
}

impl<S: Socket> Received<S> {
    /// Of a request of which nothing is left.
    fn give_back_room(&mut self) {
        let room = std::mem::take(&mut self.bytes);
        if room.capacity() > 0 {
            SPARE.set(room);
        }
    }

    /// Reads once. 0 is the end of the stream.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = SPARE.take();
        bytes.reserve(self.room);
        let read = pin!(Next(&mut self.stream).read_buf(&mut bytes)).poll(cx);
        if bytes.is_empty() {
            SPARE.set(bytes);
        } else {
            self.bytes = bytes;
        }
        read
    }

    fn head_fills_room(&self) -> bool {
        let fills = self.bytes.len() == self.bytes.capacity();
        fills && matches!(RequestHeadReader::default().read(&self.bytes), Ok(None))
    }

    /// Reads once, behind a head that is not complete and not too large yet: how large one may be, its reader knows.
    fn poll_rest_of_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.bytes.reserve(self.bytes.len());
        pin!(OfMessage(&mut self.stream).read_buf(&mut self.bytes)).poll(cx)
    }

    /// The request that has come, if its head has come whole and it is usual. What is not stays where it is, for hyper.
    fn begin(&mut self) -> Option<RequestHead> {
        let Ok(Some(request)) = RequestHeadReader::default().read(&self.bytes) else { return None };
        let length = request.length;
        let (request, body) = usual(request)?;
        self.bytes.advance(length);
        self.body_left = body;
        // a read that fills its room is followed by one that finds nothing
        self.room = length.saturating_add(body).saturating_add(1).clamp(ROOM, MOST_ROOM);
        Some(request)
    }

    /// The rest of the body in one piece.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        while let Some(missing) = self.body_left.checked_sub(self.bytes.len()).filter(|missing| *missing > 0) {
            if self.bytes.capacity() < self.body_left {
                let mut whole = BytesMut::with_capacity(self.body_left);
                whole.extend_from_slice(&self.bytes);
                self.bytes = whole;
            }
            let mut room = (&mut self.bytes).limit(missing);
            if ready!(pin!(OfMessage(&mut self.stream).read_buf(&mut room)).poll(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let length = std::mem::take(&mut self.body_left);
        let rest = match self.bytes.get(..length) {
            Some(small) if length <= COPIED => {
                let copy = Bytes::copy_from_slice(small);
                self.bytes.advance(length);
                copy
            }
            _ => self.bytes.split_to(length).freeze(),
        };
        if self.bytes.is_empty() {
            self.give_back_room(); // for those who are served while the endpoint is waited for
        }
        Poll::Ready(Ok(rest))
    }
}

impl<S: Socket> Remaining for SharedStream<S> {
    fn left(&self) -> usize {
        self.0.borrow().body_left
    }

    fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        self.0.borrow_mut().poll_rest(cx)
    }
}

/// Reads what comes behind a message.
struct Next<'s, S: Socket>(&'s mut ClientStream<S>);

impl<S: Socket> AsyncRead for Next<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_next(cx, buf)
    }
}

/// Reads what belongs to a message that has begun.
struct OfMessage<'s, S: Socket>(&'s mut ClientStream<S>);

impl<S: Socket> AsyncRead for OfMessage<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_message(cx, buf)
    }
}
