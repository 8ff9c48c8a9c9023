//! A client's byte stream with the timeouts that HTTP framing does not provide, and a close that does not lose
//! responses.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::client_socket::{Peer, Socket};
use super::exchange_guard::{CutFor, Phase, SharedPhase};
use super::limits::Clocks;
use super::pace::{Pace, TooSlow};
use crate::clock::Deadline;

/// How long a client that has closed its sending side counts as present while nothing is sent to it. Until something is
/// sent, it cannot be distinguished from a client that is gone, which responds with a reset.
const HALF_CLOSED: Duration = Duration::from_secs(3);

/// How often the kernel is asked whether a client is gone, once nothing more is read from that client.
const LOOKS: Duration = Duration::from_millis(500);

/// How long, and over how many bytes, a closing connection reads on so that the kernel does not answer unread bytes
/// with a reset, which would take our last response from the client.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// A client's connection.
pub(super) struct ClientStream<S: Socket> {
    io: S,
    phase: SharedPhase,
    clocks: Clocks,
    deadline: Deadline,
    writing: Writing,
    /// How many bytes have been read and written.
    received: u64,
    sent: u64,
    /// How many of the received bytes frame a body. They are no progress of it.
    framing: u64,
    /// The pace of the client, as it sends a body, and as it reads a response.
    sending: Pace,
    taking: Pace,
    watch: Option<Box<Watch>>,
    closing: Closing,
    /// How many more bytes may be discarded.
    linger_left: usize,
}

/// The result of the last attempt to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// Nothing has been written since the last look.
    Quiet,
    /// Something has been written.
    Moving,
    /// The client does not read.
    Stalled,
}

/// How far the connection has been closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// It is not being closed.
    No,
    /// Our half is being closed: TLS may have to write first.
    OurHalf,
    /// Our half is closed, and what the client still sends is discarded.
    Lingering,
}

/// Looks at a client from which nothing more is read while its response is awaited.
struct Watch {
    next_look: Pin<Box<Sleep>>,
    /// By when something must have been sent to a client that has closed its sending side.
    patience: Option<Instant>,
}

impl<S: Socket> ClientStream<S> {
    /// Wraps a fresh connection, which is idle.
    pub(super) fn new(io: S, clocks: Clocks) -> Self {
        let deadline = Deadline::at(from_now(clocks.head_timeout)); // a new connection has no reason to wait
        let (phase, writing) = (SharedPhase::new(), Writing::Quiet);
        Self {
            io,
            phase,
            clocks,
            deadline,
            writing,
            received: 0,
            sent: 0,
            framing: 0,
            sending: Pace::new(clocks.slowest),
            taking: Pace::new(clocks.slowest),
            watch: None,
            closing: Closing::No,
            linger_left: LINGER_BYTES,
        }
    }

    /// What the connection is waiting for.
    pub(super) const fn phase(&self) -> &SharedPhase {
        &self.phase
    }

    /// The response broke off midway at its source.
    pub(super) fn cut(&self) {
        self.phase.cut(CutFor::Source);
    }

    /// A body begins.
    pub(super) const fn begin_body(&mut self) {
        self.sending.begin(self.progress());
    }

    /// So many of the bytes received frame the body.
    pub(super) fn note_framing(&mut self, bytes: usize) {
        self.framing = self.framing.wrapping_add(u64::try_from(bytes).unwrap_or_default());
    }

    /// How many bytes have been received that do not frame a body.
    const fn progress(&self) -> u64 {
        self.received.wrapping_sub(self.framing)
    }

    /// A response begins.
    pub(super) fn begin_response(&mut self) {
        self.taking.begin(self.io.taken(self.sent));
    }

    /// More of a body is waited for. Ready when the client sends it too slowly.
    pub(super) fn poll_slow_body(&mut self, cx: &mut Context<'_>) -> Poll<TooSlow> {
        let end = self.sending.wait(self.progress(), Duration::MAX, Instant::now());
        self.deadline.set(end);
        self.deadline.poll(cx).map(|()| TooSlow(self.sending.rate()))
    }

