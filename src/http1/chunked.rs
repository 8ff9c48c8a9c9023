//! Chunked bodies, read strictly by RFC 9112 section 7.1: what each byte of a body is, and where the body ends. One
//! reader for both directions; extensions and trailers are bounded, and dropped.

use thiserror::Error;

use super::grammar::{TOKEN, is_value_byte};
use super::head_line::read_field;

/// The most digits of a size: those of 64 bits. More could only be zeros, of which a parser elsewhere may drop some.
const MAX_DIGITS: usize = 16;
/// The most bytes of extensions in a body. Hardly any client sends extensions.
const MAX_EXTENSIONS: usize = 16 * 1024;
/// The most bytes of trailers after a body.
const MAX_TRAILERS: usize = 16 * 1024;

/// The body is framed wrongly, so its end cannot be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadChunk {
    /// A byte is not allowed at its position.
    #[error("the chunks of the body are framed wrongly")]
    Framing,
    /// More extensions than any client needs.
    #[error("the chunks of the body have more than {MAX_EXTENSIONS} bytes of extensions")]
    Extensions,
    /// More trailers than any client needs, or lines that are not header fields.
    #[error("the trailers behind the last chunk are more than {MAX_TRAILERS} bytes, too many, or not header fields")]
    Trailers,
}

/// What the next received bytes of a body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// This many bytes are not data, and have been read.
    pub skip: usize,
    /// This many bytes after them are data.
    pub data: usize,
}

/// What kind of byte it is, if it is not data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Part of a size, or of the end of a line.
    Framing,
    /// Part of an extension, or a blank before one.
    Extension,
    /// Part of a trailer, or of the end of its line.
    Trailer,
}

/// Reads one chunked body.
#[derive(Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// The size as far as it has been read, then the bytes of the chunk still to come.
    size: u64,
    /// How many digits the size has.
    digits: usize,
    /// How many bytes of extensions have been read.
    extensions: usize,
    /// The trailer that is being read.
    trailer: Vec<u8>,
    /// How many bytes of trailers have been read.
    trailers: usize,
    /// How many more trailers may come.
    fields_left: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first digit of a size.
    Size,
    /// More digits, or what ends them.
    Digits,
    /// Blanks after a size, which RFC 9112 tells receivers to accept before an extension, and nowhere else.
    Blank,
    /// The name of an extension, or blanks before it.
    ExtensionName,
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
    /// Nothing: the end of the body can no longer be found.
    Bad,
}

impl ChunkedDecoder {
    /// Before the first byte of a body, which this many trailers may follow at most.
    #[must_use]
    pub const fn new(most_trailers: usize) -> Self {
        Self {
            state: State::Size,
            size: 0,
            digits: 0,
            extensions: 0,
            trailer: Vec::new(),
            trailers: 0,
            fields_left: most_trailers,
        }
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::End
    }

    /// How many bytes of data are announced and have not been read.
    #[must_use]
    pub fn announced(&self) -> u64 {
        if self.state == State::Data { self.size } else { 0 }
    }

    /// See [`super::framing::Framing::step`]. A malformed body never ends.
    pub(super) fn step(&mut self, received: &[u8]) -> Result<Step, BadChunk> {
        let step = self.read_on(received);
        if step.is_err() {
            self.state = State::Bad;
        }
        step
    }

    fn read_on(&mut self, received: &[u8]) -> Result<Step, BadChunk> {
        let mut rest = received.iter();
        while !self.is_over() {
            let skip = received.len().saturating_sub(rest.len());
            let data = self.take_data(rest.len());
            if data > 0 {
                return Ok(Step { skip, data });
            }
            let Some(byte) = rest.next() else { break };
            match self.read(*byte)? {
                Part::Framing => {}
                Part::Extension => self.count_extension()?,
                Part::Trailer => self.add_to_trailer(*byte)?,
            }
        }
        Ok(Step { skip: received.len().saturating_sub(rest.len()), data: 0 })
    }

    /// How many of the next bytes are data, given how many have been received. They count as read.
    fn take_data(&mut self, come: usize) -> usize {
        if self.state != State::Data {
            return 0;
        }
        let there = usize::try_from(self.size).unwrap_or(usize::MAX).min(come);
        self.size = self.size.saturating_sub(u64::try_from(there).unwrap_or(u64::MAX));
        if self.size == 0 {
            self.state = State::DataCr;
        }
        there
    }

