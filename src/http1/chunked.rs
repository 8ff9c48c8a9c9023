//! The grammar of chunked bodies, by RFC 9112 section 7.1 to the letter: which byte of one is what, and where it ends.
//!
//! Both sides of the proxy read by it. How many extensions and trailers there may be, and what a trailer has to look like
//! beyond the bytes of its line, is for each side to say.

use thiserror::Error;

use crate::fields::is_text;

/// A body that is framed wrongly: where it ends is anybody's guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the chunks of the body are framed wrongly")]
pub struct BadChunk;

/// What a byte of a body is that is no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Of sizes and ends of lines.
    Framing,
    /// Of an extension, or a blank before one.
    Extension,
    /// The first of a trailer. Any text passes here; to the letter it begins a name.
    TrailerStart,
    /// Of a trailer otherwise, with the end of its line.
    Trailer,
}

/// Follows one chunked body.
#[derive(Debug, Default)]
pub struct Chunks {
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
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.place == Place::End
    }

    /// How many of the next bytes are data, when so many have come. They count as read.
    #[must_use]
    pub fn take_data(&mut self, come: usize) -> usize {
        if self.place != Place::Data {
            return 0;
        }
        let there = usize::try_from(self.size).unwrap_or(usize::MAX).min(come);
        self.size = self.size.saturating_sub(u64::try_from(there).unwrap_or(u64::MAX));
        if self.size == 0 {
            self.place = Place::DataCr;
        }
        there
    }

    /// Reads a byte that is no data. Always inlined: the call would cost as much as the byte.
    ///
    /// # Errors
    /// The byte cannot stand here: the body is framed wrongly, data are to come, or it is over.
    #[inline(always)]
    pub fn read(&mut self, byte: u8) -> Result<Part, BadChunk> {
        let (next, part) = match (self.place, byte) {
            (Place::Size, _) => {
                self.size = 0;
                self.digit(byte)?
            }
            (Place::Digits | Place::Blank, b' ' | b'\t') => (Place::Blank, Part::Extension),
            (Place::Digits | Place::Blank, b';') => (Place::Extension, Part::Extension),
            (Place::Digits | Place::Blank | Place::Extension, b'\r') => (Place::SizeLf, Part::Framing),
            (Place::Digits, _) => self.digit(byte)?,
            (Place::Extension, _) if is_text(&byte) => (Place::Extension, Part::Extension),
            (Place::SizeLf, b'\n') if self.size == 0 => (Place::Trailers, Part::Framing),
            (Place::SizeLf, b'\n') => (Place::Data, Part::Framing),
            (Place::DataCr, b'\r') => (Place::DataLf, Part::Framing),
            (Place::DataLf, b'\n') => (Place::Size, Part::Framing),
            (Place::Trailers, b'\r') => (Place::LastLf, Part::Framing),
            (Place::Trailers, _) if is_text(&byte) => (Place::Trailer, Part::TrailerStart),
            (Place::Trailer, b'\r') => (Place::TrailerLf, Part::Trailer),
            (Place::Trailer, _) if is_text(&byte) => (Place::Trailer, Part::Trailer),
            (Place::TrailerLf, b'\n') => (Place::Trailers, Part::Trailer),
            (Place::LastLf, b'\n') => (Place::End, Part::Framing),
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
        };
        self.place = next;
        Ok(part)
    }

    fn digit(&mut self, byte: u8) -> Result<(Place, Part), BadChunk> {
        let digit = char::from(byte).to_digit(16).ok_or(BadChunk)?;
        let size = self.size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
        self.size = size.ok_or(BadChunk)?;
        Ok((Place::Digits, Part::Framing))
    }
}

/// Each breaks the grammar, for the tests of both sides.
#[cfg(test)]
pub(crate) const MISFRAMED: [&str; 19] = [
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
    "0\r\nA: b\n",
    "0\r\nA: \0\r\n",
];
