//! The head of an answer as it is written: RFC 9112 section 4, and how the body behind it is framed (section 6).

use std::cell::RefCell;

use http::StatusCode;
use http_body::SizeHint;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock;
use crate::fields::{Fields, Names, is};

/// How a client finds the end of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// There is none, whatever the answer says.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

impl BodyFraming {
    /// Of a body of this size behind an answer to a POST (RFC 9110 section 6.4.1).
    pub(super) fn of(status: StatusCode, size: &SizeHint) -> Self {
        match (status, size.exact()) {
            (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, _) => Self::None,
            (_, Some(length)) => Self::Length(length),
            (_, None) => Self::Chunked,
        }
    }

    /// How long the body is; not known of chunks.
    pub(super) const fn length(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => Some(length),
            Self::Chunked => None,
        }
    }
}

/// Whether the connection goes on behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Keep,
    Close,
}

impl After {
    /// What the answer itself says; no field is [`Self::Keep`].
    pub(super) fn said_by(fields: &Fields) -> Self {
        let closes = |value: &[u8]| value.eq_ignore_ascii_case(b"close");
        if fields.all("connection").any(closes) { Self::Close } else { Self::Keep }
    }
}

/// The framing is the connection's to say.
const SAID_HERE: Names = Names::of(&["connection", "content-length", "transfer-encoding"]);

/// Writes the head, with a `Date` when it has none.
pub(super) fn write_head(status: StatusCode, fields: &Fields, framing: BodyFraming, after: After, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // some clients insist on a reason
    out.extend_from_slice(status.canonical_reason().unwrap_or("<none>").as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut is_dated = false;
    for (name, value) in fields.iter().filter(|(name, _)| !SAID_HERE.contain(name)) {
        is_dated |= is(name, "date");
        write_field(name, value, out);
    }
    match framing {
        BodyFraming::None => {}
        BodyFraming::Length(length) => {
            write_field(b"content-length", itoa::Buffer::new().format(length).as_bytes(), out);
        }
        BodyFraming::Chunked => write_field(b"transfer-encoding", b"chunked", out),
    }
    if after == After::Close {
        write_field(b"connection", b"close", out);
    }
    if !is_dated {
        write_date(out);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 section 6.6.1. The text is made once a second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static WRITTEN: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let now = clock::now();
    WRITTEN.with_borrow_mut(|(second, text)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
        }
        // a clock that is beyond what can be written is none
        if !text.is_empty() {
            write_field(b"date", text.as_bytes(), out);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(status: u16, fields: &[(&'static str, &'static str)], size: SizeHint) -> String {
        let (status, head) = (StatusCode::from_u16(status).unwrap(), fields.iter().copied().collect());
        let mut out = Vec::new();
        write_head(status, &head, BodyFraming::of(status, &size), After::said_by(&head), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_framing_is_that_of_the_body_and_not_what_a_field_says() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            written(200, &[("a", "1"), date, ("a", "2"), ("content-length", "7")], SizeHint::with_exact(3)),
            "HTTP/1.1 200 OK\r\na: 1\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\na: 2\r\ncontent-length: 3\r\n\r\n"
        );
        assert!(written(299, &[date], SizeHint::new()).starts_with("HTTP/1.1 299 <none>\r\n"));
        assert!(written(200, &[date], SizeHint::new()).ends_with("\r\ntransfer-encoding: chunked\r\n\r\n"));
        assert!(written(200, &[date], SizeHint::with_exact(0)).ends_with("\r\ncontent-length: 0\r\n\r\n"));
        for status in [204, 304] {
            let head = written(status, &[date], SizeHint::with_exact(3));
            assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
        }
        let closing = written(400, &[date, ("connection", "close")], SizeHint::with_exact(0));
        assert_eq!(closing.matches("connection: close\r\n").count(), 1);
    }

    #[test]
    fn an_answer_without_a_date_gets_one() {
        let head = written(200, &[], SizeHint::with_exact(0));
        let date = head.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
        let read = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).unwrap();
        assert!(clock::now().duration_since(read).as_secs() < 60);
    }
}
