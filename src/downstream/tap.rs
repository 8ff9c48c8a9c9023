//! What stands between a client's bytes and hyper: hyper is shown whole heads that have been judged, each with its body, and
//! of what is refused a stand-in.
//!
//! A refused head is not answered here: hyper is shown [`STAND_IN`] in its place, and the exchange that begins with it learns
//! of the fault. So it is answered in its turn, recorded and counted like every other. Nothing behind it is ever looked at.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::http1::{BadChunk, Framing, HeadFault, ReceivedRequest, RequestHeadReader};

/// What hyper reads instead of a head that is refused. The second is for a HEAD, whose answer has no body.
const STAND_IN: &[u8] = b"POST / HTTP/1.1\r\nHost: refused\r\nContent-Length: 0\r\n\r\n";
const STAND_IN_FOR_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: refused\r\n\r\n";

/// What was found of the head that hyper has been shown last, until the exchange that it begins asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// hyper has been shown no head, or has begun its exchange.
    None,
    /// It is good.
    Good,
    /// It is the stand-in for one that is not.
    Refused(HeadFault),
}

/// Where the last judgement is left for the exchange.
pub(super) type Verdict = Rc<Cell<Judgement>>;

/// Follows what a client sends, message by message.
#[derive(Debug)]
pub(super) struct Tap {
    verdict: Verdict,
    stage: Stage,
    /// Read from the socket and not shown yet: a head that is not complete, or what came behind a message in one read. At most
    /// a head and one read.
    held: Vec<u8>,
    /// What is left to show of a stand-in.
    stand_in: &'static [u8],
}

#[derive(Debug)]
enum Stage {
    /// A head is being read, or awaited.
    Head(RequestHeadReader),
    /// A head is being shown, of which so many bytes are left; then this body.
    Message(usize, Framing),
    /// The body has broken off into something else; its reader has not been told yet.
    Broken(BadChunk),
    /// Something was wrong: what else may come is nobody's.
    Over,
}

impl Tap {
    /// For a fresh connection.
    pub(super) fn new(verdict: Verdict) -> Self {
        Self { verdict, stage: Stage::Head(RequestHeadReader::default()), held: Vec::new(), stand_in: &[] }
    }

