//! Chunked answers, decoded by the grammar of [`crate::chunks`]. What is between chunks and behind them is bounded.

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use thiserror::Error;

use super::answer_head::MAX_FIELDS;
use crate::chunks::{self, Part};

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
    chunks: chunks::Chunks,
    /// How many bytes of extensions have come.
    extensions: usize,
    /// The trailers as they stand.
    trailers: Vec<u8>,
}

impl Chunks {
    /// Whether the body is over.
    pub(super) fn is_over(&self) -> bool {
        self.chunks.is_over()
    }

    /// Takes from `received` up to the end of the next piece of the body; `None` when more has to be received, or the body is
    /// over.
    pub(super) fn next(&mut self, received: &mut Bytes) -> Result<Option<Frame<Bytes>>, BadChunk> {
        while !self.is_over() && !received.is_empty() {
            let there = self.chunks.take_data(received.len());
            if there > 0 {
                return Ok(Some(Frame::data(received.split_to(there))));
            }
            let byte = received.get_u8();
            match self.chunks.read(byte).map_err(|_| BadChunk::Framing)? {
                Part::Framing => {}
                Part::Extension => {
                    self.extensions = self.extensions.saturating_add(1);
                    if self.extensions > MAX_EXTENSIONS {
                        return Err(BadChunk::Extensions);
                    }
                }
                Part::TrailerStart | Part::Trailer => {
                    self.trailers.push(byte);
                    if self.trailers.len() > MAX_TRAILERS {
                        return Err(BadChunk::Trailers);
                    }
                }
            }
            if self.is_over() && !self.trailers.is_empty() {
                return Ok(Some(Frame::trailers(self.fields()?)));
            }
        }
        Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunks::MISFRAMED;

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
        for body in MISFRAMED {
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
