//! Where a chunked body ends, by RFC 9112 section 7.1 to the letter: the bytes themselves are decoded by hyper.
//!
//! hyper's own reading ends at the same byte for whatever passes here; it has limits of its own for extensions and trailers.

use thiserror::Error;

use super::head_line::{is_field_text, is_token};

/// A body that is framed wrongly: where it ends is anybody's guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the chunks of the body are framed wrongly")]
pub(super) struct BadChunk;

/// Follows one chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    place: Place,
    /// Of the size being read, then the bytes of the chunk still to come.
    size: u64,
}

/// What comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first digit of a size.
    #[default]
    Size,
    /// More digits, or what ends them.
    Digits,
    /// Blanks behind a size, which RFC 9112 tells receivers to bear with before an extension.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A trailer, or the CR of the last line.
    Trailers,
    Trailer,
    TrailerLf,
    LastLf,
    End,
}

impl Chunks {
    /// Whether the body is over.
    pub(super) fn is_over(&self) -> bool {
        self.place == Place::End
    }

    /// Reads on; returns how many of `bytes` belong to the body: all, unless it ends among them.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        let mut rest = bytes;
        while self.place != Place::End {
            if self.place == Place::Data {
                let there = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                self.size = self.size.saturating_sub(u64::try_from(there).unwrap_or(u64::MAX));
                rest = rest.get(there..).unwrap_or_default();
                if self.size == 0 {
                    self.place = Place::DataCr;
                }
            }
            let Some((byte, behind)) = rest.split_first() else { break };
            self.place = self.step(*byte)?;
            rest = behind;
        }
        Ok(bytes.len().saturating_sub(rest.len()))
    }

    fn step(&mut self, byte: u8) -> Result<Place, BadChunk> {
        Ok(match (self.place, byte) {
            (Place::Size, _) => {
                self.size = 0;
                self.digit(byte)?
            }
            (Place::Digits | Place::Blank, b' ' | b'\t') => Place::Blank,
            (Place::Digits | Place::Blank, b';') => Place::Extension,
            (Place::Digits | Place::Blank | Place::Extension, b'\r') => Place::SizeLf,
            (Place::Digits, _) => self.digit(byte)?,
            (Place::Extension, _) if is_field_text(&byte) => Place::Extension,
            (Place::SizeLf, b'\n') if self.size == 0 => Place::Trailers,
            (Place::SizeLf, b'\n') => Place::Data,
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Size,
            (Place::Trailers, b'\r') => Place::LastLf,
            (Place::Trailers, _) if is_token(&byte) => Place::Trailer,
            (Place::Trailer, b'\r') => Place::TrailerLf,
            (Place::Trailer, _) if is_field_text(&byte) => Place::Trailer,
            (Place::TrailerLf, b'\n') => Place::Trailers,
            (Place::LastLf, b'\n') => Place::End,
            (
                Place::Blank
                | Place::Extension
                | Place::SizeLf
                | Place::Data
                | Place::DataCr
                | Place::DataLf
                | Place::Trailers
                | Place::Trailer
                | Place::TrailerLf
                | Place::LastLf
                | Place::End,
                _,
            ) => return Err(BadChunk),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<Place, BadChunk> {
        let digit = char::from(byte).to_digit(16).ok_or(BadChunk)?;
        let size = self.size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
        self.size = size.ok_or(BadChunk)?;
        Ok(Place::Digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_behind_its_trailers_however_it_is_cut() {
        for body in [
            "0\r\n\r\n",
            "3\r\na=b\r\n0\r\n\r\n",
            "003 \t;x=\"y\"\r\na=b\r\n1B;z\r\n\r\n0\r\n\r\nnot a chunk at all, \r\n0;q\r\nA: b\r\nC:\r\n\r\n",
        ] {
            let sent = format!("{body}POST / HTTP/1.1\r\n");
            for piece in 1..sent.len() {
                let (mut chunks, mut taken) = (Chunks::default(), 0);
                for bytes in sent.as_bytes().chunks(piece) {
                    taken += chunks.advance(bytes).unwrap();
                }
                assert!(chunks.is_over());
                assert_eq!(taken, body.len(), "in pieces of {piece}: {body:?}");
            }
        }
    }

    #[test]
    fn what_is_not_framed_to_the_letter_is_refused() {
        for body in [
            "\r\n",
            "0x1\r\n",
            "+1\r\n",
            "-1\r\n",
            "g\r\n",
            "1_\r\n",
            "1 1\r\n",
            "1\n",
            "1\rx",
            "1;\n",
            "1;\0\r\n",
            "1\r\nabc",
            "1\r\na\n",
            "1\r\na\rb",
            "fffffffffffffffff\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\n A: b\r\n",
            "0\r\nA: b\n",
            "0\r\nA: \0\r\n",
            "0\r\n: b\r\n",
        ] {
            assert_eq!(Chunks::default().advance(body.as_bytes()), Err(BadChunk), "{body:?}");
        }
    }
}
