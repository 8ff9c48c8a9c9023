//! How the end of a received body is found: RFC 9112 section 6, for both directions.

use super::chunked::{BadChunk, ChunkedDecoder, Step};

/// What frames a body, and how much of it has been read.
#[derive(Debug)]
pub enum Framing {
    /// This many bytes are still to come.
    Length(u64),
    /// The chunks say where it ends. Boxed: most bodies have a length.
    Chunked(Box<ChunkedDecoder>),
    /// The body ends with the connection. Only for responses.
    UntilClose,
}

impl Framing {
    /// Whether the body has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_over(),
            Self::UntilClose => false,
        }
    }

    /// Reads on, up to the end of the next piece of data. When there is no data, all of `received` is skipped or the
    /// body has ended: bytes after a body are not part of a step.
    ///
    /// # Errors
    /// [`BadChunk`]: the end of the body cannot be found.
    pub fn step(&mut self, received: &[u8]) -> Result<Step, BadChunk> {
        let data = match self {
            Self::Chunked(chunks) => return chunks.step(received),
            Self::UntilClose => received.len(),
            Self::Length(left) => {
                let there = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
                *left = left.saturating_sub(u64::try_from(there).unwrap_or(u64::MAX));
                there
            }
        };
        Ok(Step { skip: 0, data })
    }

    /// Records that the connection was closed cleanly. Returns whether the body has ended too.
    pub fn end(&mut self) -> bool {
        if matches!(self, Self::UntilClose) {
            *self = Self::Length(0);
        }
        self.is_over()
    }
}
