//! The head of a request, read strictly: there is only one way to read it, and to find where its body ends.
//!
//! RFC 9112 lets parsers be lenient: a bare LF ends a line, `#` ends a path, and of two framings one is silently
//! dropped. That is harmless to what we send, which is written anew; but a proxy in front of us may read the same bytes
//! as two requests, or as none. Every parser reads what passes here in the same way.

use std::ops::Range;

use memchr::memchr;
use smol_str::SmolStr;

use super::chunked::ChunkedDecoder;
use super::fields::{FieldSpan, Fields, same_name};
use super::framing::Framing;
use super::grammar::TOKEN;
use super::head_fault::{HeadFault, MAX_REQUEST_FIELDS, MAX_REQUEST_HEAD};
use super::head_line::{Field, RequestLine, read_field, read_request_line};
use super::persistence::{ConnectionOptions, Persistence, Version};

/// Memory is reserved for this many fields at first: most requests do not have more.
const ORDINARY: usize = 12;

/// What a request says before its body.
pub struct RequestHead {
    method: SmolStr,
    authority: Option<SmolStr>,
    target: SmolStr,
    version: Version,
    persistence: Persistence,
    fields: Fields,
}

/// Whether a client waits for an interim response before it sends the body: RFC 9110 section 10.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// It does not wait. Also for a client of HTTP/1.0, whose expectation must be ignored.
    Nothing,
    /// It waits for `100 Continue`.
    Continue,
}

/// A whole head, and what it says about the bytes around it.
pub struct ReceivedRequest {
    /// The head.
    pub head: RequestHead,
    /// Its length in bytes, including the empty line at its end.
    pub length: usize,
    /// How the body after it ends.
    pub framing: Framing,
    /// Whether the client waits before it sends that body.
    pub expectation: Expectation,
}

/// Reads one head line by line, in however many pieces it arrives.
#[derive(Debug)]
pub struct RequestHeadReader {
    /// Bytes of lines that have been read.
    read: usize,
    /// Bytes in which the end of the next line has been looked for.
    searched: usize,
    line: Option<RequestLine>,
    fields: Vec<FieldSpan>,
    length: Option<u64>,
    chunked: bool,
    connection: ConnectionOptions,
    expectation: Expectation,
}

impl RequestHead {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The authority of a target in absolute form, which takes the place of the `Host` field (RFC 9112 section 3.2.2).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// What is called: a path, and a query if there is one.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path, without a query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _query)| path)
    }

    /// Whether a `?` follows the path.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.target.contains('?')
    }

    /// What follows the first `?`; empty where there is none. It may hold a form and with it what is in no log.
    #[must_use]
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_path, query)| query)
    }

    /// The header fields.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The version that the client speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether the client wants to send another request on the connection.
    #[must_use]
    pub const fn persistence(&self) -> Persistence {
        self.persistence
    }
}

impl Default for RequestHeadReader {
    /// Before the first byte.
    fn default() -> Self {
        Self {
            read: 0,
            searched: 0,
            line: None,
            fields: Vec::new(),
            length: None,
            chunked: false,
            connection: ConnectionOptions::default(),
            expectation: Expectation::Nothing,
        }
    }
}

