//! A client that writes the bytes a test gives it and looks closely at what comes back.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;
use super::wire::{Head, Wire};

/// A request to be written, good unless a test changes it.
#[derive(Debug, Clone)]
pub struct Draft {
    line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    framed: bool,
}

impl Draft {
    /// A form POST to `/`, as SDKs send it.
    pub fn form(form: &str) -> Self {
        let line = "POST / HTTP/1.1".to_owned();
        let media_type = "application/x-www-form-urlencoded;charset=utf-8".to_owned();
        Self { line, fields: vec![("Content-Type".to_owned(), media_type)], body: form.into(), framed: true }
    }

    pub fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    pub fn path(self, path: &str) -> Self {
        self.line(&format!("POST {path} HTTP/1.1"))
    }

    /// At another path, with the method and the query string that it has.
    pub fn at(mut self, path: &str) -> Self {
        self.line = self.line.replacen(" /", &format!(" {path}"), 1);
        self
    }

    /// One more field.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A field in the place of those with its name.
    pub fn instead(self, name: &str, value: &str) -> Self {
        self.without(name).field(name, value)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Without `Content-Length`: the test frames the body itself.
    pub fn unframed(mut self) -> Self {
        self.framed = false;
        self
    }

    /// The bytes. `Host` is `authority` unless a field says otherwise; a `Host` that is empty is left out.
    pub fn bytes(&self, authority: &str) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.line);
        if !self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {authority}\r\n"));
        }
        for (name, value) in self.fields.iter().filter(|(name, value)| !(name == "Host" && value.is_empty())) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.framed {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// How an answer's body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Whole,
    /// Before the end that its framing announces, or with a reset.
    Broken,
}

/// What a client received.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
    pub ending: Ending,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content of the first element of this name.
    #[track_caller]
    pub fn element(&self, name: &str) -> String {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {self:?}"));
        rest.split_once(&format!("</{name}>")).unwrap().0.to_owned()
    }

    /// The request id in the head.
    #[track_caller]
    pub fn request_id(&self) -> String {
        self.head.field("countersign-request-id").expect("a request id").to_owned()
    }

    /// Asserts a whole answer of this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!((self.status, &self.ending), (status, &Ending::Whole), "{} {:?}", self.text(), self.head);
        self
    }
}

/// A connection to the program.
pub struct Client {
    pub wire: Wire<TcpStream>,
    authority: String,
}

impl Client {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let authority = stream.peer_addr().unwrap().to_string();
        Self { wire: Wire::new(stream), authority }
    }

    pub fn send(&mut self, draft: &Draft) {
        let bytes = draft.bytes(&self.authority);
        self.write(&bytes);
    }

    /// Sends as much as the program takes before it closes the connection.
    pub fn send_what_is_taken(&mut self, draft: &Draft) {
        let _closed_before_the_end = self.wire.stream.write_all(&draft.bytes(&self.authority));
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.wire.stream.write_all(bytes).unwrap();
    }

    /// Sends and waits for the answer.
    #[track_caller]
    pub fn call(&mut self, draft: &Draft) -> Answer {
        self.send(draft);
        self.answer()
    }

    /// The head of the next answer, informational ones left out.
    #[track_caller]
    pub fn answer_head(&mut self) -> Head {
        loop {
            let head = self.wire.head().expect("a head in time").expect("an answer before the connection ends");
            if !head.first_line.starts_with("HTTP/1.1 1") {
                return head;
            }
        }
    }

    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        let head = self.answer_head();
        let mut body = Vec::new();
        let ending = self.body(&head, &mut |piece| body.extend_from_slice(piece));
        let status = head.first_line.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body, ending }
    }

    /// Hands the body behind `head` to `sink`.
    #[track_caller]
    pub fn body(&mut self, head: &Head, sink: &mut dyn FnMut(&[u8])) -> Ending {
        let read = match (head.field("transfer-encoding"), head.field("content-length")) {
            (Some("chunked"), None) => self.wire.chunks(sink),
            (None, Some(length)) => self.wire.exactly(length.parse().unwrap(), sink),
            framing => panic!("not framed as HTTP/1.1 wants it: {framing:?}"),
        };
        match read.map_err(|error| error.kind()) {
            Ok(()) => Ending::Whole,
            Err(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => Ending::Broken,
            Err(other) => panic!("the answer did not end: {other}"),
        }
    }

    /// What else comes before the program closes the connection.
    #[track_caller]
    pub fn until_closed(&mut self) -> Vec<u8> {
        self.wire.rest().expect("a closed connection, without a reset")
    }
}
