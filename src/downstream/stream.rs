//! A client's byte stream with the clocks that HTTP framing alone does not give it, its heads judged, and an end that does not
//! lose answers.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;

use super::tap::{Judgement, Tap, Verdict};
use crate::clock::Deadline;
use crate::http1::HeadFault;

/// What the connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For the first byte of a request, and the clock has yet to be set: an exchange has just ended.
    Rest,
    /// For the first byte of a request: `idle_timeout` runs.
    Idle,
    /// For the rest of a head: `head_timeout` runs.
    Head,
    /// For us. The exchange has deadlines of its own.
    Exchange,
    /// For nothing any more: an answer broke off midway.
    Cut,
}

/// What carries a client's bytes.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Pending as long as there is nothing to read, where that can be known without trying.
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Makes the close that follows look like a failure to the other end, and throws away what it has not taken yet.
    fn reset_on_close(&self);
}

impl Socket for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(drop)
    }

    fn reset_on_close(&self) {
        // should it fail, the close is an ordinary one, and the framing alone says that the answer was cut
        let _best_effort = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Socket for TlsStream<TcpStream> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

impl Socket for UnixStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(drop)
    }

    /// Unix sockets know no reset: only the framing says that the answer was cut.
    fn reset_on_close(&self) {}
}

/// The clocks of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// From the first byte of a request to the end of its head.
    pub head_timeout: Duration,
    /// A connection without a request; also how long a client may refuse to take a byte of an answer.
    pub idle_timeout: Duration,
}

/// Tells a [`ClientStream`] when an exchange begins and ends. Cheap to clone; stays on the connection's thread.
#[derive(Debug, Clone)]
pub struct ExchangeMarker {
    phase: Rc<Cell<Phase>>,
    verdict: Verdict,
}

/// An exchange under way; its drop makes the connection idle again.
#[derive(Debug)]
pub struct ExchangeGuard(Rc<Cell<Phase>>);

impl ExchangeMarker {
    /// The head has been read: its clock stops until the guard is dropped. An error says that the head is a stand-in's, and why.
    pub fn begin(&self) -> (ExchangeGuard, Result<(), HeadFault>) {
        self.phase.set(Phase::Exchange);
        let judged = match self.verdict.replace(Judgement::None) {
            Judgement::Good => Ok(()),
            Judgement::Refused(fault) => Err(fault),
            Judgement::None => Err(HeadFault::RequestLine),
        };
        (ExchangeGuard(Rc::clone(&self.phase)), judged)
    }

    /// The same, for a head that has been judged by whoever calls.
    pub(super) fn begin_judged(&self) -> ExchangeGuard {
        self.phase.set(Phase::Exchange);
        ExchangeGuard(Rc::clone(&self.phase))
    }

    /// Whether nothing of a request has come since the last answer.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase.get(), Phase::Rest | Phase::Idle)
    }

    /// Whether a request is being answered.
    pub(super) fn is_in_exchange(&self) -> bool {
        self.phase.get() == Phase::Exchange
    }

    /// Whether a request is on its way whose head is not complete.
    pub(super) fn is_in_head(&self) -> bool {
        self.phase.get() == Phase::Head
    }
}

impl ExchangeGuard {
    /// The answer broke off midway: the connection is to end in a way that nobody takes for the answer's end. A client of
    /// HTTP/1.0 knows no other sign of it.
    pub fn cut(&self) {
        self.0.set(Phase::Cut);
    }
}

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        if self.0.get() != Phase::Cut {
            self.0.set(Phase::Rest);
        }
    }
}

/// How long a client that has closed its half of the connection is taken to be still there while nothing is sent to it. It
/// cannot be told from one that is gone until something is: a client that is gone answers that with a reset.
const HALF_CLOSED: Duration = Duration::from_secs(3);

/// How long, and over how many bytes, a closing connection reads on so that the kernel does not answer unread bytes with a
/// reset, which would take our last answer from the client.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// A client's connection.
pub struct ClientStream<S: Socket> {
    io: S,
    tap: Tap,
    phase: Rc<Cell<Phase>>,
    clocks: Clocks,
    deadline: Deadline,
    writing: Writing,
    half_closed: Option<Pin<Box<Sleep>>>,
    lingered: Option<usize>,
}

/// What the last attempt to write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// Nothing has been written since somebody last looked.
    Quiet,
    /// Something has.
    Moving,
    /// The client does not read.
    Stalled,
}

