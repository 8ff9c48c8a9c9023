//! How the end of an answer's body is known, and the pieces of the body in what is received.

use bytes::Bytes;
use http_body::Frame;

use super::chunked::{BadChunk, Chunks};

/// RFC 9112 section 6.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// It says so itself. Boxed: most answers have a length.
    Chunked(Box<Chunks>),
    /// The connection ends with it.
    UntilClose,
}

impl Framing {
    /// Whether the body is over.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_over(),
            Self::UntilClose => false,
        }
    }

    /// Takes from `received` up to the end of the next piece of the body; `None` when more has to be received, or the body is
    /// over.
    pub(super) fn next(&mut self, received: &mut Bytes) -> Result<Option<Frame<Bytes>>, BadChunk> {
        let there = match self {
            Self::Chunked(chunks) => return chunks.next(received),
            Self::UntilClose => received.len(),
            Self::Length(left) => {
                let there = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
                *left = left.saturating_sub(u64::try_from(there).unwrap_or(u64::MAX));
                there
            }
        };
        Ok((there > 0).then(|| Frame::data(received.split_to(there))))
    }

    /// The connection has ended in order: whether the body has, too.
    pub(super) fn end(&mut self) -> bool {
        if matches!(self, Self::UntilClose) {
            *self = Self::Length(0);
        }
        self.is_over()
    }
}
