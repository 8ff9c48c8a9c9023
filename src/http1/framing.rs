//! How the end of a body that is received is known: RFC 9112 section 6, for both directions.

use super::chunked::{BadChunk, ChunkedDecoder, Step};

/// What frames a body, and how far it has come.
#[derive(Debug)]
pub enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// The chunks say where it ends. Boxed: most bodies have a length.
    Chunked(Box<ChunkedDecoder>),
    /// The body ends with the connection. Only of responses.
    UntilClose,
}

impl Framing {
    /// Whether the body is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_over(),
            Self::UntilClose => false,
        }
    }

    /// Reads on, as far as the end of the next piece of data. When there is no data, all of `received` is skipped or
    /// the body is over: bytes behind a body are not part of a step.
    ///
    /// # Errors
    /// [`BadChunk`]: where the body ends cannot be known.
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

    /// Takes note that the connection has ended in order. Returns whether the body has ended, too.
    pub fn end(&mut self) -> bool {
        if matches!(self, Self::UntilClose) {
            *self = Self::Length(0);
        }
        self.is_over()
    }
}