impl<S: Socket> ClientStream<S> {
    /// Wraps a fresh connection, which is idle.
    pub fn new(io: S, clocks: Clocks) -> (Self, ExchangeMarker) {
        let phase = Rc::new(Cell::new(Phase::Idle));
        let verdict = Rc::new(Cell::new(Judgement::None));
        let marker = ExchangeMarker { phase: Rc::clone(&phase), verdict: Rc::clone(&verdict) };
        let deadline = Deadline::at(from_now(clocks.head_timeout)); // a new connection has no reason to wait
        let tap = Tap::new(verdict);
        let stream =
            Self { io, tap, phase, clocks, deadline, writing: Writing::Quiet, half_closed: None, lingered: None };
        (stream, marker)
    }

    /// Reads what comes behind a message, past the tap: for whoever judges heads himself, of which none is begun. Nothing new in
    /// `buf` is the end; while a request is being answered, it is not told for as long as the client may still be there.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.half_closed.is_some() {
            return self.poll_half_closed(cx);
        }
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if buf.filled().len() == before => self.poll_half_closed(cx),
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_clock(cx),
        }
    }

    /// Pending while a request is being answered and nothing has been heard of the client meanwhile: cheaper than
    /// [`Self::poll_next`].
    pub(super) fn poll_heard(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.half_closed.is_some() { Poll::Ready(()) } else { self.io.poll_readable(cx) }
    }

    /// Reads what belongs to a message of which something has come, past the tap.
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }

    /// Has the tap begin with bytes that were read past it.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.tap.begin_with(bytes);
    }

    fn enter(&mut self, phase: Phase, timeout: Duration) {
        self.phase.set(phase);
        self.deadline.set(from_now(timeout));
    }

    /// Runs the clock of the current phase while a read is pending. A head whose time is over is refused with words; a
    /// connection on which nothing came is closed without.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.phase.get() {
            Phase::Exchange | Phase::Cut => return Poll::Pending,
            Phase::Rest if self.tap.is_in_head() => self.enter(Phase::Head, self.clocks.head_timeout),
            Phase::Rest => self.enter(Phase::Idle, self.clocks.idle_timeout),
            Phase::Idle if self.tap.is_in_head() => self.enter(Phase::Head, self.clocks.head_timeout),
            Phase::Idle | Phase::Head => {}
        }
        ready!(self.deadline.poll(cx));
        if self.tap.is_in_head() {
            self.tap.give_up();
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sent no request in time")))
    }

    /// The client has said all it will. Outside an exchange that is the end; within one it may still be reading.
    fn poll_half_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase.get() != Phase::Exchange {
            return Poll::Ready(Ok(()));
        }
        let patience = self.half_closed.get_or_insert_with(|| Box::pin(sleep(HALF_CLOSED)));
        loop {
            ready!(patience.as_mut().poll(cx));
            match self.writing {
                Writing::Moving => self.writing = Writing::Quiet,
                Writing::Stalled => {}
                Writing::Quiet => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            }
            patience.as_mut().reset(from_now(HALF_CLOSED));
        }
    }
}

impl<S: Socket> Drop for ClientStream<S> {
    fn drop(&mut self) {
        if self.phase.get() == Phase::Cut {
            self.io.reset_on_close();
        }
    }
}

impl<S: Socket> AsyncRead for ClientStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        loop {
            if this.half_closed.is_some() {
                return this.poll_half_closed(cx);
            }
            match this.tap.poll_read(&mut this.io, cx, buf) {
                Poll::Ready(Ok(())) if buf.filled().len() > before => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) if this.tap.is_between_messages() => return this.poll_half_closed(cx),
                Poll::Ready(result) => return Poll::Ready(result),
                // a head that is given up is shown as its stand-in
                Poll::Pending => match ready!(this.poll_clock(cx)) {
                    Ok(()) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                },
            }
        }
    }
}

