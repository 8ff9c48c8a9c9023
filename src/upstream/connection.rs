//! HTTP/1.1 on one connection to an endpoint, one request at a time. A request is written while its response is read,
//! with as few system calls as possible.
//!
//! There is no task behind it: an idle connection does nothing, and whoever waits for an answer reads it. A connection
//! on which nothing has come has no buffer.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use super::error::{SendError, is_about_our_certificate};
use super::request::Outgoing;
use super::socket::{Look, Socket};
use crate::clock::Deadline;
use crate::http1::{ReceiveBuffer, ResponseHead, ResponseHeadReader};

/// Bytes that are read at once: enough for most responses as a whole.
const READ: usize = 8 * 1024;
/// The same, for a response that has filled the last read.
const MORE_READ: usize = 64 * 1024;

/// A connection that can carry one request at a time. Dropping it closes the socket at once, whatever is under way.
pub struct Connection {
    socket: Socket,
    /// The other end; none for a Unix socket.
    pub(super) address: Option<SocketAddr>,
    request: Outgoing,
    buffer: ReceiveBuffer,
    /// How many bytes the next read may take.
    read_size: usize,
    /// Whether the endpoint has ever said anything on it.
    has_answered: bool,
    clock: Deadline,
}

impl Connection {
    /// On a socket that has carried nothing. Boxed, since it is moved often.
    pub(super) fn new(socket: Socket, address: Option<SocketAddr>) -> Box<Self> {
        let clock = Deadline::at(Instant::now());
        Box::new(Self {
            socket,
            address,
            request: Outgoing::none(),
            buffer: ReceiveBuffer::default(),
            read_size: READ,
            has_answered: false,
            clock,
        })
    }

    /// Whether the endpoint has neither closed it nor said anything since its last answer.
    pub(super) fn is_fit(&mut self) -> bool {
        self.socket.look() == Look::Quiet
    }

    /// Whether the endpoint has not closed it.
    pub(super) fn is_open(&mut self) -> bool {
        self.socket.look() != Look::Ended
    }

    /// Whether all of the last request is written.
    pub(super) const fn is_written(&self) -> bool {
        self.request.is_written()
    }

    /// Has a request that is still to be written.
    #[cfg(test)]
    pub(super) fn owe(&mut self, request: Outgoing) {
        self.request = request;
    }

    /// To be idle from now on.
    pub(super) fn rest(&mut self) {
        self.buffer.rest();
        self.read_size = READ;
    }

    /// Sends `request` and waits for the head of its answer, which comes with what was read behind it. The rest of the
    /// request goes on being written while the body is read.
    ///
    /// # Errors
    /// The request was not sent if the kernel has taken no byte since it was handed over: there is no other proof.
    pub(super) async fn send(
        &mut self,
        request: Outgoing,
        answer_by: Instant,
    ) -> Result<(ResponseHead, Bytes), SendError> {
        let before = self.socket.written();
        self.request = request;
        self.clock.set(answer_by);
        let mut reader = ResponseHeadReader::default();
        let error = match poll_fn(|cx| self.poll_head(&mut reader, cx)).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        Err(if self.socket.written() == before { error.before_sending() } else { error })
    }

    fn poll_head(
        &mut self,
        reader: &mut ResponseHeadReader,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, Bytes), SendError>> {
        loop {
            match self.poll_exchange(cx) {
                Poll::Ready(Ok(0)) => {
                    let end = io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection");
                    return Poll::Ready(Err(SendError::BrokenOff(end)));
                }
                Poll::Ready(Ok(_)) => {
                    if let Some(answer) = reader.read(&mut self.buffer)? {
                        return Poll::Ready(Ok(answer));
                    }
                }
                Poll::Ready(Err(error)) if !self.has_answered && is_about_our_certificate(&error) => {
                    return Poll::Ready(Err(SendError::ClientRefused(error)));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(SendError::BrokenOff(error))),
                Poll::Pending => {
                    ready!(self.clock.poll(cx));
                    return Poll::Ready(Err(SendError::AnswerTimeout));
                }
            }
        }
    }

    /// Receives more of the answer; nothing when the connection has ended in order.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        ready!(self.poll_exchange(cx))?;
        Poll::Ready(Ok(self.buffer.take_all()))
    }

    /// Sets the clock.
    pub(super) fn wake_at(&mut self, end: Instant) {
        self.clock.set(end);
    }

    /// Waits for the time that the clock was set to.
    pub(super) fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.clock.poll(cx)
    }

    /// Writes what can be written, then reads what there is to read.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(wrote) = self.request.poll_write(&mut self.socket, cx) {
            wrote?;
        }
        if self.buffer.spare() < READ {
            let _more = self.buffer.space(self.read_size);
        }
        let offered = self.buffer.spare();
        let read = pin!(self.socket.read_buf(self.buffer.space(0))).poll(cx);
        self.buffer.rest();
        let read = ready!(read)?;
        self.has_answered |= read > 0;
        self.read_size = if read == offered { MORE_READ } else { READ };
        Poll::Ready(Ok(read))
    }
}
