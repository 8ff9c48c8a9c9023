//! Where each parameter of a form begins and ends, and how it is written for signing.

use std::convert::Infallible;

use super::{escaping, percent, scan};

/// The text that the spans of a form refer to.
#[derive(Debug, Clone)]
pub(super) enum FormText<'a> {
    /// The client's own bytes, which are canonical but for three things: the parameters are in the client's order, a
    /// space may be a `+`, and a parameter without a value may lack its `=`. No name contains an escape, and every
    /// value decodes to ASCII.
    Canonical(&'a [u8]),
    /// Decoded text. It keeps the `&` and `=` between parameters: without them, the bytes of two neighbours that are
    /// not valid UTF-8 by themselves could form one valid character together.
    Decoded(String),
}

/// Where one parameter is in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: usize,
    name_end: usize,
    end: usize,
    /// The value has an escape or a `+` that is still to be decoded.
    pub(super) is_encoded: bool,
    has_plus: bool,
}

impl FormText<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Canonical(text) => text,
            Self::Decoded(text) => text.as_bytes(),
        }
    }

    /// Part of the text. All of the text is UTF-8, and spans are cut at ASCII bytes, so every part is UTF-8 too.
    fn slice(&self, start: usize, end: usize) -> &str {
        let bytes = self.as_bytes().get(start..end).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Span {
    pub(super) fn name<'t>(&self, text: &'t FormText<'_>) -> &'t str {
        text.slice(self.start, self.name_end)
    }

    pub(super) fn name_bytes<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.start..self.name_end).unwrap_or_default()
    }

    /// The value as the text has it; empty when there is no `=`.
    pub(super) fn value<'t>(&self, text: &'t FormText<'_>) -> &'t str {
        text.slice(self.name_end.saturating_add(1), self.end)
    }

    /// Appends `name=value`, canonically encoded.
    pub(super) fn write(&self, text: &FormText<'_>, out: &mut Vec<u8>) {
        match text {
            FormText::Canonical(text) => self.copy(text, out),
            FormText::Decoded(text) => {
                percent::encode_into(text.get(self.start..self.name_end).unwrap_or_default(), out);
                out.push(b'=');
                percent::encode_into(text.get(self.name_end.saturating_add(1)..self.end).unwrap_or_default(), out);
            }
        }
    }

    /// Copies a parameter of a canonical text, with `%20` for each `+`, and with the `=` that it may lack.
    fn copy(&self, text: &[u8], out: &mut Vec<u8>) {
        let parameter = text.get(self.start..self.end).unwrap_or_default();
        if !self.has_plus {
            out.extend_from_slice(parameter);
        } else if parameter.len() <= SHORT {
            copy_short(parameter, out);
        } else {
            let written = |byte| if byte == b'+' { *b"%20\x03" } else { [byte, 0, 0, 1] };
            escaping::append::<{ escaping::FEW }>(parameter, |byte| byte == b'+', written, out);
        }
        if self.name_end == self.end {
            out.push(b'=');
        }
    }
}

/// Up to this length, in bytes, a parameter is copied piece by piece: a buffer for its pieces would cost more than it
/// saves.
const SHORT: usize = 256;

/// Copies a short text with `%20` for each `+`, piece by piece.
fn copy_short(text: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    let is_plus = |byte| byte == b'+';
    let Ok(()) = scan::for_each_block(text, |block_at, window| {
        scan::for_each_in(block_at, window, is_plus, |at, _| {
            append_range(copied, at, text, out);
            out.extend_from_slice(b"%20");
            copied = at.wrapping_add(1);
            Ok::<_, Infallible>(())
        })
    });
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
}

/// Appends `text[start..end]` to `out`.
fn append_range(start: usize, end: usize, text: &[u8], out: &mut Vec<u8>) {
    const COPIED_AT_ONCE: usize = 32;
    let count = end.wrapping_sub(start);
    // Ranges between two matches are short. Copying 32 bytes, which takes two stores, and truncating is faster than a
    // copy of variable length.
    match text.get(start..).and_then(<[u8]>::first_chunk::<COPIED_AT_ONCE>) {
        Some(chunk) if count <= COPIED_AT_ONCE => {
            let end = out.len().wrapping_add(count);
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(text.get(start..end).unwrap_or_default()),
    }
}

/// Collects the spans of a text while a reader walks through it.
pub(super) struct SpanCollector {
    pub(super) spans: Vec<Span>,
    max: usize,
    start: usize,
    /// Where the name of the current parameter ends, once that is known.
    equals: Option<usize>,
    /// The reader left an escape or a `+` undecoded in the current parameter.
    pub(super) is_encoded: bool,
    /// It left a `+` undecoded in the current parameter.
    pub(super) has_plus: bool,
}

impl SpanCollector {
    /// Keeps at most `max` spans and ignores further parameters.
    pub(super) fn new(max: usize) -> Self {
        const ORDINARY_FORM: usize = 8;
        let spans = Vec::with_capacity(ORDINARY_FORM);
        Self { spans, max, start: 0, equals: None, is_encoded: false, has_plus: false }
    }

    const fn is_in_name(&self) -> bool {
        self.equals.is_none()
    }

    /// Whether the value of the current parameter began at least `count` bytes before offset `at`.
    pub(super) fn is_in_value_since(&self, count: usize, at: usize) -> bool {
        self.equals.is_some_and(|equals| equals.saturating_add(count) < at)
    }

    /// Takes the byte at offset `at`: a `=` ends a name, a `&` ends a parameter. False when the byte ends nothing, and
    /// when it would end a name that has an escape or a `+`.
    ///
    /// Not inlined: inside the callers' loops its branches would spoil the prediction of the frequent ones.
    #[inline(never)]
    pub(super) fn end_at(&mut self, byte: u8, at: usize) -> bool {
        match byte {
            b'&' | b'=' if self.is_in_name() && self.is_encoded => return false,
            b'&' => self.end_parameter(at),
            b'=' if self.is_in_name() => self.equals = Some(at),
            _ => return false,
        }
        true
    }

    /// Takes the end of the text, which ends a parameter as a `&` does.
    pub(super) fn finish(&mut self, at: usize) -> bool {
        self.end_at(b'&', at)
    }

    /// Two adjacent `&` have no parameter between them; `&=&` have one with an empty name.
    fn end_parameter(&mut self, at: usize) {
        if self.spans.len() < self.max && (self.equals.is_some() || self.start < at) {
            let (is_encoded, has_plus) = (self.is_encoded, self.has_plus);
            let name_end = self.equals.unwrap_or(at);
            self.spans.push(Span { start: self.start, name_end, end: at, is_encoded, has_plus });
        }
        (self.start, self.equals, self.is_encoded, self.has_plus) = (at.saturating_add(1), None, false, false);
    }
}
