//! A request's head, judged to the letter before HTTP's own parser sees it: one reading of it, and of where its body ends.
//!
//! hyper and `http` are lenient where RFC 9112 lets them be: a bare LF ends a line, `#` ends a path, and of two framings one is
//! dropped in silence. Harmless to what we send, which is written anew; but whoever stands before us may read the same bytes as
//! two requests, or one as none. What passes here is read in one way by every parser, hyper included.

use memchr::memchr;
use thiserror::Error;

use super::head_line::{Field, RequestLine, Version, is_token, read_field, read_request_line};
use crate::chunks::Chunks;
use crate::fields::{Place, is};

/// Largest head, in bytes with its empty line, and most fields in it. Clients of this protocol send a few hundred bytes and a
/// dozen fields.
pub(super) const MAX_HEAD: usize = 16 * 1024;
pub(super) const MAX_FIELDS: usize = 64;

/// Fields that most requests do not exceed.
const ORDINARY: usize = 12;

/// Why a head is refused before it is a request: no route, and no method, is known then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeadFault {
    /// Not HTTP at all: TLS on a plain port, a PROXY protocol line, noise.
    #[error("the request line is not a method, a path and a version, with one space between them")]
    RequestLine,
    /// Another version; HTTP/2 is not spoken here.
    #[error("the only versions of HTTP spoken here are 1.1 and 1.0")]
    Version,
    /// A whole URL, as sent to a forward proxy, or `*`.
    #[error("the request target must be a path")]
    Target,
    /// A tunnel is asked for.
    #[error("only POST is allowed")]
    Connect,
    /// `#`, or anything else that RFC 3986 has no place for.
    #[error("the path holds a character that must be escaped")]
    Path,
    /// A bare LF or CR, which some parsers take for the end of a line.
    #[error("a line of the head does not end in CRLF, or holds a CR or LF")]
    LineEnd,
    /// A line that continues the one before it (RFC 9112 section 5.2).
    #[error("a header field is folded over several lines")]
    Folded,
    /// No token, or not directly followed by the colon.
    #[error("a header field's name is not a token followed by a colon")]
    FieldName,
    /// A NUL or another control character.
    #[error("a header field's value holds a control character")]
    FieldValue,
    /// Larger than 16 KiB.
    #[error("the head is larger than {MAX_HEAD} bytes")]
    TooLarge,
    /// More than 64 fields.
    #[error("the head has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// Not complete in time.
    #[error("the head did not arrive in time")]
    TooSlow,
    /// `Content-Length` and `Transfer-Encoding`.
    #[error("the request has both Content-Length and Transfer-Encoding")]
    TwoFramings,
    /// Not one number of ASCII digits.
    #[error("the Content-Length is not a number")]
    Length,
    /// `Content-Length` more than once, even if all agree.
    #[error("the request has more than one Content-Length")]
    DuplicateLength,
    /// A transfer coding other than `chunked`, once.
    #[error("the only Transfer-Encoding allowed is chunked")]
    TransferCoding,
    /// HTTP/1.0 knows no transfer codings: what is behind us may ignore it.
    #[error("a Transfer-Encoding is not allowed in HTTP/1.0")]
    CodingInHttp10,
    /// A field whose name another parser may take for one that frames the body.
    #[error("a header field imitates Content-Length or Transfer-Encoding")]
    DisguisedFraming,
    /// hyper began a request where none had been judged. Cannot be, and is not served if it should be.
    #[error("a request began where none was expected")]
    Unexpected,
}

/// What frames the body behind a head.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes; none without a field that says so (RFC 9112 section 6.3).
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
}

/// How far a head has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// Good so far.
    Partial,
    /// Good, and whole.
    Complete(Head),
}

/// What a whole head has said. Places are counted from its first byte.
#[derive(Debug)]
pub(super) struct Head {
    /// Its bytes, with the empty line at its end.
    pub(super) length: usize,
    /// The body behind it.
    pub(super) framing: Framing,
    pub(super) line: RequestLine,
    pub(super) fields: Vec<Place>,
}

/// Reads one head, however many pieces it comes in, line by line: the cuts change nothing.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Bytes of lines that have been read.
    read: usize,
    /// Bytes in which the end of the next line has been looked for.
    searched: usize,
    line: Option<RequestLine>,
    fields: Vec<Place>,
    length: Option<u64>,
    chunked: bool,
}

