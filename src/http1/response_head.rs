//! The head of a response: parsed and checked, so that nothing is passed on that two readers could read differently.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;
use httparse::{ParserConfig, Status};
use thiserror::Error;

use super::chunked::ChunkedDecoder;
use super::fields::{FieldSpan, Fields, same_name};
use super::framing::Framing;
use super::persistence::{ConnectionOptions, Persistence, Version};
use super::receive_buffer::ReceiveBuffer;

/// The largest head of a response, in bytes, including its empty line.
const MAX_HEAD: usize = 64 * 1024;
/// The most fields in the head of a response, and the most trailers after its body.
const MAX_FIELDS: usize = 128;

/// The most informational responses to one request, whatever time is left (RFC 9110 section 15.2 sets no limit).
/// Endpoints send one, if any: `100 Continue`, which we do not ask for.
pub(super) const MOST_INFORMATIONAL: usize = 20;

/// The endpoint did not send a response that every reader reads in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadResponse {
    /// It is not HTTP/1.1, or it exceeds a limit of heads.
    #[error(transparent)]
    NotHttp(#[from] NotHttp),
    /// It is HTTP, but there is more than one way to read it, or it was not requested.
    #[error("{0}")]
    Ambiguous(&'static str),
}

/// The endpoint did not send HTTP/1.1, or its head exceeds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotHttp {
    /// Its grammar.
    #[error("its head cannot be read: {0}")]
    Syntax(httparse::Error),
    /// Longer than a head may be.
    #[error("its head is longer than {MAX_HEAD} bytes")]
    TooLarge,
    /// Three digits that are not a status.
    #[error("its status is not between 100 and 999")]
    Status,
    /// Not digits, or too many of them.
    #[error("its Content-Length is not a number of bytes")]
    Length,
    /// Not in ASCII, as the names of codings are.
    #[error("its Transfer-Encoding is not the name of a coding")]
    Coding,
    /// RFC 9112 section 6.1: "a server MUST NOT".
    #[error("it has a Transfer-Encoding in HTTP/1.0")]
    CodingInHttp10,
}

/// The head of a final response.
pub struct ResponseHead {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: Fields,
    /// How the end of its body is found.
    pub framing: Framing,
    /// Whether the connection may carry another request after this response.
    pub persistence: Persistence,
}

/// Reads the head of one response, piece by piece as it is received.
#[derive(Default)]
pub struct ResponseHeadReader {
    informational: usize,
    /// How many bytes have been searched without finding the end of a head: nothing is parsed before its empty line has
    /// been received.
    partial: usize,
}

impl ResponseHeadReader {
    /// The head, once all of it has been received, and what follows it; informational responses before it are skipped.
    /// With `None`, what has arrived of it stays in `received`.
    ///
    /// # Errors
    /// See [`BadResponse`].
    pub fn read(&mut self, received: &mut ReceiveBuffer) -> Result<Option<(ResponseHead, Bytes)>, BadResponse> {
        let new = received.as_slice();
        if self.partial > 0 && new.len() < MAX_HEAD && !has_empty_line(new, self.partial) {
            self.partial = new.len();
            return Ok(None);
        }
        loop {
            let Some(parsed) = parse(received.as_slice())? else {
                self.partial = received.len();
                return Ok(None);
            };
            received.skip(parsed.length);
            if parsed.status.is_informational() && parsed.status != StatusCode::SWITCHING_PROTOCOLS {
                self.informational = self.informational.saturating_add(1);
                if self.informational > MOST_INFORMATIONAL {
                    return Err(BadResponse::Ambiguous("too many informational responses come before it"));
                }
                continue;
            }
            let claims = Claims::of(&parsed.fields);
            parsed.check(&claims).map_err(BadResponse::Ambiguous)?;
            let framing = parsed.framing(&claims)?;
            let persistence = claims.connection.persistence(parsed.version);
            let head = ResponseHead { status: parsed.status, fields: parsed.fields, framing, persistence };
            return Ok(Some((head, received.take_all())));
        }
    }
}