impl<S: Socket> ClientStream<S> {
    /// A write that makes no progress for `idle_timeout` ends the connection: a client that stops reading may not hold an
    /// exchange for ever, nor the kernel's memory for what it does not read.
    fn watch_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = Writing::Moving;
            return written;
        }
        if self.writing != Writing::Stalled {
            self.writing = Writing::Stalled;
            self.deadline.set(from_now(self.clocks.idle_timeout));
        }
        ready!(self.deadline.poll(cx));
        self.phase.set(Phase::Cut);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl<S: Socket> AsyncWrite for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.watch_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_ready() && self.writing != Writing::Stalled {
            return flushed; // hyper flushes when there is nothing to flush, too: that is no progress
        }
        self.watch_write(cx, flushed)
    }

    /// Closes our half, then reads on until the client closes its half, a second is over or 256 KiB have come.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.phase.get() == Phase::Cut {
            return Poll::Ready(Ok(())); // an end in order is what must not be seen
        }
        if this.lingered.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.lingered = Some(0);
            this.deadline.set(from_now(LINGER));
        }
        let mut sink = [0; 4096];
        while this.lingered.is_some_and(|bytes| bytes < LINGER_BYTES) {
            let mut buf = ReadBuf::new(&mut sink);
            match Pin::new(&mut this.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if buf.filled().is_empty() => break,
                Poll::Ready(Ok(())) => {
                    this.lingered = this.lingered.map(|bytes| bytes.saturating_add(buf.filled().len()));
                }
                Poll::Ready(Err(_)) => break,
                Poll::Pending => {
                    ready!(this.deadline.poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn from_now(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    impl Socket for DuplexStream {
        fn reset_on_close(&self) {}
    }

    const CLOCKS: Clocks = Clocks { head_timeout: Duration::from_secs(10), idle_timeout: Duration::from_secs(60) };

    fn paused<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test)
    }

    /// Reads until there is an empty line.
    async fn head(stream: &mut ClientStream<DuplexStream>) -> Vec<u8> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        head
    }

    #[test]
    fn a_head_that_does_not_end_is_refused_after_the_head_timeout_and_a_silent_connection_cut() {
        paused(async {
            let (mut client, server) = tokio::io::duplex(64);
            let (mut stream, marker) = ClientStream::new(server, CLOCKS);
            client.write_all(b"POST / HT").await.unwrap();
            let started = Instant::now();
            head(&mut stream).await;
            assert_eq!(marker.begin().1, Err(HeadFault::TooSlow));
            assert_eq!(started.elapsed().as_secs(), 10);

            let (_client, server) = tokio::io::duplex(64);
            let (mut stream, _marker) = ClientStream::new(server, CLOCKS);
            let error = stream.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(started.elapsed().as_secs(), 20);
        });
    }

    #[test]
    fn the_beginning_of_a_head_behind_a_request_has_the_head_timeout_too() {
        paused(async {
            let (mut client, server) = tokio::io::duplex(64);
            let (mut stream, marker) = ClientStream::new(server, CLOCKS);
            client.write_all(b"GET / HTTP/1.1\r\n\r\nGET").await.unwrap();
            head(&mut stream).await;
            drop(marker.begin());
            let started = Instant::now();
            head(&mut stream).await;
            assert_eq!(marker.begin().1, Err(HeadFault::TooSlow));
            assert_eq!(started.elapsed().as_secs(), 10);
        });
    }

    #[test]
    fn a_client_that_closes_its_half_has_its_answer_while_it_moves() {
        paused(async {
            let (mut client, server) = tokio::io::duplex(64);
            let (mut stream, marker) = ClientStream::new(server, CLOCKS);
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            client.shutdown().await.unwrap();
            head(&mut stream).await;
            let exchange = marker.begin();
            let waited = tokio::time::timeout(Duration::from_secs(2), stream.read_u8()).await;
            assert!(waited.is_err(), "whether it is gone is not known yet");
            stream.write_all(b"HTTP/1.1 200 OK").await.unwrap();
            let started = Instant::now();
            let error = stream.read_u8().await.unwrap_err();
            assert_eq!((error.kind(), started.elapsed().as_secs()), (io::ErrorKind::ConnectionAborted, 4));
            drop(exchange);
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "between requests, it is the end");
        });
    }

    #[test]
    fn a_connection_between_two_requests_may_wait_for_the_idle_timeout() {
        paused(async {
            let (mut client, server) = tokio::io::duplex(64);
            let (mut stream, marker) = ClientStream::new(server, CLOCKS);
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            head(&mut stream).await;
            let exchange = marker.begin();
            let pending = tokio::time::timeout(Duration::from_secs(3600), stream.read_exact(&mut [0; 1])).await;
            assert!(pending.is_err(), "no clock of the connection runs during an exchange");
            drop(exchange);
            let exchange = marker.begin();
            tokio::time::advance(Duration::from_secs(3600)).await;
            drop(exchange); // whether the stream was asked for more meanwhile or not
            let started = Instant::now();
            stream.read_exact(&mut [0; 1]).await.unwrap_err();
            assert_eq!(started.elapsed().as_secs(), 60);
        });
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_after_the_idle_timeout() {
        paused(async {
            let (_client, server) = tokio::io::duplex(4);
            let (mut stream, marker) = ClientStream::new(server, CLOCKS);
            let _exchange = marker.begin();
            let error = stream.write_all(b"more than four").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_closing_connection_reads_on_until_the_client_has_closed_too() {
        paused(async {
            let (mut client, server) = tokio::io::duplex(64);
            let (mut stream, _marker) = ClientStream::new(server, CLOCKS);
            let closing = tokio::join!(stream.shutdown(), async {
                client.write_all(&[0; 1000]).await.unwrap(); // more than the pipe holds: somebody must be reading
                drop(client);
            });
            closing.0.unwrap();
        });
    }
}