impl HeadReader {
    /// Reads on; `bytes` is the head so far, from its first byte, and whatever has come behind it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Progress, HeadFault> {
        loop {
            let begin = self.read;
            let Some(line) = self.next_line(bytes) else { break };
            if self.read > MAX_HEAD {
                return Err(HeadFault::TooLarge);
            }
            match &self.line {
                // one empty line before a request is to be ignored (RFC 9112 section 2.2)
                None if line == b"\r\n" && begin == 0 => {}
                None => self.line = Some(read_request_line(line, begin)?),
                Some(request_line) if line == b"\r\n" => {
                    let line = request_line.clone();
                    return self.complete(line).map(Progress::Complete);
                }
                Some(request_line) => {
                    let version = request_line.version;
                    self.note(read_field(line, begin)?, version)?;
                }
            }
        }
        if bytes.len() >= MAX_HEAD {
            return Err(HeadFault::TooLarge);
        }
        // a client of another protocol, TLS above all, may say no more before it is answered
        match bytes.get(self.read..).and_then(<[u8]>::first) {
            Some(first) if self.line.is_none() && !is_token(first) && (*first != b'\r' || self.read > 0) => {
                Err(HeadFault::RequestLine)
            }
            Some(_) | None => Ok(Progress::Partial),
        }
    }

    /// The next line with the LF at its end, if that has come.
    fn next_line<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let fresh = bytes.get(self.searched..)?;
        let Some(end) = memchr(b'\n', fresh) else {
            self.searched = bytes.len();
            return None;
        };
        let begin = self.read;
        self.searched = self.searched.saturating_add(end).saturating_add(1);
        self.read = self.searched;
        bytes.get(begin..self.read)
    }

    fn note(&mut self, field: Field<'_>, version: Version) -> Result<(), HeadFault> {
        if self.fields.len() == MAX_FIELDS {
            return Err(HeadFault::TooManyFields);
        }
        if self.fields.is_empty() {
            self.fields = Vec::with_capacity(ORDINARY);
        }
        self.fields.push(field.place);
        match meaning(field.name) {
            Meaning::Nothing => {}
            Meaning::Disguised => return Err(HeadFault::DisguisedFraming),
            Meaning::ContentLength if self.length.is_some() => return Err(HeadFault::DuplicateLength),
            Meaning::ContentLength => self.length = Some(number(field.value).ok_or(HeadFault::Length)?),
            Meaning::TransferEncoding if version == Version::Http10 => return Err(HeadFault::CodingInHttp10),
            Meaning::TransferEncoding if self.chunked || !field.value.eq_ignore_ascii_case(b"chunked") => {
                return Err(HeadFault::TransferCoding);
            }
            Meaning::TransferEncoding => self.chunked = true,
        }
        Ok(())
    }

    fn complete(&mut self, line: RequestLine) -> Result<Head, HeadFault> {
        Ok(Head { length: self.read, framing: self.framing()?, line, fields: std::mem::take(&mut self.fields) })
    }

    fn framing(&self) -> Result<Framing, HeadFault> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(HeadFault::TwoFramings),
            (None, true) => Ok(Framing::Chunked(Chunks::default())),
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

enum Meaning {
    ContentLength,
    TransferEncoding,
    /// Letters of one of the two, with other characters between them.
    Disguised,
    Nothing,
}

fn meaning(name: &[u8]) -> Meaning {
    const LENGTH: &[u8] = b"contentlength";
    const CODING: &[u8] = b"transferencoding";
    if name.len() < LENGTH.len() {
        return Meaning::Nothing;
    }
    let spells = |word: &[u8]| {
        let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        letters.map(u8::to_ascii_lowercase).eq(word.iter().copied())
    };
    if is(name, "content-length") {
        Meaning::ContentLength
    } else if is(name, "transfer-encoding") {
        Meaning::TransferEncoding
    } else if spells(LENGTH) || spells(CODING) {
        Meaning::Disguised
    } else {
        Meaning::Nothing
    }
}

