//! What comes from a client: heads while requests are awaited, the body of the request that is being served, and the
//! detection of a client that is gone.
//!
//! It has two readers, which never read at the same time: the connection, which awaits requests, and the body of the
//! request that is being served.

use std::cell::{RefCell, RefMut};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use super::client_socket::Socket;
use super::lifetime::LastRequest;
use super::request_body::{BrokenBody, UnreadBody};
use super::stream::ClientStream;
use crate::http1::head_fault::MAX_REQUEST_HEAD;
use crate::http1::outgoing_response::{Asked, BodyAsked, CONTINUE};
use crate::http1::request_head::Expectation;
use crate::http1::{Framing, HeadFault, ReceiveBuffer, ReceivedRequest, RequestHead, RequestHeadReader, Version};

/// Memory for what is read at once: for a request of the ordinary kind, head and form.
const READ: usize = 2 * 1024;
/// The most memory for a connection whose last request was larger.
const MOST_READ: usize = 64 * 1024;

/// How many bytes of the next requests are read while one is being served. The rest stays with the kernel, which then
/// makes the client wait.
const READ_AHEAD: usize = MAX_REQUEST_HEAD;

/// The most bytes of a body in one piece.
const MOST_IN_ONE_PIECE: usize = 256 * 1024;

/// See the module's page.
pub(super) struct Incoming<S: Socket>(RefCell<Received<S>>);

struct Received<S: Socket> {
    stream: ClientStream<S>,
    /// What has been received and not consumed.
    buffer: ReceiveBuffer,
    /// Has seen the beginning of a head that is not complete.
    head: Option<Box<RequestHeadReader>>,
    /// What is left of the body of the request that is being served, received or not.
    body: Framing,
    /// Whether a reader waits for more of that body, and so will notice the end of the connection.
    body_is_awaited: bool,
    /// The part of `100 Continue` that is still to be written before the body is read.
    interim: &'static [u8],
    /// How much is read at once when nothing has come.
    read: usize,
}

/// What there is to do on a connection.
#[allow(clippy::large_enum_variant)] // it lives for an instant, on the stack
pub(super) enum Begin {
    /// To respond to this request. Its body is the next thing on the connection.
    Request(RequestHead),
    /// To refuse a head.
    Refused(HeadFault, Asked),
    /// Nothing more.
    Nothing,
}

impl<S: Socket> Incoming<S> {
    /// Nothing has come on `stream`.
    pub(super) fn new(stream: ClientStream<S>) -> Self {
        Self(RefCell::new(Received {
            stream,
            buffer: ReceiveBuffer::default(),
            head: None,
            body: Framing::Length(0),
            body_is_awaited: false,
            interim: b"",
            read: READ,
        }))
    }

    /// The stream, for whoever writes.
    pub(super) fn stream(&self) -> RefMut<'_, ClientStream<S>> {
        RefMut::map(self.0.borrow_mut(), |received| &mut received.stream)
    }

    /// Awaits a request.
    pub(super) fn poll_begin(&self, cx: &mut Context<'_>, last: &mut LastRequest) -> Poll<io::Result<Begin>> {
        self.0.borrow_mut().poll_begin(cx, last)
    }

    /// Polls the future that produces the response, and whether the client is gone, which is an error.
    pub(super) fn poll_while_waiting<T>(
        &self,
        cx: &mut Context<'_>,
        mut awaited: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = awaited(cx) {
            return Poll::Ready(Ok(done));
        }
        let received = &mut *self.0.borrow_mut();
        if received.body_is_awaited {
            return Poll::Pending;
        }
        received.poll_gone(cx).map(Err)
    }

    /// Skips what was not read of the body. `false` when that has not been received completely: what follows is then
    /// not the next request.
    pub(super) fn skip_body(&self) -> bool {
        self.0.borrow_mut().skip_body()
    }

    /// The part of an interim response that must be written before anything else.
    pub(super) fn unfinished_interim(&self) -> &'static [u8] {
        let interim = std::mem::take(&mut self.0.borrow_mut().interim);
        if interim.len() < CONTINUE.len() { interim } else { b"" }
    }

    /// Closes the connection so that the client sees what was written last.
    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().stream.poll_close(cx)
    }
}

