//! The head of a response to a client as it is written: RFC 9112 section 4, and how the body after it is framed
//! (section 6).

use http::StatusCode;

use super::fields::{Fields, NameSet, same_name};
use super::persistence::{ConnectionOptions, Persistence, Version};

/// How a client finds the end of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFraming {
    /// There is no body, whatever the response says.
    None,
    /// This many bytes.
    Length(u64),
    /// No bytes, since the request was a HEAD: the body of a response to GET would have this many.
    NoneOf(u64),
    /// Chunks.
    Chunked,
    /// The end of the connection: a client of HTTP/1.0 does not know chunks.
    UntilClose,
}

/// What writing a response requires to know about its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The client's HTTP version, which the response has too.
    pub version: Version,
    /// Whether a body may follow.
    pub body: BodyAsked,
}

/// Whether the response to a request may have a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyAsked {
    /// It may have one.
    Yes,
    /// It may not have one: the request is a HEAD.
    No,
}

impl ResponseFraming {
    /// The framing of a body of this many bytes, if known, in a response of this status (RFC 9110 section 6.4.1).
    #[must_use]
    pub fn of(status: StatusCode, length: Option<u64>, asked: Asked) -> Self {
        match (status, length, asked) {
            (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, _, _) => Self::None,
            (_, Some(length), Asked { body: BodyAsked::No, .. }) => Self::NoneOf(length),
            (_, None, Asked { body: BodyAsked::No, .. }) => Self::None,
            (_, Some(length), Asked { body: BodyAsked::Yes, .. }) => Self::Length(length),
            (_, None, Asked { version: Version::Http11, .. }) => Self::Chunked,
            (_, None, Asked { version: Version::Http10, .. }) => Self::UntilClose,
        }
    }

    /// How many bytes are written after the head, if that is known.
    #[must_use]
    pub const fn length(self) -> Option<u64> {
        match self {
            Self::None | Self::NoneOf(_) => Some(0),
            Self::Length(length) => Some(length),
            Self::Chunked | Self::UntilClose => None,
        }
    }

    /// What becomes of the connection after such a body, if nothing else ends it.
    #[must_use]
    pub const fn persistence(self) -> Persistence {
        match self {
            Self::None | Self::NoneOf(_) | Self::Length(_) | Self::Chunked => Persistence::KeepAlive,
            Self::UntilClose => Persistence::Close,
        }
    }
}

/// What the fields of a response say about the connection. They ask for its end, or for nothing.
#[must_use]
pub fn asked_persistence(fields: &Fields) -> Persistence {
    let mut options = ConnectionOptions::default();
    fields.all("connection").for_each(|value| options.note(value));
    options.persistence(Version::Http11)
}

/// The connection writes these fields.
const OF_THE_CONNECTION: NameSet = NameSet::of(&["connection", "content-length", "transfer-encoding"]);

/// Writes the head to `out`. `date` writes a `Date` field to it, when the response has none.
pub fn write_head(
    status: StatusCode,
    fields: &Fields,
    framing: ResponseFraming,
    version: Version,
    persistence: Persistence,
    date: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(match version {
        Version::Http10 => b"HTTP/1.0 ",
        Version::Http11 => b"HTTP/1.1 ",
    });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // some clients require a reason phrase
    out.extend_from_slice(status.canonical_reason().unwrap_or("<none>").as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut is_dated = false;
    for (name, value) in fields.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(name)) {
        is_dated |= same_name(name, "date");
        write_field(name, value, out);
    }
    match framing {
        ResponseFraming::None | ResponseFraming::UntilClose => {}
        ResponseFraming::Length(length) | ResponseFraming::NoneOf(length) => {
            write_field(b"content-length", itoa::Buffer::new().format(length).as_bytes(), out);
        }
        ResponseFraming::Chunked => write_field(b"transfer-encoding", b"chunked", out),
    }
    match (persistence, version) {
        (Persistence::Close, Version::Http11) => write_field(b"connection", b"close", out),
        // for a client of HTTP/1.0, no field means that the connection ends
        (Persistence::Close, Version::Http10) if asked_persistence(fields) == Persistence::KeepAlive => {}
        (Persistence::Close, Version::Http10) => write_field(b"connection", b"close", out),
        (Persistence::KeepAlive, Version::Http10) => write_field(b"connection", b"keep-alive", out),
        (Persistence::KeepAlive, Version::Http11) => {}
    }
    if !is_dated {
        date(out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes one field.
pub fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes the line before a chunk of this many bytes. A CRLF follows the chunk.
pub fn write_chunk_size(size: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
}

/// The last chunk and the end of the body, when there are no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What a client that waits before it sends a body is told (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    const POST: Asked = Asked { version: Version::Http11, body: BodyAsked::Yes };

    fn written(asked: Asked, status: u16, fields: &[(&'static str, &'static str)], length: Option<u64>) -> String {
        let (status, fields) = (StatusCode::from_u16(status).unwrap(), fields.iter().copied().collect());
        let framing = ResponseFraming::of(status, length, asked);
        let date = |out: &mut Vec<u8>| write_field(b"date", b"now", out);
        let mut out = Vec::new();
        write_head(status, &fields, framing, asked.version, asked_persistence(&fields), date, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_framing_is_that_of_the_body_and_not_what_a_field_says() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            written(POST, 200, &[("a", "1"), date, ("a", "2"), ("content-length", "7")], Some(3)),
            "HTTP/1.1 200 OK\r\na: 1\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\na: 2\r\ncontent-length: 3\r\n\r\n"
        );
        assert!(written(POST, 299, &[date], None).starts_with("HTTP/1.1 299 <none>\r\n"));
        assert!(written(POST, 200, &[date], None).ends_with("\r\ntransfer-encoding: chunked\r\n\r\n"));
        assert!(written(POST, 200, &[date], Some(0)).ends_with("\r\ncontent-length: 0\r\n\r\n"));
        for status in [204, 304] {
            let head = written(POST, status, &[date], Some(3));
            assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
        }
        let closing = written(POST, 400, &[date, ("connection", "close")], Some(0));
        assert_eq!(closing.matches("connection: close\r\n").count(), 1);
    }

    #[test]
    fn a_client_of_http_1_0_is_given_no_chunks_and_told_that_the_connection_goes_on() {
        let old = Asked { version: Version::Http10, body: BodyAsked::Yes };
        assert_eq!(
            written(old, 200, &[], Some(3)),
            "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\ndate: now\r\n\r\n"
        );
        let framing = ResponseFraming::of(StatusCode::OK, None, old);
        assert_eq!((framing, framing.persistence()), (ResponseFraming::UntilClose, Persistence::Close));
        assert!(!written(old, 200, &[], None).contains("transfer-encoding"));
    }

    #[test]
    fn the_response_to_a_head_says_how_long_its_body_would_be_and_has_none() {
        let head = Asked { version: Version::Http11, body: BodyAsked::No };
        let framing = ResponseFraming::of(StatusCode::OK, Some(3), head);
        assert_eq!((framing.length(), framing.persistence()), (Some(0), Persistence::KeepAlive));
        assert!(written(head, 200, &[], Some(3)).contains("content-length: 3\r\n"));
    }

    #[test]
    fn a_response_without_a_date_gets_one() {
        assert!(written(POST, 200, &[], Some(0)).ends_with("\r\ndate: now\r\n\r\n"));
        assert!(!written(POST, 200, &[("Date", "then")], Some(0)).contains("now"));
    }
}
