//! A signed request on its way to the endpoint: what of it is still to be written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::http1::{Fields, MOST_COPIED, RequestTemplate};
use crate::signing::{SignedHead, SignedRequest};

/// A request, of which the socket has taken some or all.
pub(super) struct Outgoing {
    head: Vec<u8>,
    body: Bytes,
    /// How much of head and body the socket has.
    taken: usize,
    is_written: bool,
}

impl Outgoing {
    /// `signed` behind its head, in which nothing a client wrote stands but the fields its route lists.
    pub(super) fn new(template: &RequestTemplate, signed: SignedRequest, forwarded: &Fields) -> Self {
        let length = signed.body().len();
        let is_copied = length <= MOST_COPIED;
        let room = if is_copied { length } else { 0 };
        let added = signed.head().into_iter().flat_map(SignedHead::added_fields);
        let mut head = template.head(length, room, added, forwarded);
        if !is_copied {
            return Self { head, body: signed.into_body(), taken: 0, is_written: false };
        }
        head.extend_from_slice(signed.body());
        Self { head, body: Bytes::new(), taken: 0, is_written: false }
    }

    /// No request at all.
    pub(super) const fn none() -> Self {
        Self { head: Vec::new(), body: Bytes::new(), taken: 0, is_written: true }
    }

    /// These bytes.
    #[cfg(test)]
    pub(super) const fn of(head: Vec<u8>) -> Self {
        Self { head, body: Bytes::new(), taken: 0, is_written: false }
    }

    /// Whether nothing of it is left.
    pub(super) const fn is_written(&self) -> bool {
        self.is_written
    }

    /// Writes what is left of it, and lets go of its memory when nothing is.
    pub(super) fn poll_write(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_written {
            return Poll::Ready(Ok(()));
        }
        loop {
            let head = self.head.get(self.taken..).unwrap_or_default();
            let body = self.body.get(self.taken.saturating_sub(self.head.len())..).unwrap_or_default();
            let socket = Pin::new(&mut *socket);
            let taken = match (head, body) {
                ([], []) => break,
                (one, []) | ([], one) => ready!(socket.poll_write(cx, one))?,
                (head, body) => ready!(socket.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)]))?,
            };
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken = self.taken.saturating_add(taken);
        }
        // TLS may have taken more than it has sent
        ready!(Pin::new(socket).poll_flush(cx))?;
        *self = Self::none();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes so many bytes at a time, and nothing every other time; notes how many each call took.
    struct Reluctant {
        at_once: usize,
        taken: Vec<u8>,
        calls: Vec<usize>,
    }

    impl AsyncWrite for Reluctant {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            if self.at_once < usize::MAX && self.calls.last().is_some_and(|taken| *taken > 0) {
                self.calls.push(0);
                return Poll::Pending;
            }
            let mut left = self.at_once;
            for buf in bufs {
                let (taken, _) = buf.split_at(buf.len().min(left));
                self.taken.extend_from_slice(taken);
                left = left.saturating_sub(taken.len());
            }
            let taken = self.at_once.saturating_sub(left);
            self.calls.push(taken);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn written(body: &[u8], at_once: usize) -> (Vec<u8>, usize) {
        let template = RequestTemplate::new("endpoint.example", "/v1/", "1.1 countersign", "countersign/1").unwrap();
        let forwarded = [("x-trace", "one"), ("x-trace", "two")].into_iter().collect();
        let mut request = Outgoing::new(&template, SignedRequest::of(body), &forwarded);
        let mut socket = Reluctant { at_once, taken: Vec::new(), calls: Vec::new() };
        let mut cx = Context::from_waker(Waker::noop());
        while request.poll_write(&mut socket, &mut cx).is_pending() {
            assert!(!request.is_written());
        }
        assert!(request.is_written());
        (socket.taken, socket.calls.len())
    }

    #[test]
    fn head_and_body_are_written_in_one_call_whatever_their_length() {
        for length in [0, 1, MOST_COPIED, MOST_COPIED + 1, 10 * MOST_COPIED] {
            let body = vec![b'a'; length];
            let expected = format!(
                "POST /v1/ HTTP/1.1\r\nhost: endpoint.example\r\n\
                 content-type: application/x-www-form-urlencoded; charset=utf-8\r\ncontent-length: {length}\r\n\
                 via: 1.1 countersign\r\nuser-agent: countersign/1\r\nx-trace: one\r\nx-trace: two\r\n\r\n"
            );
            let expected = [expected.as_bytes(), &body].concat();
            assert_eq!(written(&body, usize::MAX), (expected.clone(), 1));
            for at_once in [1, 7, 200, 4096] {
                assert!(written(&body, at_once).0 == expected, "{length} bytes in pieces of {at_once}");
            }
        }
    }
}
