//! What a server has written to a client: every answer by RFC 9112's grammar, in order, with the body that a client
//! takes for its.

use super::responses::find;

/// What a reader has to know of a request to read its answer.
pub(super) struct Asked {
    pub(super) is_head: bool,
    pub(super) is_http_11: bool,
}

/// A final answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) says_close: bool,
}

/// All that a server has written.
pub(super) struct Written {
    pub(super) answers: Vec<Given>,
    /// How often it has said `100 Continue`.
    pub(super) continues: usize,
}

/// Reads all of `bytes`, the last answer of which may be one to no request that was seen.
pub(super) fn read(mut bytes: &[u8], asked: &[Asked]) -> Written {
    let mut written = Written { answers: Vec::new(), continues: 0 };
    while !bytes.is_empty() {
        let end = find(bytes, b"\r\n\r\n").expect("a head ends");
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        bytes = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let (version, status) = lines.next().and_then(|line| line.split_once(' ')).expect("a status line");
        assert!(["HTTP/1.1", "HTTP/1.0"].contains(&version), "{head}");
        let status = status.split(' ').next().and_then(|status| status.parse().ok()).expect("a status");
        let fields: Vec<(String, &str)> = lines
            .map(|line| line.split_once(':').expect("a field has a colon"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        if status == 100 {
            written.continues += 1;
            continue;
        }
        assert!(written.answers.last().is_none_or(|last| !last.says_close), "nothing follows an answer that closes");
        let asked = asked.get(written.answers.len());
        let (body, rest) = take_body(bytes, &fields, asked);
        let says_close = fields.iter().any(|(name, value)| name == "connection" && value.contains("close"));
        written.answers.push(Given { status, body, says_close });
        bytes = rest;
    }
    written
}

fn take_body<'b>(bytes: &'b [u8], fields: &[(String, &str)], asked: Option<&Asked>) -> (Vec<u8>, &'b [u8]) {
    let only = |wanted: &str| {
        let mut values = fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| *value);
        let value = values.next();
        assert!(values.next().is_none(), "{wanted} twice");
        value
    };
    let framing = (only("content-length"), only("transfer-encoding"));
    if asked.is_some_and(|asked| asked.is_head) {
        return (Vec::new(), bytes);
    }
    match framing {
        (Some(length), None) => {
            let (body, rest) = bytes.split_at_checked(length.parse().expect("a length")).expect("a whole body");
            (body.to_vec(), rest)
        }
        (None, Some("chunked")) => {
            assert!(asked.is_none_or(|asked| asked.is_http_11), "HTTP/1.0 knows no chunks");
            take_chunks(bytes)
        }
        (None, None) => (bytes.to_vec(), &[]),
        (length, coding) => panic!("{length:?} and {coding:?}"),
    }
}

fn take_chunks(mut bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    loop {
        let line = find(bytes, b"\r\n").expect("the size of a chunk");
        let size = std::str::from_utf8(&bytes[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("the size of a chunk");
        let chunk = &bytes[line + 2..][..size];
        body.extend_from_slice(chunk);
        bytes = bytes[line + 2 + size..].strip_prefix(b"\r\n").expect("a chunk ends");
        if size == 0 {
            return (body, bytes);
        }
    }
}
