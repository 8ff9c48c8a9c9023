//! A strict reader of what a server writes: one response after the other, each by RFC 9112's grammar, and nothing
//! between them.

/// One final response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
}

impl Answer {
    /// The value of the field, which must not be there twice.
    pub(super) fn field(&self, wanted: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let first = found.next();
        assert!(found.next().is_none(), "{wanted} twice");
        first
    }

    /// Whether the connection ends with this answer. hyper adds `keep-alive` to a `close` when a client of HTTP/1.0
    /// asked to keep it alive, and closes all the same.
    pub(super) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.split(", ").any(|token| token.eq_ignore_ascii_case("close")))
    }
}

/// Reads all of `bytes`. `to_head` says of the nth response whether it answers a HEAD, and so has no body.
pub(super) fn read_all(mut bytes: &[u8], to_head: impl Fn(usize) -> bool) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    while !bytes.is_empty() {
        assert!(!answers.last().is_some_and(Answer::closes), "nothing follows an answer that closes");
        let end = find(bytes, b"\r\n\r\n").expect("a head ends");
        let answer = read_head(std::str::from_utf8(&bytes[..end]).expect("a head is text"));
        bytes = &bytes[end + 4..];
        if answer.status == 100 {
            assert!(answer.fields.is_empty());
            continue;
        }
        assert!((200..600).contains(&answer.status), "{answer:?}");
        let framing = (answer.field("content-length"), answer.field("transfer-encoding"));
        if !to_head(answers.len()) {
            bytes = match framing {
                (Some(length), None) => {
                    assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{length}");
                    bytes.get(length.parse().expect("a length")..).expect("a body as long as announced")
                }
                (None, Some("chunked")) => after_chunks(bytes),
                other => panic!("a body without an end: {other:?}"),
            };
        }
        answers.push(answer);
    }
    answers
}

fn read_head(head: &str) -> Answer {
    let mut lines = head.split("\r\n");
    let status_line = lines.next().expect("a status line");
    let rest = status_line.strip_prefix("HTTP/1.1 ").or_else(|| status_line.strip_prefix("HTTP/1.0 "));
    let (status, reason) = rest.and_then(|rest| rest.split_once(' ')).expect("a status line");
    assert!(status.len() == 3 && reason.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{status_line}");
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(':').expect("a field has a colon");
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(token), "{line:?}");
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Answer { status: status.parse().expect("a status"), fields: fields.collect() }
}

/// What stands behind a chunked body without extensions and trailers.
fn after_chunks(mut bytes: &[u8]) -> &[u8] {
    loop {
        let line = find(bytes, b"\r\n").expect("a chunk's length");
        let length = std::str::from_utf8(&bytes[..line]).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let length = length.expect("a chunk's length");
        let chunk = line + 2..line + 2 + length;
        assert_eq!(bytes.get(chunk.end..chunk.end + 2), Some(b"\r\n".as_slice()), "a chunk ends");
        bytes = &bytes[chunk.end + 2..];
        if length == 0 {
            return bytes;
        }
    }
}

pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