/// Whether an empty line ends in the bytes from `new` on. This check is as lenient as the parser.
pub(super) fn has_empty_line(bytes: &[u8], new: usize) -> bool {
    let new = bytes.get(new.saturating_sub(2)..).unwrap_or_default();
    new.windows(2).any(|two| two == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
}

/// A head of whatever status.
pub(super) struct Parsed {
    pub(super) status: StatusCode,
    version: Version,
    pub(super) fields: Fields,
    pub(super) length: usize,
}

/// The first head in `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Parsed>, NotHttp> {
    let mut space = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut head = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut space);
    let length = match parsed.map_err(NotHttp::Syntax)? {
        Status::Complete(length) if length <= MAX_HEAD => length,
        Status::Partial if bytes.len() < MAX_HEAD => return Ok(None),
        Status::Complete(_) | Status::Partial => return Err(NotHttp::TooLarge),
    };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(NotHttp::Status)?;
    let version = if head.version == Some(1) { Version::Http11 } else { Version::Http10 };
    let text = bytes.get(..length).unwrap_or_default();
    let mut spans = Vec::with_capacity(head.headers.len().saturating_add(1)); // and our own id
    spans.extend(
        head.headers
            .iter()
            .map(|field| FieldSpan { name: span(text, field.name.as_bytes()), value: span(text, field.value) }),
    );
    Ok(Some(Parsed { status, version, fields: Fields::of(text, spans), length }))
}

/// The position of this piece in `text`.
fn span(text: &[u8], piece: &[u8]) -> Range<usize> {
    let start = piece.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start..start.saturating_add(piece.len())
}

/// What the fields of a head claim about the end of its body and of the connection, noted in one pass.
#[derive(Default)]
struct Claims<'f> {
    lengths: usize,
    /// The last one.
    length: Option<&'f [u8]>,
    codings: usize,
    /// The last one.
    coding: Option<&'f [u8]>,
    connection: ConnectionOptions,
}

impl<'f> Claims<'f> {
    fn of(fields: &'f Fields) -> Self {
        let mut claims = Self::default();
        for (name, value) in fields.iter() {
            if same_name(name, "content-length") {
                (claims.lengths, claims.length) = (claims.lengths.saturating_add(1), Some(value));
            } else if same_name(name, "transfer-encoding") {
                (claims.codings, claims.coding) = (claims.codings.saturating_add(1), Some(value));
            } else if same_name(name, "connection") {
                claims.connection.note(value);
            }
        }
        claims
    }
}

impl Parsed {
    /// Some responses end in different places for different readers; those are not passed on.
    fn check(&self, claims: &Claims<'_>) -> Result<(), &'static str> {
        if self.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err("it switches protocols, which was not asked for");
        }
        if self.status.as_u16() >= 600 {
            // RFC 9110 section 15: clients treat such a number in different ways
            return Err("its status is beyond those that exist");
        }
        if claims.lengths > 1 || claims.length.is_some_and(|length| length.contains(&b',')) {
            return Err("it has more than one Content-Length");
        }
        if claims.length.is_some() && claims.coding.is_some() {
            return Err("it has both Content-Length and Transfer-Encoding");
        }
        // RFC 9112 section 7: the other codings would have to be undone here, because their field goes no further than
        // this hop. We ask for none of them (no TE field is sent), so an endpoint must not use one (RFC 9110 section
        // 10.1.4). Passed on unchanged, the body would be compressed bytes, and no field of the response would say so.
        let is_chunked = |value: &[u8]| same_name(value, "chunked") || !value.is_ascii();
        if claims.codings > 1 || claims.coding.is_some_and(|value| !is_chunked(value)) {
            return Err("it has a Transfer-Encoding other than one `chunked`");
        }
        Ok(())
    }

    /// RFC 9112 section 6.3, for the response to a POST. [`Self::check`] comes first.
    fn framing(&self, claims: &Claims<'_>) -> Result<Framing, NotHttp> {
        if matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Framing::Length(0));
        }
        if let Some(coding) = claims.coding {
            return match self.version {
                // codings have names in ASCII
                _ if !coding.is_ascii() => Err(NotHttp::Coding),
                Version::Http10 => Err(NotHttp::CodingInHttp10),
                Version::Http11 => Ok(Framing::Chunked(Box::new(ChunkedDecoder::new(MAX_FIELDS)))),
            };
        }
        match claims.length {
            Some(length) => digits(length).map(Framing::Length).ok_or(NotHttp::Length),
            None => Ok(Framing::UntilClose),
        }
    }
}

