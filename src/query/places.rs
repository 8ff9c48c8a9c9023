//! Where the parameters of a form are in its text, and how they are signed.

use std::convert::Infallible;

use super::{marks, percent};

/// What the parameters of a form are places in.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    /// The client's own, in canonical spelling but for three things: the order is the client's, a space may be a `+`, and a parameter
    /// without a value may lack its `=`. Names have no escapes, and all that values say is ASCII.
    Canonical(&'a str),
    /// Decoded. The `&` and `=` between parameters stay, so that no two neighbours can make a character together that neither of
    /// them is.
    Decoded(String),
}

/// Where a parameter is in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    start: usize,
    name_end: usize,
    end: usize,
    /// The value has an escape or a `+` that is still to be decoded.
    pub(super) escaped: bool,
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
    /// The name.
    pub(super) fn name<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.name_end).unwrap_or_default()
    }

    /// The bytes of the name, by which parameters are sorted.
    pub(super) fn name_bytes<'t>(&self, text: &'t str) -> &'t [u8] {
        text.as_bytes().get(self.start..self.name_end).unwrap_or_default()
    }

    /// The value as it is written; nothing without a `=`.
    pub(super) fn value<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.name_end.saturating_add(1)..self.end).unwrap_or_default()
    }

    /// Appends `name=value` in canonical spelling.
    pub(super) fn write(&self, text: &Text<'_>, out: &mut Vec<u8>) {
        match text {
            Text::Canonical(text) => self.copy(text.as_bytes(), out),
            Text::Decoded(text) => {
                percent::encode_into(self.name(text), out);
                out.push(b'=');
                percent::encode_into(self.value(text), out);
            }
        }
    }

    fn copy(&self, text: &[u8], out: &mut Vec<u8>) {
        let written = text.get(self.start..self.end).unwrap_or_default();
        let mut copied = 0;
        if self.escaped {
            let space = |byte| byte == b'+';
            let Ok(()) = marks::each(written, space, |at, _| {
                push_first(at.saturating_sub(copied), written.get(copied..).unwrap_or_default(), out);
                out.extend_from_slice(b"%20");
                copied = at.saturating_add(1);
                Ok::<_, Infallible>(())
            });
        }
        out.extend_from_slice(written.get(copied..).unwrap_or_default());
        if self.name_end == self.end {
            out.push(b'=');
        }
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
    /// The end of the name, once it is known.
    equals: Option<usize>,
    /// The reader has left an escape or a `+` as it is since the parameter began.
    pub(super) escaped: bool,
}

impl Places {
    /// At most so many are kept.
    pub(super) fn new(most: usize) -> Self {
        // as many as most forms have
        Self { found: Vec::with_capacity(8), most, start: 0, equals: None, escaped: false }
    }

    /// Whether a `=` ends a name here.
    pub(super) const fn in_name(&self) -> bool {
        self.equals.is_none()
    }

    /// Whether this byte ends a name without an escape, or a parameter, here; then it does. Apart from the loops that call it, so that
    /// the processor has to guess there only between what is frequent.
    #[inline(never)]
    pub(super) fn end_at(&mut self, byte: u8, at: usize) -> bool {
        match byte {
            b'&' | b'=' if self.in_name() && self.escaped => return false,
            b'&' => self.end(at),
            b'=' if self.in_name() => self.equals = Some(at),
            _ => return false,
        }
        true
    }

    /// Nothing between two `&` is no parameter; an empty name is one.
    fn end(&mut self, at: usize) {
        if self.found.len() < self.most && (self.equals.is_some() || self.start < at) {
            let name_end = self.equals.unwrap_or(at);
            self.found.push(Place { start: self.start, name_end, end: at, escaped: self.escaped });
        }
        (self.start, self.equals, self.escaped) = (at.saturating_add(1), None, false);
    }
}
