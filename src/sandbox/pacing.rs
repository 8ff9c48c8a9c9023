//! The body of a response: sent in one piece, or in several with pauses, so that streaming can be observed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How many pieces a document is cut into.
const PIECES: usize = 4;

/// A document that is being sent.
pub(super) struct Paced {
    pieces: VecDeque<Bytes>,
    pause: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// A document that is sent at once, with a Content-Length.
    #[must_use]
    pub(super) fn whole(document: String) -> Self {
        Self { pieces: VecDeque::from([Bytes::from(document)]), pause: None, sleep: None }
    }

    /// A document that is sent in four chunks, without a Content-Length, with `pause` between them.
    #[must_use]
    pub(super) fn in_pieces(document: String, pause: Option<Duration>) -> Self {
        let mut rest = Bytes::from(document);
        let size = rest.len().div_ceil(PIECES).max(1);
        let mut pieces = VecDeque::new();
        while rest.len() > size {
            pieces.push_back(rest.split_to(size));
        }
        pieces.push_back(rest);
        Self { pieces, pause, sleep: None }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(context));
            self.sleep = None;
        }
        let piece = self.pieces.pop_front();
        if let Some(pause) = self.pause
            && !self.pieces.is_empty()
        {
            self.sleep = Some(Box::pin(sleep(pause)));
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match (self.pieces.front(), self.pieces.len()) {
            (Some(piece), 1) => SizeHint::with_exact(u64::try_from(piece.len()).unwrap_or(u64::MAX)),
            (Some(_) | None, _) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_document() {
        for length in [0, 1, 2, 3, 4, 5, 8, 9, 1000] {
            let document: String = "abcdefghij".chars().cycle().take(length).collect();
            let paced = Paced::in_pieces(document.clone(), None);
            assert!(paced.pieces.len() <= PIECES, "{length}");
            let joined: Vec<u8> = paced.pieces.iter().flatten().copied().collect();
            assert_eq!(joined, document.as_bytes());
        }
        assert_eq!(Paced::in_pieces("x".repeat(1000), None).pieces.len(), PIECES);
    }

    #[test]
    fn only_a_document_in_one_piece_announces_its_length() {
        assert_eq!(Paced::whole("abc".to_owned()).size_hint().exact(), Some(3));
        assert_eq!(Paced::in_pieces("abcdef".to_owned(), None).size_hint().exact(), None);
    }
}
