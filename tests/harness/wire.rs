//! HTTP/1.1 as bytes: heads and bodies read off a stream without a library's leniency.

use std::io::{self, Read, Write};

/// The first line and the fields of a message.
#[derive(Debug, Clone, Default)]
pub struct Head {
    pub first_line: String,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
}

impl Head {
    fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap().to_owned();
        let field = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a field: {line}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self { first_line, fields: lines.filter(|line| !line.is_empty()).map(field).collect() }
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that is there at most once.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} is there {} times", all.len());
        all.first().copied()
    }

    /// The names of all fields, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// A stream with what was read of it too early.
pub struct Wire<S> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Reads more; `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 64 * 1024];
        let read = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read > 0)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// A line without its end.
    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.take(end + 2);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next head; `None` when the stream ends before its first byte.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.take(end + 4);
                return Ok(Some(Head::parse(&String::from_utf8(head).unwrap())));
            }
            if !self.fill()? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Hands exactly `length` bytes to `sink`, piece by piece.
    pub fn exactly(&mut self, length: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.buffer.is_empty() && !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let piece = self.take(now);
            sink(&piece);
            left -= piece.len() as u64;
        }
        Ok(())
    }

    /// Hands a chunked body to `sink`, a chunk's pieces one after the other. Trailers are read and dropped.
    pub fn chunks(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        loop {
            let size = self.line()?;
            let size = u64::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("not a chunk size: {size}"));
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(());
            }
            self.exactly(size, sink)?;
            assert_eq!(self.line()?, "", "a chunk is longer than it says");
        }
    }

    /// Whatever comes until the stream ends.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? {}
        Ok(std::mem::take(&mut self.buffer))
    }
}