/// Digits and nothing else: `parse` would accept a sign.
fn digits(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reading = Result<Option<(ResponseHead, Bytes)>, BadResponse>;

    /// Reads an answer that comes in pieces of so many bytes, and stops at its head.
    fn read(sent: &[u8], piece: usize) -> Reading {
        let (mut reader, mut received) = (ResponseHeadReader::default(), ReceiveBuffer::default());
        let mut pieces = sent.chunks(piece);
        while let Some(piece) = pieces.next() {
            received.space(0).extend_from_slice(piece);
            if let Some((head, behind)) = reader.read(&mut received)? {
                let behind = [&behind[..], &pieces.collect::<Vec<_>>().concat()].concat();
                return Ok(Some((head, behind.into())));
            }
        }
        Ok(None)
    }

    fn head(text: &str) -> ResponseHead {
        read(text.as_bytes(), usize::MAX).unwrap().unwrap().0
    }

    fn refused(text: &str) -> String {
        let errors: Vec<String> = (1..=text.len())
            .map(|piece| match read(text.as_bytes(), piece) {
                Err(BadResponse::NotHttp(error)) => error.to_string(),
                Err(BadResponse::Ambiguous(what)) => what.to_owned(),
                Ok(_) => panic!("{text:?} is taken, in pieces of {piece}"),
            })
            .collect();
        assert!(errors.windows(2).all(|two| two[0] == two[1]), "{text:?}: {errors:?}");
        errors[0].clone()
    }

    #[test]
    fn a_head_is_read_and_what_is_behind_it_kept_however_it_is_cut() {
        let sent = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
                    HTTP/1.1 404 Not Here\r\nContent-Length: 4\r\nX-Twice: 1 \r\nx-twice:\t2\r\nX-Empty:\r\n\
                    X-Latin: \u{e9}\r\n\r\nbodyHTTP/1.1";
        for piece in 1..=sent.len() {
            let (head, behind) = read(sent.as_bytes(), piece).unwrap().unwrap();
            assert_eq!(head.status.as_u16(), 404, "{piece}");
            let fields: Vec<(&str, &[u8])> =
                head.fields.iter().map(|(name, value)| (std::str::from_utf8(name).unwrap(), value)).collect();
            let expected: [(&str, &[u8]); 5] = [
                ("Content-Length", b"4"),
                ("X-Twice", b"1"),
                ("x-twice", b"2"),
                ("X-Empty", b""),
                ("X-Latin", "\u{e9}".as_bytes()),
            ];
            assert_eq!(fields, expected, "in pieces of {piece}");
            assert!(matches!(head.framing, Framing::Length(4)) && head.persistence == Persistence::KeepAlive);
            assert_eq!(behind, "bodyHTTP/1.1", "in pieces of {piece}");
        }
        for end in 0..sent.find("bodyHTTP").unwrap() {
            assert!(read(&sent.as_bytes()[..end], 7).unwrap().is_none(), "whole after {end} bytes");
        }
    }

    #[test]
    fn a_large_piece_behind_a_head_is_a_slice_of_what_was_received() {
        let body = "x".repeat(10_000);
        let mut received = ReceiveBuffer::default();
        let sent = format!("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n{body}");
        received.space(0).extend_from_slice(sent.as_bytes());
        let memory = received.as_slice().as_ptr_range();
        let (_, behind) = ResponseHeadReader::default().read(&mut received).unwrap().unwrap();
        assert!(memory.contains(&behind.as_ptr()));
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for text in [
            "\u{15}\u{3}\u{3} garbage \r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "<html>HTTP/0.9</html>",
            "ICY 200 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1 twohundred OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 Low\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\n X-A: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-\u{e9}: b\r\n\r\n",
        ] {
            // of a head that comes in pieces only its beginning and its whole are looked at
            match read(text.as_bytes(), usize::MAX) {
                Err(BadResponse::NotHttp(NotHttp::Syntax(_) | NotHttp::Status)) => {}
                other => panic!("{text:?}: {:?}", other.map(|head| head.is_some())),
            }
            for piece in 1..text.len() {
                assert!(!matches!(read(text.as_bytes(), piece), Ok(Some(_))), "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn an_answer_with_two_possible_ends_is_refused() {
        for (fields, why) in [
            ("Content-Length: 2\r\nContent-Length: 3", "it has more than one Content-Length"),
            ("Content-Length: 2\r\nContent-Length: 2", "it has more than one Content-Length"),
            ("Content-Length: 2, 2", "it has more than one Content-Length"),
            ("Content-Length: 2\r\nTransfer-Encoding: chunked", "it has both Content-Length and Transfer-Encoding"),
            ("Content-Length: -1", "its Content-Length is not a number of bytes"),
            ("Content-Length: +2", "its Content-Length is not a number of bytes"),
            ("Content-Length: 0x2", "its Content-Length is not a number of bytes"),
            ("Content-Length:", "its Content-Length is not a number of bytes"),
            ("Content-Length: 99999999999999999999", "its Content-Length is not a number of bytes"),
        ] {
            assert_eq!(refused(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n")), why, "{fields}");
        }
        let in_http_1_0 = refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(in_http_1_0, "it has a Transfer-Encoding in HTTP/1.0");
        let beyond_ascii = refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: \u{e9}, chunked\r\n\r\n");
        assert_eq!(beyond_ascii, "its Transfer-Encoding is not the name of a coding");
    }

    #[test]
    fn a_transfer_coding_that_would_have_to_be_undone_is_refused_whatever_the_status() {
        for codings in [
            "gzip, chunked",
            "gzip",
            "chunked, gzip",
            "chunked, chunked",
            "chunked\r\nTransfer-Encoding: chunked",
            "gzip\r\nTransfer-Encoding: chunked",
            "chunked\r\nTransfer-Encoding: gzip",
            "identity",
            "identity, chunked",
            "aws-chunked",
            "x-foo",
            "xchunked",
            "chunked;q=1",
            "chunked,",
            ", chunked",
            "\"chunked\"",
            "",
        ] {
            for status in ["200 OK", "204 No Content", "304 Not Modified", "403 Forbidden"] {
                let why = refused(&format!("HTTP/1.1 {status}\r\nTransfer-Encoding: {codings}\r\n\r\n"));
                assert_eq!(why, "it has a Transfer-Encoding other than one `chunked`", "{codings}");
            }
        }
        let encoded = head("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(encoded.fields.contain("content-encoding"), "the coding of the content is the client's business");
    }

    #[test]
    fn a_status_that_was_not_asked_for_is_refused() {
        for status in [101, 600, 999] {
            let why = refused(&format!("HTTP/1.1 {status} Beyond\r\nContent-Length: 2\r\n\r\n"));
            assert!(why.contains(if status == 101 { "switches protocols" } else { "beyond those" }), "{why}");
        }
    }

    #[test]
    fn where_a_body_ends_is_what_its_head_says() {
        for (head_text, framing) in [
            ("200 OK\r\nContent-Length: 0", "Length(0)"),
            ("200 OK\r\ncontent-length: 18446744073709551615", "Length(18446744073709551615)"),
            ("200 OK", "UntilClose"),
            ("204 No Content\r\nContent-Length: 3", "Length(0)"),
            ("304 Not Modified\r\nTransfer-Encoding: chunked", "Length(0)"),
            ("304 Not Modified", "Length(0)"),
        ] {
            assert_eq!(format!("{:?}", head(&format!("HTTP/1.1 {head_text}\r\n\r\n")).framing), framing, "{head_text}");
        }
        for coding in ["chunked", "Chunked", "\tCHUNKED "] {
            let head = head(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n"));
            assert!(matches!(head.framing, Framing::Chunked(_)), "{coding}");
        }
    }

    #[test]
    fn a_connection_persists_as_its_version_and_its_last_word_say() {
        for (text, persists) in [
            ("HTTP/1.1 200 OK", true),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive", true),
            ("HTTP/1.1 200 OK\r\nConnection: Close", false),
            ("HTTP/1.1 200 OK\r\nConnection: x, \tclose", false),
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive", false),
            ("HTTP/1.1 200 OK\r\nConnection: closed", true),
            ("HTTP/1.0 200 OK", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive", true),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive, close", false),
        ] {
            assert_eq!(head(&format!("{text}\r\n\r\n")).persistence == Persistence::KeepAlive, persists, "{text}");
        }
    }

    #[test]
    fn a_head_has_its_limits_and_may_be_as_long_as_they_are() {
        let with_fields = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert_eq!(head(&with_fields(MAX_FIELDS)).fields.count(), MAX_FIELDS);
        let too_many = read(with_fields(MAX_FIELDS + 1).as_bytes(), 4096);
        assert!(matches!(too_many, Err(BadResponse::NotHttp(NotHttp::Syntax(httparse::Error::TooManyHeaders)))));

        let of_length = |length: usize| {
            let (start, end) = ("HTTP/1.1 200 OK\r\nA: ", "\r\n\r\n");
            format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
        };
        for piece in [1000, 4096, usize::MAX] {
            assert!(read(of_length(MAX_HEAD).as_bytes(), piece).unwrap().is_some());
            let too_long = read(of_length(MAX_HEAD + 1).as_bytes(), piece);
            assert!(matches!(too_long, Err(BadResponse::NotHttp(NotHttp::TooLarge))));
            let endless = read(&of_length(2 * MAX_HEAD).as_bytes()[..MAX_HEAD], piece);
            assert!(matches!(endless, Err(BadResponse::NotHttp(NotHttp::TooLarge))));
        }
    }

    #[test]
    fn twenty_informational_answers_are_borne_and_no_more() {
        let after = |count: usize| {
            let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(count);
            format!("{hints}HTTP/1.1 200 OK\r\n\r\n")
        };
        for piece in [1, 10, 100, usize::MAX] {
            assert!(read(after(MOST_INFORMATIONAL).as_bytes(), piece).unwrap().is_some());
            let flood = read(after(MOST_INFORMATIONAL + 1).as_bytes(), piece);
            assert!(matches!(flood, Err(BadResponse::Ambiguous(why)) if why.contains("informational")));
        }
    }
}
