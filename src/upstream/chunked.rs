//! Chunked answers, decoded by RFC 9112 section 7.1 to the letter. What is between chunks and behind them is bounded.

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use thiserror::Error;

use super::answer_head::MAX_FIELDS;

/// Most bytes of extensions in a body, and of trailers behind it. Hardly anybody sends either.
const MAX_EXTENSIONS: usize = 16 * 1024;
const MAX_TRAILERS: usize = 16 * 1024;

/// A body that is framed wrongly: where it ends is anybody's guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum BadChunk {
    #[error("its chunks are framed wrongly")]
    Framing,
    #[error("its chunks have more than {MAX_EXTENSIONS} bytes of extensions")]
    Extensions,
    #[error(
        "more than {MAX_TRAILERS} bytes or {MAX_FIELDS} fields follow its last chunk, or they are no header fields"
    )]
    Trailers,
}

/// Decodes one chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    place: Place,
    /// Of the size being read, then the bytes of the chunk still to come.
    size: u64,
    /// How many bytes of extensions have come.
    extensions: usize,
    /// The trailers as they stand.
    trailers: Vec<u8>,
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

    /// Takes from `received` up to the end of the next piece of the body; `None` when more has to be received, or the body is
    /// over.
    pub(super) fn next(&mut self, received: &mut Bytes) -> Result<Option<Frame<Bytes>>, BadChunk> {
        while self.place != Place::End && !received.is_empty() {
            if self.place == Place::Data {
                let there = usize::try_from(self.size).unwrap_or(usize::MAX).min(received.len());
                self.size = self.size.saturating_sub(u64::try_from(there).unwrap_or(u64::MAX));
                if self.size == 0 {
                    self.place = Place::DataCr;
                }
                return Ok(Some(Frame::data(received.split_to(there))));
            }
            self.place = self.step(received.get_u8())?;
            if self.place == Place::End && !self.trailers.is_empty() {
                return Ok(Some(Frame::trailers(self.fields()?)));
            }
        }
        Ok(None)
    }

    fn step(&mut self, byte: u8) -> Result<Place, BadChunk> {
        Ok(match (self.place, byte) {
            (Place::Size, _) => {
                self.size = 0;
                self.digit(byte)?
            }
            (Place::Digits | Place::Blank | Place::Extension, b'\r') => Place::SizeLf,
            (Place::Digits | Place::Blank, b' ' | b'\t') => self.extension(Place::Blank)?,
            (Place::Digits | Place::Blank, b';') => self.extension(Place::Extension)?,
            (Place::Extension, _) if is_text(byte) => self.extension(Place::Extension)?,
            (Place::Digits, _) => self.digit(byte)?,
            (Place::SizeLf, b'\n') if self.size == 0 => Place::Trailers,
            (Place::SizeLf, b'\n') => Place::Data,
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::Size,
            (Place::Trailers, b'\r') => Place::LastLf,
            (Place::Trailers | Place::Trailer, _) if is_text(byte) => self.trailer(byte, Place::Trailer)?,
            (Place::Trailer, b'\r') => self.trailer(byte, Place::TrailerLf)?,
            (Place::TrailerLf, b'\n') => self.trailer(byte, Place::Trailers)?,
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
            ) => return Err(BadChunk::Framing),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<Place, BadChunk> {
        let digit = char::from(byte).to_digit(16).ok_or(BadChunk::Framing)?;
        let size = self.size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
        self.size = size.ok_or(BadChunk::Framing)?;
        Ok(Place::Digits)
    }

    fn extension(&mut self, next: Place) -> Result<Place, BadChunk> {
        self.extensions = self.extensions.saturating_add(1);
        if self.extensions > MAX_EXTENSIONS { Err(BadChunk::Extensions) } else { Ok(next) }
    }

    fn trailer(&mut self, byte: u8, next: Place) -> Result<Place, BadChunk> {
        self.trailers.push(byte);
        if self.trailers.len() > MAX_TRAILERS { Err(BadChunk::Trailers) } else { Ok(next) }
    }

    /// The trailers as fields: their lines are whole, and behind them stands nothing.
    fn fields(&mut self) -> Result<HeaderMap, BadChunk> {
        self.trailers.extend_from_slice(b"\r\n");
        let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(&self.trailers, &mut room) else {
            return Err(BadChunk::Trailers);
        };
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadChunk::Trailers)?;
            trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| BadChunk::Trailers)?);
        }
        Ok(trailers)
    }
}

/// RFC 9110 section 5.5, the obsolete bytes beyond ASCII included.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is decoded: data and trailers, and how many bytes are left behind the body.
    #[derive(Debug, Default, PartialEq)]
    struct Decoded {
        data: Vec<u8>,
        trailers: Vec<(String, String)>,
        behind: usize,
    }

    /// Decodes what comes in pieces of so many bytes.
    fn decoded(sent: &[u8], piece: usize) -> Result<Decoded, BadChunk> {
        let (mut chunks, mut decoded) = (Chunks::default(), Decoded::default());
        for bytes in sent.chunks(piece) {
            let mut received = Bytes::copy_from_slice(bytes);
            while let Some(frame) = chunks.next(&mut received)? {
                match frame.into_data() {
                    Ok(bytes) => decoded.data.extend_from_slice(&bytes),
                    Err(frame) => decoded.trailers.extend(
                        (frame.into_trailers().unwrap().iter())
                            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())),
                    ),
                }
            }
            decoded.behind = decoded.behind.saturating_add(received.len());
        }
        assert!(chunks.is_over());
        Ok(decoded)
    }

    #[test]
    fn a_body_is_decoded_and_ends_behind_its_trailers_however_it_is_cut() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (body, data, fields) in [
            ("0\r\n\r\n", "", vec![]),
            ("3\r\na=b\r\n0\r\n\r\n", "a=b", vec![]),
            (
                "003 \t;x=\"y\"\r\na=b\r\n1B;z\r\n\r\n0\r\n\r\nnot a chunk at all, \r\n0;q\r\nA: b\r\nc:\r\n\r\n",
                "a=b\r\n0\r\n\r\nnot a chunk at all, ",
                vec![field("a", "b"), field("c", "")],
            ),
        ] {
            let sent = format!("{body}HTTP/1.1 200 OK\r\n");
            for piece in 1..=sent.len() {
                let behind = sent.len() - body.len();
                let expected = Decoded { data: data.into(), trailers: fields.clone(), behind };
                assert_eq!(decoded(sent.as_bytes(), piece).unwrap(), expected, "in pieces of {piece}: {body:?}");
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
            "0\r\nA: b\n",
            "0\r\nA: \0\r\n",
        ] {
            for piece in 1..=body.len() {
                assert_eq!(decoded(body.as_bytes(), piece), Err(BadChunk::Framing), "{body:?}");
            }
        }
        for trailer in [" A: b", ": b", "A b", "A : b"] {
            let body = format!("0\r\n{trailer}\r\n\r\n");
            assert_eq!(decoded(body.as_bytes(), body.len()), Err(BadChunk::Trailers), "{trailer:?}");
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
        assert!(decoded(fields(MAX_FIELDS).as_bytes(), 4096).is_ok());
        assert_eq!(decoded(fields(MAX_FIELDS + 1).as_bytes(), 4096), Err(BadChunk::Trailers));
    }
}