    /// Reads a byte that is not data. Always inlined: the call would cost as much as the byte.
    #[inline(always)]
    fn read(&mut self, byte: u8) -> Result<Part, BadChunk> {
        let (next, part) = match (self.state, byte) {
            (State::Size, _) => {
                (self.size, self.digits) = (0, 0);
                self.digit(byte)?
            }
            (State::Digits | State::Blank, b' ' | b'\t') => (State::Blank, Part::Extension),
            (State::Digits | State::Blank, b';') => (State::ExtensionName, Part::Extension),
            (State::ExtensionName, b' ' | b'\t') => (State::ExtensionName, Part::Extension),
            (State::ExtensionName, _) if TOKEN.has(&byte) => (State::Extension, Part::Extension),
            (State::Digits | State::Extension, b'\r') => (State::SizeLf, Part::Framing),
            (State::Digits, _) => self.digit(byte)?,
            (State::Extension, _) if is_value_byte(&byte) => (State::Extension, Part::Extension),
            (State::SizeLf, b'\n') if self.size == 0 => (State::Trailers, Part::Framing),
            (State::SizeLf, b'\n') => (State::Data, Part::Framing),
            (State::DataCr, b'\r') => (State::DataLf, Part::Framing),
            (State::DataLf, b'\n') => (State::Size, Part::Framing),
            (State::Trailers, b'\r') => (State::LastLf, Part::Framing),
            // a name is required: some parsers treat a line that begins with a blank as part of the line before
            (State::Trailers, _) if is_value_byte(&byte) && !TOKEN.has(&byte) => return Err(BadChunk::Trailers),
            (State::Trailers, _) if TOKEN.has(&byte) => (State::Trailer, Part::Trailer),
            (State::Trailer, b'\r') => (State::TrailerLf, Part::Trailer),
            (State::Trailer, _) if is_value_byte(&byte) => (State::Trailer, Part::Trailer),
            (State::TrailerLf, b'\n') => (State::Trailers, Part::Trailer),
            (State::LastLf, b'\n') => (State::End, Part::Framing),
            (
                State::Blank
                | State::ExtensionName
                | State::Extension
                | State::SizeLf
                | State::Data
                | State::DataCr
                | State::DataLf
                | State::Trailers
                | State::Trailer
                | State::TrailerLf
                | State::LastLf
                | State::End
                | State::Bad,
                _,
            ) => return Err(BadChunk::Framing),
        };
        self.state = next;
        Ok(part)
    }

    fn digit(&mut self, byte: u8) -> Result<(State, Part), BadChunk> {
        let digit = char::from(byte).to_digit(16).ok_or(BadChunk::Framing)?;
        let size = self.size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
        self.size = size.ok_or(BadChunk::Framing)?;
        self.digits = self.digits.saturating_add(1);
        if self.digits > MAX_DIGITS {
            return Err(BadChunk::Framing);
        }
        Ok((State::Digits, Part::Framing))
    }

    fn count_extension(&mut self) -> Result<(), BadChunk> {
        self.extensions = self.extensions.saturating_add(1);
        if self.extensions > MAX_EXTENSIONS { Err(BadChunk::Extensions) } else { Ok(()) }
    }