impl RequestHeadReader {
    /// Reads on. `bytes` is the head so far, from its first byte, and whatever follows it. `None` while the
    /// head is correct so far and not complete.
    ///
    /// # Errors
    /// The first thing that is wrong with the head, as soon as it can be seen.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<ReceivedRequest>, HeadFault> {
        loop {
            let begin = self.read;
            let Some(line) = self.next_line(bytes) else { break };
            if self.read > MAX_REQUEST_HEAD {
                return Err(self.too_large(line));
            }
            match &self.line {
                // one empty line before a request is to be ignored (RFC 9112 section 2.2)
                None if line == b"\r\n" && begin == 0 => {}
                None => self.line = Some(read_request_line(line, begin)?),
                Some(request_line) if line == b"\r\n" => {
                    let line = request_line.clone();
                    return self.complete(bytes, &line).map(Some);
                }
                Some(request_line) => {
                    let version = request_line.version;
                    self.note(read_field(line, begin)?, version)?;
                }
            }
        }
        if bytes.len() >= MAX_REQUEST_HEAD {
            return Err(self.too_large(bytes));
        }
        // a client of another protocol, TLS above all, may wait for a response to its first bytes
        match bytes.get(self.read..).and_then(<[u8]>::first) {
            Some(first) if self.line.is_none() && !TOKEN.has(first) && (*first != b'\r' || self.read > 0) => {
                Err(HeadFault::RequestLine)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The fault of a head of which `bytes` are the first line, or the beginning of it, unless that has been read.
    fn too_large(&self, bytes: &[u8]) -> HeadFault {
        let begins_a_target = || matches!(TOKEN.split(bytes), ([_, ..], [b' ', ..]));
        if self.line.is_none() && begins_a_target() { HeadFault::TargetTooLong } else { HeadFault::TooLarge }
    }

    /// The next line including the LF at its end, if that has been received.
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
        if self.fields.len() == MAX_REQUEST_FIELDS {
            return Err(HeadFault::TooManyFields);
        }
        if self.fields.is_empty() {
            self.fields = Vec::with_capacity(ORDINARY);
        }
        self.fields.push(field.span);
        match meaning(field.name) {
            Meaning::Nothing => {}
            Meaning::Connection => self.connection.note(field.value),
            Meaning::Expect if version == Version::Http11 && same_name(field.value, "100-continue") => {
                self.expectation = Expectation::Continue;
            }
            // another expectation takes the place of one before it; the proxy refuses it
            Meaning::Expect => self.expectation = Expectation::Nothing,
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

    fn complete(&mut self, bytes: &[u8], line: &RequestLine) -> Result<ReceivedRequest, HeadFault> {
        let framing = self.framing()?;
        let text = bytes.get(..self.read).unwrap_or_default();
        let persistence = self.connection.persistence(line.version);
        let head = RequestHead {
            method: small_text(text, &line.method),
            authority: line.authority.as_ref().map(|authority| small_text(text, authority)),
            target: path_or_root(small_text(text, &line.target)),
            version: line.version,
            persistence,
            fields: Fields::of(text, std::mem::take(&mut self.fields)),
        };
        Ok(ReceivedRequest { head, length: self.read, framing, expectation: self.expectation })
    }

    fn framing(&self) -> Result<Framing, HeadFault> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(HeadFault::TwoFramings),
            (None, true) => Ok(Framing::Chunked(Box::new(ChunkedDecoder::new(MAX_REQUEST_FIELDS)))),
            // without a field that says so, there is no body (RFC 9112 section 6.3)
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// A target in absolute form without a path stands for the root (RFC 9110 section 4.2.3).
fn path_or_root(target: SmolStr) -> SmolStr {
    if target.starts_with('/') { target } else { format!("/{target}").into() }
}

/// Method and target are ASCII, by the grammar of the request line.
fn small_text(text: &[u8], range: &Range<usize>) -> SmolStr {
    text.get(range.clone()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default().into()
}

enum Meaning {
    Connection,
    ContentLength,
    Expect,
    TransferEncoding,
    /// Letters of `Content-Length` or `Transfer-Encoding`, with other characters between them.
    Disguised,
    Nothing,
}

fn meaning(name: &[u8]) -> Meaning {
    const LENGTH: &[u8] = b"contentlength";
    const CODING: &[u8] = b"transferencoding";
    if name.len() < LENGTH.len() {
        return match name.len() {
            6 if same_name(name, "expect") => Meaning::Expect,
            10 if same_name(name, "connection") => Meaning::Connection,
            _ => Meaning::Nothing,
        };
    }
    let spells = |word: &[u8]| {
        let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        letters.map(u8::to_ascii_lowercase).eq(word.iter().copied())
    };
    if same_name(name, "content-length") {
        Meaning::ContentLength
    } else if same_name(name, "transfer-encoding") {
        Meaning::TransferEncoding
    } else if spells(LENGTH) || spells(CODING) {
        Meaning::Disguised
    } else {
        Meaning::Nothing
    }
}

/// One or more ASCII digits, without a sign. At most 2^63-1: some parsers read lengths as signed numbers.
fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|number| *number <= u64::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    const GOOD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX:\r\n\r\n";

    fn read(head: &str) -> Result<Option<String>, HeadFault> {
        Ok(RequestHeadReader::default().read(head.as_bytes())?.map(|ReceivedRequest { length, framing, .. }| {
            format!("{length} {}", if let Framing::Length(n) = framing { n.to_string() } else { "chunked".into() })
        }))
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
            let mut reader = RequestHeadReader::default();
            let mut end = step;
            while end < GOOD.len() {
                assert!(matches!(reader.read(&GOOD.as_bytes()[..end]), Ok(None)), "{end}");
                end += step;
            }
            let Ok(Some(request)) = reader.read(&[GOOD.as_bytes(), b"\r\nrest"].concat()) else { panic!("{step}") };
            assert!(matches!(request.framing, Framing::Length(3)) && request.length == GOOD.len());
            let head = request.head;
            assert_eq!((head.method(), head.target()), ("POST", "/"));
            let fields: [(&[u8], &[u8]); 3] = [(b"Host", b"a"), (b"Content-Length", b"3"), (b"X", b"")];
            assert_eq!(head.fields().iter().collect::<Vec<_>>(), fields);
        }
    }

    fn head(text: &str) -> ReceivedRequest {
        let Ok(Some(request)) = RequestHeadReader::default().read(text.as_bytes()) else { panic!("{text}") };
        request
    }

    #[test]
    fn a_head_is_taken_apart() {
        let text =
            "POST /a?b HTTP/1.1\r\nHost: a\r\nX:\r\nx: \t b c \r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\n";
        for text in [text.to_owned(), format!("\r\n{text}")] {
            let ReceivedRequest { head, expectation, .. } = head(&text);
            assert_eq!((head.method(), head.path(), head.has_query()), ("POST", "/a", true));
            assert_eq!(head.query(), "b");
            assert_eq!((head.version(), head.persistence()), (Version::Http11, Persistence::KeepAlive));
            assert_eq!(expectation, Expectation::Nothing);
            assert_eq!(head.fields().only("host"), Some(&b"a"[..]));
            assert_eq!(head.fields().all("x").collect::<Vec<_>>(), [&b""[..], b"b c"]);
            assert_eq!(head.fields().count(), 5);
        }
    }

    #[test]
    fn a_head_says_whether_its_client_goes_on_and_whether_it_waits() {
        use {Expectation::*, Persistence::*};
        for (rest, persistence, expectation) in [
            ("HTTP/1.1", KeepAlive, Nothing),
            ("HTTP/1.0", Close, Nothing),
            ("HTTP/1.0\r\nConnection: keep-alive", KeepAlive, Nothing),
            ("HTTP/1.1\r\nConnection: x, Close", Close, Nothing),
            ("HTTP/1.1\r\nExpect: 100-Continue", KeepAlive, Continue),
            ("HTTP/1.0\r\nExpect: 100-continue", Close, Nothing),
            ("HTTP/1.1\r\nExpect: 200-ok", KeepAlive, Nothing),
            ("HTTP/1.1\r\nExpect: 100-continue\r\nExpect: 200-ok", KeepAlive, Nothing),
        ] {
            let request = head(&format!("POST / {rest}\r\nHost: a\r\n\r\n"));
            assert_eq!((request.head.persistence(), request.expectation), (persistence, expectation), "{rest}");
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
            ("POST http:/a/ HTTP/1.1", HeadFault::Target),
            ("POST http:///a HTTP/1.1", HeadFault::Target),
            ("POST ftp://a/ HTTP/1.1", HeadFault::Target),
            ("POST http://a@b/ HTTP/1.1", HeadFault::Target),
            ("POST http://a%2e/ HTTP/1.1", HeadFault::Target),
            ("POST http://a:b:8021/ HTTP/1.1", HeadFault::Target),
            ("POST http://a:/ HTTP/1.1", HeadFault::Target),
            ("POST http://a:65536/ HTTP/1.1", HeadFault::Target),
            ("POST http://a:+1/ HTTP/1.1", HeadFault::Target),
            ("POST http://[::1/ HTTP/1.1", HeadFault::Target),
            ("POST http://[a]:1/ HTTP/1.1", HeadFault::Target),
            ("POST http://a?x=1 HTTP/1.1", HeadFault::Target),
            ("POST http://a\\b/ HTTP/1.1", HeadFault::Target),
            ("POST http://a/#x HTTP/1.1", HeadFault::Path),
            ("POST http://a#x HTTP/1.1", HeadFault::Target),
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
    fn a_target_in_absolute_form_has_an_authority_and_perhaps_a_path() {
        for (target, authority, path) in [
            ("http://a.example/", "a.example", "/"),
            ("HTTP://a.example:8021/b?c", "a.example:8021", "/b?c"),
            ("https://[::1]:8021", "[::1]:8021", "/"),
            ("http://127.0.0.1", "127.0.0.1", "/"),
        ] {
            let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let received = RequestHeadReader::default().read(head.as_bytes()).unwrap().unwrap();
            assert_eq!((received.head.authority(), received.head.target()), (Some(authority), path), "{target}");
        }
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
        assert_eq!(read(&head(MAX_REQUEST_HEAD)), Ok(Some(format!("{MAX_REQUEST_HEAD} 0"))));
        assert_eq!(read(&head(MAX_REQUEST_HEAD + 1)), Err(HeadFault::TooLarge));
        assert_eq!(read(&"x".repeat(MAX_REQUEST_HEAD)), Err(HeadFault::TooLarge), "without an end in sight");
        let target = |length: usize| format!("GET /?{}", "x".repeat(length - "GET /?".len()));
        let rest = " HTTP/1.1\r\n\r\n";
        let longest = target(MAX_REQUEST_HEAD - rest.len());
        assert!(matches!(read(&format!("{longest}{rest}")), Ok(Some(_))));
        assert_eq!(read(&target(MAX_REQUEST_HEAD)), Err(HeadFault::TargetTooLong));
        assert_eq!(read(&format!("{longest}xxxxx{rest}")), Err(HeadFault::TargetTooLong));
        assert_eq!(read(&format!("{longest}xx{rest}")), Err(HeadFault::TooLarge), "the line is not, and the head is");
    }
}
