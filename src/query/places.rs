//! Where the parameters of a form are in its text, what they say there, and how they are signed.

use std::cell::OnceCell;
use std::convert::Infallible;

use super::{marks, percent};

/// What the parameters of a form are places in. At most one form's length of memory is taken beside the client's own text.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    /// The client's own, in canonical spelling but for three things: the order is the client's, a space may be a `+`, and a parameter
    /// without a value may lack its `=`. All that it says is ASCII.
    Canonical(&'a str),
    /// Decoded. The `&` and `=` between parameters stay, so that no two neighbours can make a character together that neither of
    /// them is.
    Decoded(String),
}

/// Where a parameter is in the text.
#[derive(Debug, Clone)]
pub(super) struct Place {
    name: Piece,
    value: Piece,
}

/// A name or a value in the text.
#[derive(Debug, Clone)]
struct Piece {
    start: usize,
    end: usize,
    /// It has an escape or a `+` that is still to be decoded.
    escaped: bool,
    // what it says when it is escaped; made when it is asked for, since nobody asks for most values
    decoded: OnceCell<Box<str>>,
}

impl Text<'_> {
    /// All of it.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Canonical(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

impl Place {
    /// The decoded name.
    pub(super) fn name<'t>(&'t self, text: &'t Text<'_>) -> &'t str {
        self.name.read(text.as_str())
    }

    /// The bytes of the decoded name, by which parameters are sorted.
    pub(super) fn name_bytes<'t>(&'t self, text: &'t Text<'_>) -> &'t [u8] {
        let text = text.as_str();
        if self.name.escaped { self.name.read(text).as_bytes() } else { self.name.written(text) }
    }

    /// The decoded value.
    pub(super) fn value<'t>(&'t self, text: &'t Text<'_>) -> &'t str {
        self.value.read(text.as_str())
    }

    /// Whether the name may be written with any character: not so when the client wrote it as it will be signed, without an escape.
    pub(super) const fn name_may_be_anything(&self, text: &Text<'_>) -> bool {
        self.name.escaped || matches!(text, Text::Decoded(_))
    }

    /// Appends `name=value` in canonical spelling.
    pub(super) fn write(&self, text: &Text<'_>, out: &mut Vec<u8>) {
        match text {
            Text::Canonical(text) => self.copy(text, out),
            Text::Decoded(text) => {
                percent::encode_into(self.name.read(text), out);
                out.push(b'=');
                percent::encode_into(self.value.read(text), out);
            }
        }
    }

    fn copy(&self, text: &str, out: &mut Vec<u8>) {
        let written = text.as_bytes().get(self.name.start..self.value.end).unwrap_or_default();
        let mut copied = 0;
        if self.name.escaped || self.value.escaped {
            let space = |byte| byte == b'+';
            let Ok(()) = marks::each(written, space, |at, _| {
                push_first(at.saturating_sub(copied), written.get(copied..).unwrap_or_default(), out);
                out.extend_from_slice(b"%20");
                copied = at.saturating_add(1);
                Ok::<_, Infallible>(())
            });
        }
        out.extend_from_slice(written.get(copied..).unwrap_or_default());
        if self.name.end == self.value.end {
            out.push(b'=');
        }
    }
}

impl Piece {
    fn read<'t>(&'t self, text: &'t str) -> &'t str {
        let written = text.get(self.start..self.end).unwrap_or_default();
        if self.escaped { self.decoded.get_or_init(|| percent::decode(written).into()) } else { written }
    }

    fn written<'t>(&self, text: &'t str) -> &'t [u8] {
        text.as_bytes().get(self.start..self.end).unwrap_or_default()
    }
}

/// Appends the first `count` bytes of `from`, of which there are so many.
fn push_first(count: usize, from: &[u8], out: &mut Vec<u8>) {
    // between two spaces are few: copying 32, which is two stores, and taking back those too many is faster than copying as many as
    // it takes
    match from.first_chunk::<32>() {
        Some(chunk) if count <= chunk.len() => {
            out.extend_from_slice(chunk);
            out.truncate(out.len().saturating_sub(chunk.len().saturating_sub(count)));
        }
        _ => out.extend_from_slice(from.get(..count).unwrap_or_default()),
    }
}

/// The parameters of a text that is read from its beginning.
pub(super) struct Places {
    pub(super) found: Vec<Place>,
    most: usize,
    start: usize,
    /// The name, once it has been read.
    name: Option<Piece>,
    /// An escape or a `+` has been read since the name or value began.
    pub(super) escaped: bool,
}

impl Places {
    /// At most so many are kept.
    pub(super) fn new(most: usize) -> Self {
        // as many as most forms have
        Self { found: Vec::with_capacity(8), most, start: 0, name: None, escaped: false }
    }

    /// Whether a `=` ends a name here.
    pub(super) const fn in_name(&self) -> bool {
        self.name.is_none()
    }

    /// Whether this byte ends a name or a parameter here; then it does. Apart from the loop, so that the processor has to guess
    /// there only between what is frequent.
    #[inline(never)]
    pub(super) fn end_at(&mut self, byte: u8, at: usize) -> bool {
        match byte {
            b'&' => self.end(at),
            b'=' if self.in_name() => self.name = Some(self.end_piece(at)),
            _ => return false,
        }
        true
    }

    /// There is a `&` here, or nothing more. Nothing between two `&` is no parameter; an empty name is one.
    pub(super) fn end(&mut self, at: usize) {
        let last = self.end_piece(at);
        let place = match self.name.take() {
            Some(name) => Place { name, value: last },
            None if last.start == at => return,
            None => Place { name: last, value: Piece { start: at, end: at, escaped: false, decoded: OnceCell::new() } },
        };
        if self.found.len() < self.most {
            self.found.push(place);
        }
    }

    fn end_piece(&mut self, at: usize) -> Piece {
        let piece = Piece { start: self.start, end: at, escaped: self.escaped, decoded: OnceCell::new() };
        (self.start, self.escaped) = (at.saturating_add(1), false);
        piece
    }
}