    /// A trailer must have the form of a header field. Its content is ignored.
    fn add_to_trailer(&mut self, byte: u8) -> Result<(), BadChunk> {
        self.trailers = self.trailers.saturating_add(1);
        if self.trailers > MAX_TRAILERS {
            return Err(BadChunk::Trailers);
        }
        self.trailer.push(byte);
        if self.state == State::Trailers {
            self.fields_left = self.fields_left.checked_sub(1).ok_or(BadChunk::Trailers)?;
            read_field(&self.trailer, 0).map_err(|_| BadChunk::Trailers)?;
            self.trailer.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST_TRAILERS: usize = 128;

    /// Decodes what comes in pieces of so many bytes: the data, and how many bytes are left behind the body.
    fn decoded(sent: &[u8], piece: usize) -> Result<(Vec<u8>, usize), BadChunk> {
        let (mut chunks, mut data, mut behind) = (ChunkedDecoder::new(MOST_TRAILERS), Vec::new(), 0);
        for mut received in sent.chunks(piece) {
            loop {
                let step = chunks.step(received)?;
                received = &received[step.skip..];
                data.extend_from_slice(&received[..step.data]);
                received = &received[step.data..];
                if step.data == 0 {
                    break;
                }
            }
            assert!(received.is_empty() || chunks.is_over());
            behind = received.len().saturating_add(behind);
        }
        assert!(chunks.is_over());
        Ok((data, behind))
    }

    #[test]
    fn a_body_is_decoded_and_ends_behind_its_trailers_however_it_is_cut() {
        for (body, data) in [
            ("0\r\n\r\n", ""),
            ("3\r\na=b\r\n0\r\n\r\n", "a=b"),
            (
                "0000000000000003 \t;\t x=\"y\"\r\na=b\r\n1B;z\r\n\r\n0\r\n\r\nnot a chunk at all, \r\n0;q\r\n\
                 A: b\r\nC:\r\n\r\n",
                "a=b\r\n0\r\n\r\nnot a chunk at all, ",
            ),
        ] {
            let sent = format!("{body}HTTP/1.1 200 OK\r\n");
            for piece in 1..=sent.len() {
                let expected = (data.as_bytes().to_vec(), sent.len() - body.len());
                assert_eq!(decoded(sent.as_bytes(), piece), Ok(expected), "in pieces of {piece}: {body:?}");
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
            "00000000000000001\r\na\r\n0\r\n\r\n",
            "1 \r\na\r\n0\r\n\r\n",
            "1\t\r\na\r\n0\r\n\r\n",
            "1;\r\na\r\n0\r\n\r\n",
            "1; \r\na\r\n0\r\n\r\n",
            "1;;x\r\na\r\n0\r\n\r\n",
            "1;=x\r\na\r\n0\r\n\r\n",
            "0 \r\n\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\nA: b\n",
            "0\r\nA: \0\r\n",
        ] {
            for piece in 1..=body.len() {
                assert_eq!(decoded(body.as_bytes(), piece), Err(BadChunk::Framing), "{body:?}");
            }
        }
        for trailer in [" A: b", "\tA: b", ": b", "A b", "A : b", "A\u{e9}: b", "A"] {
            let body = format!("0\r\n{trailer}\r\n\r\n");
            for piece in 1..=body.len() {
                assert_eq!(decoded(body.as_bytes(), piece), Err(BadChunk::Trailers), "{trailer:?}");
            }
        }
    }

    #[test]
    fn what_a_chunk_announces_is_known_before_its_data() {
        let mut chunks = ChunkedDecoder::new(MOST_TRAILERS);
        for (received, announced) in [("7f", 0), ("f;x\r", 0), ("\n", 0x7ff), ("abc", 0x7fc)] {
            let step = chunks.step(received.as_bytes()).unwrap();
            assert_eq!(step.skip + step.data, received.len());
            assert_eq!(chunks.announced(), announced, "{received:?}");
        }
    }

    #[test]
    fn a_bad_body_never_comes_to_its_end() {
        for body in ["0\r\nnone\r\n\r\n", "0\r\n: b\r\n\r\n", "1\r\nab\r\n0\r\n\r\n"] {
            let (mut chunks, mut rest) = (ChunkedDecoder::new(MOST_TRAILERS), body.as_bytes());
            while !rest.is_empty() {
                let used = chunks.step(&rest[..1]).map_or(1, |step| step.skip + step.data);
                rest = &rest[used..];
            }
            assert!(!chunks.is_over() && chunks.step(b"\r\n").is_err(), "{body:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded_over_the_whole_body() {
        let extended = |bytes: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(bytes - 1));
        assert!(decoded(extended(MAX_EXTENSIONS).as_bytes(), 4096).is_ok());
        assert_eq!(decoded(extended(MAX_EXTENSIONS + 1).as_bytes(), 4096), Err(BadChunk::Extensions));
        let many = "1;x\r\na\r\n".repeat(MAX_EXTENSIONS / 2 + 1);
        assert_eq!(decoded(many.as_bytes(), 4096), Err(BadChunk::Extensions));

        let followed = |bytes: usize| format!("0\r\nA: {}\r\n\r\n", "x".repeat(bytes - 5));
        assert!(decoded(followed(MAX_TRAILERS).as_bytes(), 4096).is_ok());
        assert_eq!(decoded(followed(MAX_TRAILERS + 1).as_bytes(), 4096), Err(BadChunk::Trailers));
        let fields = |count: usize| format!("0\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(decoded(fields(MOST_TRAILERS).as_bytes(), 4096).is_ok());
        assert_eq!(decoded(fields(MOST_TRAILERS + 1).as_bytes(), 4096), Err(BadChunk::Trailers));
    }
}