    /// Begins with bytes that somebody else has read.
    pub(super) fn begin_with(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Whether part of a head has come, and not all of it.
    pub(super) fn is_in_head(&self) -> bool {
        self.is_between_messages() && !self.held.is_empty()
    }

    /// Whether the last message that was begun has come to its end.
    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self.stage, Stage::Head(_))
    }

    /// Refuses the head that is being read, since its time is over: the next read shows its stand-in.
    pub(super) fn give_up(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.refuse(HeadFault::TooSlow, &held);
    }

    fn refuse(&mut self, fault: HeadFault, head: &[u8]) {
        let head = head.strip_prefix(b"\r\n").unwrap_or(head);
        self.stand_in = if head.starts_with(b"HEAD ") { STAND_IN_FOR_HEAD } else { STAND_IN };
        self.stage = Stage::Over;
        self.verdict.set(Judgement::Refused(fault));
    }

    /// Reads what may be shown. Nothing new in `buf` is the end of the connection, as always.
    ///
    /// # Errors
    /// Those of `io`; chunks that are framed wrongly; an end within a head.
    pub(super) fn poll_read(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        loop {
            if !self.stand_in.is_empty() {
                let fits = self.stand_in.len().min(buf.remaining());
                let (now, later) = self.stand_in.split_at_checked(fits).unwrap_or_default();
                buf.put_slice(now);
                self.stand_in = later;
                return Poll::Ready(Ok(()));
            }
            if !self.held.is_empty() {
                let held = std::mem::take(&mut self.held);
                let shown = self.pass(&held, buf.remaining());
                let (now, later) = held.split_at_checked(shown).unwrap_or_default();
                buf.put_slice(now);
                if shown > 0 {
                    self.hold(later);
                    return Poll::Ready(Ok(()));
                }
                if self.is_between_messages() {
                    self.held = held;
                }
            }
            match self.stage {
                Stage::Head(_) | Stage::Message(..) => {}
                Stage::Over if !self.stand_in.is_empty() => continue,
                Stage::Over => return Poll::Pending, // nobody waits for more: the answer under way is the last
                Stage::Broken(wrong) => {
                    self.stage = Stage::Over;
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, wrong)));
                }
            }
            ready!(Pin::new(&mut *io).poll_read(cx, buf))?;
            let fresh = buf.filled().get(before..).unwrap_or_default();
            if fresh.is_empty() {
                return Poll::Ready(if self.is_in_head() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) });
            }
            // the usual case is a whole message, which stays where it is
            let shown = if self.held.is_empty() { self.pass(fresh, fresh.len()) } else { 0 };
            self.hold(fresh.get(shown..).unwrap_or_default());
            buf.set_filled(before.saturating_add(shown));
            if shown > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        match self.stage {
            Stage::Head(_) | Stage::Message(..) => self.held.extend_from_slice(bytes),
            Stage::Broken(_) | Stage::Over => {}
        }
    }

    /// How many of `bytes` may be shown, at most `room`: nothing of a head before it is whole and good, then no more than its
    /// message. A head that is not good is refused.
    fn pass(&mut self, bytes: &[u8], room: usize) -> usize {
        if let Stage::Head(reader) = &mut self.stage {
            match reader.read(bytes) {
                Ok(None) => return 0,
                // hyper, which saw the last head whole, has not taken it for one
                Ok(Some(_)) if self.verdict.get() != Judgement::None => {
                    self.refuse(HeadFault::RequestLine, bytes);
                    return 0;
                }
                Ok(Some(ReceivedRequest { length, framing, .. })) => {
                    self.verdict.set(Judgement::Good);
                    self.stage = Stage::Message(length, framing);
                }
                Err(fault) => {
                    self.refuse(fault, bytes);
                    return 0;
                }
            }
        }
        let Stage::Message(head_left, framing) = &mut self.stage else { return 0 };
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let of_head = bytes.len().min(*head_left);
        *head_left = head_left.saturating_sub(of_head);
        let body = bytes.get(of_head..).unwrap_or_default();
        let of_body = match advance(framing, body) {
            Ok(there) => there,
            Err(wrong) => {
                self.stage = Stage::Broken(wrong); // but its head is shown, so that there is an answer
                return of_head;
            }
        };
        let over = *head_left == 0 && framing.is_over();
        if over {
            self.stage = Stage::Head(RequestHeadReader::default());
        }
        of_head.saturating_add(of_body)
    }
}

