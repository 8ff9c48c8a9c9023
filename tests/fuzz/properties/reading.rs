//! Where an answer begins and ends, read strictly by RFC 9112, as an endpoint writes it and as a client is given it.

use super::responses::find;

/// What the first answer in some bytes is.
pub(super) enum Reading {
    /// All of it, and what stands behind.
    Whole(Answer, Vec<u8>),
    /// A head, and a body that has not come to its end.
    Part(Answer),
    /// No head, or something of which two readers may think differently.
    Unclear,
}

/// A name in lower case, and a value with a character for every byte.
pub(super) type Field = (String, String);

/// A final answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Vec<Field>,
    pub(super) body: Vec<u8>,
    /// How many informational ones came before it.
    pub(super) informational: usize,
    pub(super) has_trailers: bool,
    pub(super) end: End,
}

/// What shows where the body ends.
#[derive(Debug, Default, PartialEq)]
pub(super) enum End {
    #[default]
    Length,
    Chunks,
    Close,
}

/// Whether the connection ended behind the bytes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Behind {
    Nothing,
    MayCome,
}

impl Answer {
    pub(super) fn values(&self, wanted: &str) -> Vec<&str> {
        self.fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect()
    }
}

/// Reads the first final answer.
pub(super) fn read(mut bytes: &[u8], behind: Behind) -> Reading {
    let mut informational = 0;
    loop {
        let Some(end) = find(bytes, b"\r\n\r\n") else { return Reading::Unclear };
        let Some((version, status, fields)) = read_head(&latin1(&bytes[..end])) else { return Reading::Unclear };
        bytes = &bytes[end + 4..];
        if (100..200).contains(&status) && status != 101 {
            informational += 1;
            continue;
        }
        let answer = Answer { status, fields, informational, ..Answer::default() };
        return read_body(answer, &version, bytes, behind).unwrap_or(Reading::Unclear);
    }
}

fn read_body(mut answer: Answer, version: &str, bytes: &[u8], behind: Behind) -> Option<Reading> {
    let length = match answer.values("content-length")[..] {
        [] => None,
        [length] => Some(whole_number(length)?),
        _ => return None,
    };
    let coding = match answer.values("transfer-encoding")[..] {
        [] => None,
        [coding] => Some(coding.eq_ignore_ascii_case("chunked").then_some(())?),
        _ => return None,
    };
    if !(200..600).contains(&answer.status) || (coding.is_some() && (length.is_some() || version == "HTTP/1.0")) {
        return None;
    }
    if matches!(answer.status, 204 | 304) {
        return Some(Reading::Whole(answer, bytes.to_vec()));
    }
    match (length, coding) {
        (Some(length), _) if length <= bytes.len() => {
            let (body, rest) = bytes.split_at(length);
            answer.body = body.to_vec();
            Some(Reading::Whole(answer, rest.to_vec()))
        }
        (Some(_), _) => {
            answer.body = bytes.to_vec();
            Some(Reading::Part(answer))
        }
        (None, Some(())) => {
            answer.end = End::Chunks;
            read_chunks(answer, bytes)
        }
        (None, None) => {
            answer.end = End::Close;
            answer.body = bytes.to_vec();
            Some(if behind == Behind::Nothing { Reading::Whole(answer, Vec::new()) } else { Reading::Part(answer) })
        }
    }
}

/// `None` when something is wrong with a chunk, of which as much as there is has come.
fn read_chunks(mut answer: Answer, mut bytes: &[u8]) -> Option<Reading> {
    loop {
        let Some(end) = find(bytes, b"\r\n") else {
            return plain_start(bytes).then_some(Reading::Part(answer));
        };
        let line = latin1(&bytes[..end]);
        let (size, extension) = line.split_once(';').unwrap_or((&line, ""));
        let hexadecimal = !size.is_empty() && size.len() < 16 && size.chars().all(|c| c.is_ascii_hexdigit());
        if !hexadecimal || !extension.chars().all(is_text) {
            return None;
        }
        let size = usize::from_str_radix(size, 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return read_trailers(answer, bytes);
        }
        let data = &bytes[..size.min(bytes.len())];
        answer.body.extend_from_slice(data);
        bytes = &bytes[data.len()..];
        if bytes.len() < 2 {
            return b"\r\n".starts_with(bytes).then_some(Reading::Part(answer));
        }
        bytes = bytes.strip_prefix(b"\r\n")?;
    }
}

fn read_trailers(mut answer: Answer, mut bytes: &[u8]) -> Option<Reading> {
    loop {
        let Some(end) = find(bytes, b"\r\n") else {
            return plain_start(bytes).then_some(Reading::Part(answer));
        };
        let line = latin1(&bytes[..end]);
        bytes = &bytes[end + 2..];
        if line.is_empty() {
            return Some(Reading::Whole(answer, bytes.to_vec()));
        }
        read_field(&line)?;
        answer.has_trailers = true;
    }
}

/// Whether the start of a line has nothing in it that a lenient reader may take for the line's end.
fn plain_start(bytes: &[u8]) -> bool {
    latin1(bytes.strip_suffix(b"\r").unwrap_or(bytes)).chars().all(is_text)
}

fn read_head(head: &str) -> Option<(String, u16, Vec<Field>)> {
    let mut lines = head.split("\r\n");
    let mut status_line = lines.next()?.splitn(3, ' ');
    let (version, status, reason) = (status_line.next()?, status_line.next()?, status_line.next()?);
    let digits = status.len() == 3 && status.chars().all(|c| c.is_ascii_digit());
    if !matches!(version, "HTTP/1.0" | "HTTP/1.1") || !digits || !reason.chars().all(is_text) {
        return None;
    }
    Some((version.to_owned(), status.parse().ok()?, lines.map(read_field).collect::<Option<_>>()?))
}

fn read_field(line: &str) -> Option<Field> {
    let (name, value) = line.split_once(':')?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let good = !name.is_empty() && name.chars().all(token) && value.chars().all(is_text);
    good.then(|| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

fn whole_number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.len() < 19 && text.chars().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn is_text(c: char) -> bool {
    c == '\t' || (c >= ' ' && c != '\u{7f}')
}