impl<S: Socket> Received<S> {
    fn poll_begin(&mut self, cx: &mut Context<'_>, last: &mut LastRequest) -> Poll<io::Result<Begin>> {
        self.stream.end_watch();
        loop {
            if !self.buffer.is_empty() {
                match self.read_head() {
                    Ok(Some(request)) => return Poll::Ready(Ok(Begin::Request(self.begin(request)))),
                    Ok(None) => {}
                    Err(fault) => return Poll::Ready(Ok(self.refuse(fault))),
                }
            }
            let in_head = self.head_has_begun();
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) if in_head => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Begin::Nothing)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.stream.poll_clock(in_head, cx).is_ready() => {
                    return Poll::Ready(if in_head {
                        Ok(self.refuse(HeadFault::TooSlow))
                    } else {
                        Err(io::Error::new(io::ErrorKind::TimedOut, "the client sent no request in time"))
                    });
                }
                // a head that has begun is waited for
                Poll::Pending if !in_head && last.is_over(cx) => return Poll::Ready(Ok(Begin::Nothing)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether a head has begun. The empty line that some clients send after a body does not begin one: RFC 9112
    /// section 2.2.
    fn head_has_begun(&self) -> bool {
        !matches!(self.buffer.as_slice(), b"" | b"\r" | b"\r\n")
    }

    /// The head, once all of it has been received.
    fn read_head(&mut self) -> Result<Option<ReceivedRequest>, HeadFault> {
        match &mut self.head {
            Some(reader) => reader.read(self.buffer.as_slice()),
            None => {
                let mut reader = RequestHeadReader::default();
                let read = reader.read(self.buffer.as_slice());
                if matches!(read, Ok(None)) {
                    self.head = Some(Box::new(reader));
                }
                read
            }
        }
    }

    fn begin(&mut self, request: ReceivedRequest) -> RequestHead {
        let ReceivedRequest { head, length, framing, expectation } = request;
        self.head = None;
        self.buffer.skip(length);
        let body = match framing {
            Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Framing::Chunked(_) | Framing::UntilClose => 0,
        };
        // a read that fills its memory is followed by one that finds nothing
        self.read = length.saturating_add(body).saturating_add(1).clamp(READ, MOST_READ);
        self.interim = match expectation {
            Expectation::Continue if !framing.is_over() => CONTINUE,
            Expectation::Continue | Expectation::Nothing => b"",
        };
        self.body = framing;
        self.body_is_awaited = false;
        self.stream.begin_body();
        head
    }

    fn refuse(&self, fault: HeadFault) -> Begin {
        let head = self.buffer.as_slice();
        let head = head.strip_prefix(b"\r\n").unwrap_or(head);
        let body = if head.starts_with(b"HEAD ") { BodyAsked::No } else { BodyAsked::Yes };
        Begin::Refused(fault, Asked { version: Version::Http11, body })
    }

    /// Reads once, appending to what has been received. 0 is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let more = match (self.buffer.len(), self.buffer.spare()) {
            (0, _) => self.read,
            (come, 0) => come,
            (_, _) => 0,
        };
        let read = pin!(self.stream.read_buf(self.buffer.space(more))).poll(cx);
        self.buffer.rest();
        read
    }

    /// Waits for the client to be gone. What it sends meanwhile is read, up to a limit: a reset shows behind unread
    /// bytes only when they have been read, and TLS shows nothing else.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.stream.is_watched() {
            return self.stream.poll_gone(cx);
        }
        while self.buffer.len() < READ_AHEAD {
            ready!(self.stream.poll_readable(cx));
            match ready!(self.poll_read(cx)) {
                Ok(0) => return self.stream.poll_half_closed(cx),
                Ok(_) => {}
                Err(error) => return Poll::Ready(error),
            }
        }
        self.stream.poll_gone(cx)
    }

    fn skip_body(&mut self) -> bool {
        self.body_is_awaited = false; // nor ever again
        // a client that was not asked for the body may never send it
        if !self.interim.is_empty() {
            return false;
        }
        while !self.body.is_over() {
            match self.body.step(self.buffer.as_slice()) {
                Ok(step) if step.skip == 0 && step.data == 0 => return false,
                Ok(step) => self.buffer.skip(step.skip.saturating_add(step.data)),
                Err(_bad) => return false,
            }
        }
        true
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BrokenBody>> {
        if self.body.is_over() {
            return Poll::Ready(Ok(None));
        }
        let piece = match (self.poll_interim(cx), &self.body) {
            (Poll::Pending, _) => Poll::Pending,
            (Poll::Ready(Err(error)), _) => Poll::Ready(Err(BrokenBody::Socket(error))),
            (Poll::Ready(Ok(())), Framing::Length(left)) => self.poll_piece(*left, cx),
            (Poll::Ready(Ok(())), Framing::Chunked(_) | Framing::UntilClose) => self.poll_chunk(cx),
        };
        self.body_is_awaited = piece.is_pending();
        if piece.is_pending()
            && let Poll::Ready(slow) = self.stream.poll_slow_body(cx)
        {
            return Poll::Ready(Err(BrokenBody::Slow(slow)));
        }
        if self.buffer.is_empty() {
            self.buffer.rest(); // for those who are served while the endpoint is waited for
        }
        piece
    }

    /// Tells a client that waits to send its body.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.interim.is_empty() {
            let wrote = ready!(pin!(&mut self.stream).poll_write(cx, self.interim))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim = self.interim.get(wrote..).unwrap_or_default();
        }
        // what TLS has not passed on goes before whatever is written next, if not now
        let _flushed = pin!(&mut self.stream).poll_flush(cx)?;
        Poll::Ready(Ok(()))
    }

    /// The rest of a body of which so much is left, in one piece if it is not too long.
    fn poll_piece(&mut self, left: u64, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BrokenBody>> {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(MOST_IN_ONE_PIECE);
        while let Some(missing) = wanted.checked_sub(self.buffer.len()).filter(|missing| *missing > 0) {
            // memory is taken for bytes that have arrived, not for an announced length
            let space = wanted.min(self.buffer.len().saturating_mul(2).max(MOST_READ));
            let mut rest = self.buffer.space_for_all(space).limit(missing);
            match ready!(pin!(self.stream.read_buf(&mut rest)).poll(cx)) {
                Ok(0) => return Poll::Ready(Err(BrokenBody::Socket(io::ErrorKind::UnexpectedEof.into()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(BrokenBody::Socket(error))),
            }
        }
        let rest = left.saturating_sub(u64::try_from(wanted).unwrap_or(u64::MAX));
        self.body = Framing::Length(rest);
        Poll::Ready(Ok(Some(self.buffer.take(wanted))))
    }

    /// The data of the next chunk, as far as it has come.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BrokenBody>> {
        loop {
            let step = self.body.step(self.buffer.as_slice()).map_err(BrokenBody::Framing)?;
            self.buffer.skip(step.skip);
            self.stream.note_framing(step.skip);
            if step.data > 0 {
                return Poll::Ready(Ok(Some(self.buffer.take(step.data))));
            }
            if self.body.is_over() {
                return Poll::Ready(Ok(None));
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) => return Poll::Ready(Err(BrokenBody::Socket(io::ErrorKind::UnexpectedEof.into()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(BrokenBody::Socket(error))),
            }
        }
    }
}

impl<S: Socket> UnreadBody for Incoming<S> {
    fn left(&self) -> (u64, Option<u64>) {
        match &self.0.borrow().body {
            Framing::Length(left) => (*left, Some(*left)),
            chunks if chunks.is_over() => (0, Some(0)),
            Framing::Chunked(chunks) => (chunks.announced(), None),
            Framing::UntilClose => (0, None),
        }
    }

    fn arrived(&self) -> usize {
        let this = self.0.borrow();
        match &this.body {
            Framing::Length(left) => this.buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX)),
            // the part of a chunk that has arrived is handed out
            Framing::Chunked(_) | Framing::UntilClose => 0,
        }
    }

    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BrokenBody>> {
        self.0.borrow_mut().poll_body(cx)
    }
}