/// One or more ASCII digits, without a sign. At most 2^63-1: hyper keeps the largest numbers for other purposes.
fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|number| *number <= u64::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    const GOOD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX:\r\n\r\n";

    fn read(head: &str) -> Result<Option<String>, HeadFault> {
        Ok(match HeadReader::default().read(head.as_bytes())? {
            Progress::Partial => None,
            Progress::Complete(Head { length, framing, .. }) => Some(format!(
                "{length} {}",
                if let Framing::Length(n) = framing { n.to_string() } else { "chunked".into() }
            )),
        })
    }

    fn with(line: &str) -> Result<Option<String>, HeadFault> {
        read(&format!("POST / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"))
    }

    #[test]
    fn a_head_says_how_long_it_and_its_body_are() {
        assert_eq!(read(GOOD), Ok(Some(format!("{} 3", GOOD.len()))));
        assert_eq!(read(&format!("\r\n{GOOD}a=b")), Ok(Some(format!("{} 3", GOOD.len() + 2))));
        assert_eq!(read("GET /a?b=%zz HTTP/1.0\r\n\r\n"), Ok(Some("25 0".to_owned())));
        assert!(with("Transfer-Encoding:\t Chunked \t").unwrap().unwrap().ends_with("chunked"));
        assert!(with("Content-Length:  007\t").unwrap().unwrap().ends_with(" 7"));
    }

    #[test]
    fn a_head_in_pieces_is_read_as_a_whole_one() {
        for step in 1..7 {
            let mut reader = HeadReader::default();
            let mut end = step;
            while end < GOOD.len() {
                assert!(matches!(reader.read(&GOOD.as_bytes()[..end]), Ok(Progress::Partial)), "{end}");
                end += step;
            }
            let whole = reader.read(&[GOOD.as_bytes(), b"\r\nrest"].concat());
            let Ok(Progress::Complete(head)) = whole else { panic!("{whole:?}") };
            assert!(matches!(head.framing, Framing::Length(3)) && head.length == GOOD.len());
            let text = |range: &Range<usize>| GOOD.get(range.clone()).unwrap();
            assert_eq!((text(&head.line.method), text(&head.line.target)), ("POST", "/"));
            let fields = head.fields.iter().map(|place| (text(&place.name), text(&place.value)));
            assert_eq!(fields.collect::<Vec<_>>(), [("Host", "a"), ("Content-Length", "3"), ("X", "")]);
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for (line, fault) in [
            ("X: a\nY: b", HeadFault::LineEnd),
            ("X: a\rb", HeadFault::LineEnd),
            ("X: a\r\rY: b", HeadFault::LineEnd),
            ("X\nY: b", HeadFault::LineEnd),
            ("\n", HeadFault::LineEnd),
            ("X: a\r\n b", HeadFault::Folded),
            ("\tX: a", HeadFault::Folded),
            ("X : a", HeadFault::FieldName),
            (": a", HeadFault::FieldName),
            ("X(: a", HeadFault::FieldName),
            ("X\0: a", HeadFault::FieldName),
            ("no colon", HeadFault::FieldName),
            ("no_colon", HeadFault::LineEnd),
            ("X: a\0b", HeadFault::FieldValue),
            ("X: \u{7f}", HeadFault::FieldValue),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", HeadFault::TwoFramings),
            ("Transfer-Encoding: chunked\r\nContent-Length: 1", HeadFault::TwoFramings),
            ("Content-Length: 1\r\nContent-Length: 1", HeadFault::DuplicateLength),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", HeadFault::TransferCoding),
            ("Transfer_Encoding: chunked", HeadFault::DisguisedFraming),
            ("Content--Length: 1", HeadFault::DisguisedFraming),
            ("contentlength: 1", HeadFault::DisguisedFraming),
        ] {
            assert_eq!(with(line), Err(fault), "{line:?}");
        }
        for value in ["", "+1", "1, 1", "0x1", "1 1", "9223372036854775808", "18446744073709551616", "٢"] {
            assert_eq!(with(&format!("Content-Length: {value}")), Err(HeadFault::Length), "{value:?}");
        }
        for value in ["", "gzip, chunked", "identity", "chunked;q=1", "\"chunked\"", "chunked,"] {
            assert_eq!(with(&format!("Transfer-Encoding: {value}")), Err(HeadFault::TransferCoding), "{value:?}");
        }
        assert_eq!(read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(HeadFault::CodingInHttp10));
    }

    #[test]
    fn a_request_line_is_a_method_a_path_and_a_version() {
        for (line, fault) in [
            ("POST /#x HTTP/1.1", HeadFault::Path),
            ("POST /<x> HTTP/1.1", HeadFault::Path),
            ("POST http://a/ HTTP/1.1", HeadFault::Target),
            ("OPTIONS * HTTP/1.1", HeadFault::Target),
            ("CONNECT a:443 HTTP/1.1", HeadFault::Connect),
            ("POST / HTTP/2.0", HeadFault::Version),
            ("POST / HTTP/1.10", HeadFault::Version),
            ("POST / http/1.1", HeadFault::RequestLine),
            ("POST  / HTTP/1.1", HeadFault::RequestLine),
            ("POST\t/ HTTP/1.1", HeadFault::RequestLine),
            ("POST /\u{e9} HTTP/1.1", HeadFault::RequestLine),
            ("POST / HTTP/1.1 ", HeadFault::LineEnd),
            ("POST / HTTP/1.1\rX", HeadFault::LineEnd),
            ("POST /", HeadFault::RequestLine),
            ("", HeadFault::RequestLine),
            (" POST / HTTP/1.1", HeadFault::RequestLine),
            ("PO(ST / HTTP/1.1", HeadFault::RequestLine),
        ] {
            assert_eq!(read(&format!("{line}\r\nHost: a\r\n\r\n")), Err(fault), "{line:?}");
        }
        assert_eq!(read("POST / HTTP/1.1\nHost: a\r\n\r\n"), Err(HeadFault::LineEnd));
        // at once, and not only when the line ends: this client will say no more
        assert_eq!(read("\x16\x03\x01"), Err(HeadFault::RequestLine));
    }

    #[test]
    fn a_head_has_limits() {
        let fields = |n: usize| "a: b\r\n".repeat(n);
        assert!(matches!(read(&format!("POST / HTTP/1.1\r\n{}\r\n", fields(64))), Ok(Some(_))));
        assert_eq!(read(&format!("POST / HTTP/1.1\r\n{}\r\n", fields(65))), Err(HeadFault::TooManyFields));
        let head = |length: usize| {
            let around = "POST / HTTP/1.1\r\nX: \r\n\r\n".len();
            format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(length - around))
        };
        assert_eq!(read(&head(MAX_HEAD)), Ok(Some(format!("{MAX_HEAD} 0"))));
        assert_eq!(read(&head(MAX_HEAD + 1)), Err(HeadFault::TooLarge));
        assert_eq!(read(&"x".repeat(MAX_HEAD)), Err(HeadFault::TooLarge), "without an end in sight");
    }
}
