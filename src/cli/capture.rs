//! A captured HTTP message: as it was on the wire, as `curl -v` prints it, or its body alone.

/// One captured message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Capture {
    /// Request line or status line; `None` when there is only a body.
    pub(super) first_line: Option<String>,
    fields: Vec<(String, String)>,
    /// Everything after the head.
    pub(super) body: Vec<u8>,
}

impl Capture {
    /// Reads any of the three. Never fails: bytes without a head are a body.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let first_line = loop {
            let Some((line, behind)) = next_line(rest) else { return Self::only_body(bytes) };
            rest = behind;
            if is_first_line(&line) {
                break line;
            }
            if !is_commentary(&line) {
                return Self::only_body(bytes);
            }
        };
        let mut fields = Vec::new();
        while let Some((line, behind)) = next_line(rest) {
            rest = behind;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                fields.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Self { first_line: Some(first_line), fields, body: rest.to_vec() }
    }

    /// The same for a request, whose fields may also stand without a request line, as `countersign sign --headers`
    /// prints them.
    pub(super) fn read_request(bytes: &[u8]) -> Self {
        // where no field is signed, it prints the empty line behind them alone
        if let Some((line, form)) = next_line(bytes)
            && line.is_empty()
        {
            return Self::only_body(form);
        }
        let begins_with_a_field = next_line(bytes).is_some_and(|(line, _)| is_field(&line));
        if begins_with_a_field {
            let with_a_first_line = [b"POST / HTTP/1.1\n".as_slice(), bytes].concat();
            return Self { first_line: None, ..Self::read(&with_a_first_line) };
        }
        Self::read(bytes)
    }

    fn only_body(bytes: &[u8]) -> Self {
        Self { first_line: None, fields: Vec::new(), body: bytes.to_vec() }
    }

    /// The value of the first field of this name.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All fields, their names in lower case.
    pub(super) fn lower_case_fields(&self) -> Vec<(String, String)> {
        self.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
    }

    /// The path on the request line.
    pub(super) fn path(&self) -> Option<&str> {
        self.target().map(|target| target.split('?').next().unwrap_or_default())
    }

    /// The query string on the request line.
    pub(super) fn query(&self) -> &str {
        self.target().and_then(|target| target.split_once('?')).map(|(_, query)| query).unwrap_or_default()
    }

    fn target(&self) -> Option<&str> {
        self.first_line.as_deref()?.split(' ').nth(1)
    }

    /// The body of a form, without the line end that a shell or an editor adds.
    pub(super) fn form(&self) -> &[u8] {
        let body = self.body.strip_suffix(b"\n").unwrap_or(&self.body);
        body.strip_suffix(b"\r").unwrap_or(body)
    }

    /// From the first `<` to the last `>`, or in JSON from the first `{` to the last `}`, without chunk sizes and what
    /// `curl` prints after the body.
    pub(super) fn document(&self) -> &[u8] {
        // `{ [5 bytes data]` is a message of curl's
        let begins =
            |rest: &[u8]| rest.first() == Some(&b'<') || (rest.first() == Some(&b'{') && !rest.starts_with(b"{ ["));
        let begin = (0..self.body.len()).find(|at| self.body.get(*at..).is_some_and(begins));
        let closing = if begin.and_then(|begin| self.body.get(begin)) == Some(&b'{') { b'}' } else { b'>' };
        let end = self.body.iter().rposition(|byte| *byte == closing).and_then(|end| end.checked_add(1));
        let (Some(begin), Some(end)) = (begin, end) else { return &[] };
        self.body.get(begin..end).unwrap_or_default()
    }
}

/// A line without its end and without the `> ` or `< ` that `curl -v` puts in front.
fn next_line(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, behind) = bytes.split_at_checked(end)?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = match line {
        [b'>' | b'<', b' ', rest @ ..] => rest,
        [b'>' | b'<'] => &[],
        line => line,
    };
    Some((String::from_utf8_lossy(line).into_owned(), behind.get(1..).unwrap_or_default()))
}

fn is_first_line(line: &str) -> bool {
    let last = line.rsplit(' ').next().unwrap_or_default();
    line.starts_with("HTTP/") || (line.contains(' ') && last.starts_with("HTTP/"))
}

/// Whether a line is a field of a head. No form has a space.
fn is_field(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Messages of `curl -v` itself: `* Connected`, `{ [5 bytes data]`.
fn is_commentary(line: &str) -> bool {
    line.is_empty() || line.starts_with("* ") || line.starts_with("{ ") || line.starts_with("} ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_as_on_the_wire_is_read() {
        let read = Capture::read(b"POST /v1/ HTTP/1.1\r\nHost: h.example\r\nDate:  x\r\n\r\na=b\n");
        assert_eq!(read.first_line.as_deref(), Some("POST /v1/ HTTP/1.1"));
        assert_eq!((read.field("host"), read.field("date"), read.field("age")), (Some("h.example"), Some("x"), None));
        assert_eq!(read.form(), b"a=b");
    }

    #[test]
    fn what_curl_prints_is_read() {
        let read = Capture::read(
            b"* Connected\n< HTTP/1.1 403 Forbidden\r\n< Date: x\r\n< \r\n{ [5 bytes data]\n<Error/>* done\n",
        );
        assert_eq!((read.first_line.as_deref(), read.field("Date")), (Some("HTTP/1.1 403 Forbidden"), Some("x")));
        assert_eq!(read.document(), b"<Error/>");
    }

    #[test]
    fn the_fields_of_a_request_may_stand_alone() {
        let read = Capture::read_request(b"host: h.example\nx-amz-date: 20261003T151930Z\n\na=b\n");
        assert_eq!((read.first_line.as_deref(), read.field("Host")), (None, Some("h.example")));
        assert_eq!(read.form(), b"a=b");
        let read = Capture::read_request(b"POST /v1?a=b HTTP/1.1\r\nHost: h.example\r\n\r\n");
        assert_eq!((read.path(), read.query()), (Some("/v1"), "a=b"));
        assert_eq!(Capture::read_request(b"a=b&c: d=e").form(), b"a=b&c: d=e");
        assert_eq!(Capture::read_request(b"\na=b").form(), b"a=b");
    }

    #[test]
    fn a_body_alone_is_a_body() {
        for bytes in [&b"Action=GetStatus&JobId=x"[..], b"a=b\nc=d\n\n", b"<Error/>\n", b"", b"* "] {
            let read = Capture::read(bytes);
            assert_eq!((read.first_line, read.body.as_slice()), (None, bytes));
        }
    }

    #[test]
    fn chunk_sizes_are_no_part_of_a_document() {
        assert_eq!(Capture::read(b"HTTP/1.1 400 No\r\n\r\n8\r\n<Error/>\r\n0\r\n\r\n").document(), b"<Error/>");
        assert_eq!(Capture::read(b">nothing<").document(), b"");
        let json = Capture::read(b"HTTP/1.1 200 OK\r\n\r\n8\r\n{\"a\": \"<b>\"}\r\n0\r\n\r\n");
        assert_eq!(json.document(), b"{\"a\": \"<b>\"}");
    }
}
