//! Where the parameters of a form are in its text, and how they are signed.

use std::convert::Infallible;

use super::{percent, scan};

/// What the parameters of a form are places in.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    /// The client's own, in canonical spelling but for three things: the order is the client's, a space may be a `+`, and a parameter
    /// without a value may lack its `=`. Names have no escapes, and all that values say is ASCII.
    Canonical(&'a [u8]),
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
    /// It has a `+`.
    spaced: bool,
}

impl Text<'_> {
    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Canonical(text) => text,
            Self::Decoded(text) => text.as_bytes(),
        }
    }

    /// A part of it, which is UTF-8 as all of it is.
    fn part(&self, start: usize, end: usize) -> &str {
        let bytes = self.bytes().get(start..end).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Place {
    /// The name.
    pub(super) fn name<'t>(&self, text: &'t Text<'_>) -> &'t str {
        text.part(self.start, self.name_end)
    }

    /// The bytes of the name, by which parameters are sorted.
    pub(super) fn name_bytes<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start..self.name_end).unwrap_or_default()
    }

    /// The value as it is written; nothing without a `=`.
    pub(super) fn value<'t>(&self, text: &'t Text<'_>) -> &'t str {
        text.part(self.name_end.saturating_add(1), self.end)
    }

    /// Appends `name=value` in canonical spelling.
    pub(super) fn write(&self, text: &Text<'_>, out: &mut Vec<u8>) {
        match text {
            Text::Canonical(text) => self.copy(text, out),
            Text::Decoded(text) => {
                percent::encode_into(text.get(self.start..self.name_end).unwrap_or_default(), out);
                out.push(b'=');
                percent::encode_into(text.get(self.name_end.saturating_add(1)..self.end).unwrap_or_default(), out);
            }
        }
    }

    fn copy(&self, text: &[u8], out: &mut Vec<u8>) {
        let written = text.get(self.start..self.end).unwrap_or_default();
        let mut copied = 0;
        if self.spaced {
            let space = |byte| byte == b'+';
            let Ok(()) = scan::each(written, space, |at, _| {
                scan::push_between(copied, at, written, out);
                out.extend_from_slice(b"%20");
                copied = at.wrapping_add(1);
                Ok::<_, Infallible>(())
            });
        }
        out.extend_from_slice(written.get(copied..).unwrap_or_default());
        if self.name_end == self.end {
            out.push(b'=');
        }
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
    /// And a `+`.
    pub(super) spaced: bool,
}

impl Places {
    /// At most so many are kept.
    pub(super) fn new(most: usize) -> Self {
        // as many as most forms have
        Self { found: Vec::with_capacity(8), most, start: 0, equals: None, escaped: false, spaced: false }
    }

    /// Whether a `=` ends a name here.
    const fn in_name(&self) -> bool {
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
            self.found.push(Place { start: self.start, name_end, end: at, escaped: self.escaped, spaced: self.spaced });
        }
        (self.start, self.equals, self.escaped, self.spaced) = (at.saturating_add(1), None, false, false);
    }
}