/// How many of `bytes` belong to the body.
fn advance(framing: &mut Framing, bytes: &[u8]) -> Result<usize, BadChunk> {
    let mut rest = bytes;
    loop {
        let step = framing.step(rest)?;
        rest = rest.get(step.skip.saturating_add(step.data)..).unwrap_or_default();
        if step.data == 0 {
            return Ok(bytes.len().saturating_sub(rest.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::task::Waker;

    const FORM: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b";
    const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\nA: b\r\n\r\n";

    /// A socket on which these pieces come, and then the end.
    struct Pieces(VecDeque<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop_front() {
                let later = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !later.is_empty() {
                    self.0.push_front(later);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    /// Shows `sent`, which comes in pieces, to a reader who takes `room` bytes at a time and begins an exchange when it has seen
    /// a head to its end: the messages it was shown, and what was judged of them.
    fn show(sent: &[u8], piece: usize, room: usize) -> Vec<(Judgement, Vec<u8>)> {
        let verdict = Rc::new(Cell::new(Judgement::None));
        let mut tap = Tap::new(Rc::clone(&verdict));
        let mut io = Pieces(sent.chunks(piece).map(<[u8]>::to_vec).collect());
        let (mut messages, mut unjudged) = (Vec::new(), Vec::new());
        loop {
            let mut space = vec![0; room];
            let mut buf = ReadBuf::new(&mut space);
            let read = tap.poll_read(&mut io, &mut Context::from_waker(Waker::noop()), &mut buf);
            match verdict.get() {
                Judgement::None => match messages.last_mut() {
                    Some((_, message)) => Vec::extend_from_slice(message, buf.filled()),
                    None => assert!(buf.filled().is_empty(), "not a byte of what is not judged"),
                },
                Judgement::Good | Judgement::Refused(_) => {
                    unjudged.extend_from_slice(buf.filled());
                    if unjudged.windows(4).any(|end| end == b"\r\n\r\n") {
                        messages.push((verdict.replace(Judgement::None), std::mem::take(&mut unjudged)));
                    }
                }
            }
            if !matches!(read, Poll::Ready(Ok(()))) || buf.filled().is_empty() {
                return messages;
            }
        }
    }

    #[test]
    fn good_messages_are_shown_as_they_came_one_after_the_other() {
        let sent = [FORM, CHUNKED, FORM, FORM].concat();
        for piece in (1..sent.len()).chain([usize::MAX]) {
            for room in [1, 7, 64, 4096] {
                let messages = show(&sent, piece, room);
                let expected = [FORM, CHUNKED, FORM, FORM].map(|message| (Judgement::Good, message.to_vec()));
                assert_eq!(messages, expected, "in pieces of {piece}, shown {room} at a time");
            }
        }
    }

    #[test]
    fn of_a_bad_head_a_stand_in_is_shown_and_nothing_behind_it() {
        for (bad, fault, stand_in) in [
            ("POST /#x HTTP/1.1\r\n\r\n", HeadFault::Path, STAND_IN),
            ("HEAD / HTTP/1.1\r\nX: a\nY: b\r\n\r\n", HeadFault::LineEnd, STAND_IN_FOR_HEAD),
        ] {
            let sent = [FORM, bad.as_bytes(), FORM].concat();
            for piece in (1..sent.len()).chain([usize::MAX]) {
                for room in [1, 7, 4096] {
                    let messages = show(&sent, piece, room);
                    let expected = [(Judgement::Good, FORM.to_vec()), (Judgement::Refused(fault), stand_in.to_vec())];
                    assert_eq!(messages, expected, "in pieces of {piece}, shown {room} at a time");
                }
            }
        }
    }

    #[test]
    fn a_head_that_hyper_does_not_take_for_one_is_the_last_it_is_shown() {
        let verdict = Rc::new(Cell::new(Judgement::None));
        let mut tap = Tap::new(Rc::clone(&verdict));
        let mut io = Pieces([FORM.to_vec(), FORM.to_vec()].into());
        let mut context = Context::from_waker(Waker::noop());
        let mut space = [0; 256];
        let mut buf = ReadBuf::new(&mut space);
        assert!(matches!(tap.poll_read(&mut io, &mut context, &mut buf), Poll::Ready(Ok(()))));
        assert_eq!(buf.filled(), FORM); // and no exchange begins
        assert!(matches!(tap.poll_read(&mut io, &mut context, &mut buf), Poll::Ready(Ok(()))));
        assert_eq!(buf.filled(), [FORM, STAND_IN].concat());
        assert_eq!(verdict.get(), Judgement::Refused(HeadFault::RequestLine));
    }

    #[test]
    fn bad_chunks_and_an_end_within_a_head_are_errors() {
        for (sent, kind) in [
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", io::ErrorKind::InvalidData),
            ("POST / HTTP/1.1\r\nTransfer-Enc", io::ErrorKind::UnexpectedEof),
        ] {
            let mut tap = Tap::new(Rc::new(Cell::new(Judgement::None)));
            let mut io = Pieces([sent.as_bytes().to_vec()].into());
            let mut context = Context::from_waker(Waker::noop());
            let mut space = [0; 256];
            let mut buf = ReadBuf::new(&mut space);
            let mut read = tap.poll_read(&mut io, &mut context, &mut buf);
            if !buf.filled().is_empty() {
                assert!(buf.filled().ends_with(b"chunked\r\n\r\n"), "the head, and nothing of the body");
                read = tap.poll_read(&mut io, &mut context, &mut buf);
            }
            let Poll::Ready(Err(error)) = read else { panic!("{read:?}") };
            assert_eq!(error.kind(), kind);
        }
    }
}