    /// Runs the timeout of a connection that waits for a complete head; `in_head` says whether a part of it has been
    /// received. Ready when the time is over.
    pub(super) fn poll_clock(&mut self, in_head: bool, cx: &mut Context<'_>) -> Poll<()> {
        match self.phase.get() {
            Phase::Exchange | Phase::Cut(_) => return Poll::Pending,
            Phase::Rest | Phase::Idle if in_head => self.enter(Phase::Head, self.clocks.head_timeout),
            Phase::Rest => self.enter(Phase::Idle, self.clocks.idle_timeout),
            Phase::Idle | Phase::Head => {}
        }
        self.deadline.poll(cx)
    }

    fn enter(&mut self, phase: Phase, timeout: Duration) {
        self.phase.set(phase);
        self.deadline.set(from_now(timeout));
    }

    /// Pending while there is nothing to read, where that can be known without trying: cheaper than to read.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_readable(cx)
    }

    /// The client has closed its sending side while its response is awaited, and may still read. Ready when it is gone.
    pub(super) fn poll_half_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let watch = self.watch.get_or_insert_with(Watch::begin);
        if watch.patience.is_none() {
            watch.begin_patience(&mut self.writing);
            // a Unix socket knows at once
            if self.io.peer() == Peer::Gone {
                return Poll::Ready(io::ErrorKind::ConnectionReset.into());
            }
        }
        self.poll_gone(cx)
    }

    /// Whether nothing more is read of what the client sends while its response is awaited.
    pub(super) const fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Waits for the client to be gone, without reading what it may have sent.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let watch = self.watch.get_or_insert_with(Watch::begin);
        loop {
            ready!(watch.next_look.as_mut().poll(cx));
            match self.io.peer() {
                Peer::Gone => return Poll::Ready(io::ErrorKind::ConnectionReset.into()),
                Peer::HalfClosed if watch.patience.is_none() => watch.begin_patience(&mut self.writing),
                Peer::HalfClosed | Peer::Open => {}
            }
            if watch.patience.is_some_and(|end| end <= Instant::now()) {
                match self.writing {
                    Writing::Moving => self.writing = Writing::Quiet,
                    Writing::Stalled => {}
                    Writing::Quiet => return Poll::Ready(io::ErrorKind::ConnectionAborted.into()),
                }
                watch.patience = Some(from_now(HALF_CLOSED));
            }
            let next = from_now(LOOKS);
            watch.next_look.as_mut().reset(watch.patience.map_or(next, |end| end.min(next)));
        }
    }

    /// Ends the watch: whatever the client sends is read again.
    pub(super) fn end_watch(&mut self) {
        self.watch = None;
    }

    /// A client that reads its response too slowly, or nothing of it for `idle_timeout`, loses the connection.
    /// Otherwise it could hold an exchange and the kernel's memory for ever. The clock runs only while bytes are ready
    /// and the client does not read them.
    fn watch_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.writing == Writing::Stalled {
                self.taking.go_on(self.io.taken(self.sent), Instant::now());
            }
            self.writing = Writing::Moving;
            return written;
        }
        self.writing = Writing::Stalled;
        let end = self.taking.wait(self.io.taken(self.sent), self.clocks.idle_timeout, Instant::now());
        self.deadline.set(end);
        ready!(self.deadline.poll(cx));
        let slow = TooSlow(self.taking.rate());
        self.phase.cut(CutFor::SlowReader(slow));
        let message = format!("the client takes its response {slow}");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }

    /// Before a client is cut: the kernel may take more of `bytes` by now, and not have said so.
    fn write_in_the_end(&mut self, bytes: &[u8], written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() || self.writing != Writing::Stalled {
            return written;
        }
        let now = Instant::now();
        if self.taking.wait(self.io.taken(self.sent), self.clocks.idle_timeout, now) <= now {
            return self.io.write_unasked(bytes);
        }
        written
    }

    /// Notes how much has been written.
    fn count(&mut self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(wrote)) = written {
            self.sent = self.sent.wrapping_add(u64::try_from(*wrote).unwrap_or_default());
        }
    }

    /// Closes our half, then reads on until the client closes its half, a second is over or 256 KiB have come.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase.is_cut() {
            return Poll::Ready(Ok(())); // an end in order is what must not be seen
        }
        if self.closing == Closing::No {
            self.closing = Closing::OurHalf;
            self.deadline.set(from_now(LINGER));
        }
        if self.closing == Closing::OurHalf
            && let Poll::Ready(closed) = Pin::new(&mut self.io).poll_shutdown(cx)
        {
            self.closing = Closing::Lingering;
            closed?;
        }
        let mut sink = [0; 4096];
        while self.linger_left > 0 {
            let mut buf = ReadBuf::new(&mut sink);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if buf.filled().is_empty() => break,
                Poll::Ready(Ok(())) => self.linger_left = self.linger_left.saturating_sub(buf.filled().len()),
                Poll::Ready(Err(_)) => break,
                Poll::Pending => {
                    ready!(self.deadline.poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Watch {
    fn begin() -> Box<Self> {
        Box::new(Self { next_look: Box::pin(sleep(LOOKS)), patience: None })
    }

    /// From now on the client has to be sent something now and then. What was sent before does not count.
    fn begin_patience(&mut self, writing: &mut Writing) {
        self.patience = Some(from_now(HALF_CLOSED));
        match writing {
            Writing::Moving => *writing = Writing::Quiet,
            Writing::Quiet | Writing::Stalled => {}
        }
    }
}

impl<S: Socket> Drop for ClientStream<S> {
    /// A connection that is dropped before it was closed was in the middle of something, unless it is idle: the worker
    /// ends. Its client must not take that for the end of a response.
    fn drop(&mut self) {
        let is_cut = match (self.phase.get(), self.closing) {
            (Phase::Cut(_), _) => true,
            // an exchange that is dropped leaves the connection at rest
            (Phase::Rest | Phase::Head | Phase::Exchange, Closing::No) => true,
            (Phase::Idle, Closing::No) => false,
            (Phase::Rest | Phase::Head | Phase::Exchange | Phase::Idle, Closing::OurHalf | Closing::Lingering) => false,
        };
        if is_cut {
            self.io.reset_on_close();
        }
    }
}

impl<S: Socket> AsyncRead for ClientStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        let came = buf.filled().len().saturating_sub(before);
        self.received = self.received.wrapping_add(u64::try_from(came).unwrap_or_default());
        read
    }
}

impl<S: Socket> AsyncWrite for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let buf = buf.get(..S::MOST_AT_ONCE).unwrap_or(buf);
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        let written = self.write_in_the_end(buf, written);
        self.count(&written);
        self.watch_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        if first.len() > S::MOST_AT_ONCE {
            return self.poll_write(cx, first);
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, within(bufs, S::MOST_AT_ONCE));
        let written = self.write_in_the_end(first, written);
        self.count(&written);
        self.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_ready() && self.writing != Writing::Stalled {
            return flushed; // there may have been nothing to flush: that is no progress
        }
        self.watch_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }
}

/// As many of the first of `bufs` as have so many bytes together.
fn within<'a, 'b>(bufs: &'a [io::IoSlice<'b>], most: usize) -> &'a [io::IoSlice<'b>] {
    let mut left = most;
    for (at, buf) in bufs.iter().enumerate() {
        match left.checked_sub(buf.len()) {
            Some(rest) => left = rest,
            None => return bufs.get(..at).unwrap_or(bufs),
        }
    }
    bufs
}

fn from_now(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now)
}
