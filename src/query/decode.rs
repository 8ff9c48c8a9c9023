//! The text of a form, decoded in one pass: its pieces, its escapes and its plus signs are found where they are first read.

use std::borrow::Cow;

use super::percent;

/// A decoded form, and where its parameters are in it. The `&` and `=` between them stay, so that no two neighbours can make a
/// character together that neither of them is.
pub(super) struct Decoded<'a> {
    pub(super) text: Cow<'a, [u8]>,
    pub(super) places: Vec<Place>,
}

/// Where a parameter is in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) name_end: usize,
    pub(super) value_start: usize,
    pub(super) end: usize,
}

impl Place {
    /// The name, out of the text this is a place in.
    pub(super) fn name<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.name_end).unwrap_or_default()
    }

    /// The bytes of the name, by which parameters are sorted.
    pub(super) fn name_bytes<'t>(&self, text: &'t str) -> &'t [u8] {
        text.as_bytes().get(self.start..self.name_end).unwrap_or_default()
    }

    /// The value.
    pub(super) fn value<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.value_start..self.end).unwrap_or_default()
    }
}

/// Decodes `body` as the URL standard's form parser does, but for one thing: a `%` without two hex digits behind it is an
/// error, its offset. At most `most` places are kept; the bytes need not be UTF-8. A form that needs no decoding is borrowed.
pub(super) fn decode(body: &[u8], most: usize) -> Result<Decoded<'_>, usize> {
    if body.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        let mut text = Vec::with_capacity(body.len().saturating_add(size_of::<u64>()));
        let places = read(body, most, &mut text)?;
        Ok(Decoded { text: Cow::Owned(text), places })
    } else {
        let places = read(body, most, &mut InPlace(0))?;
        Ok(Decoded { text: Cow::Borrowed(body), places })
    }
}

/// Where decoded bytes go.
trait Text {
    fn len(&self) -> usize;
    fn push(&mut self, byte: u8);
    /// Takes the first `count` of eight.
    fn push_first(&mut self, count: usize, word: &[u8; 8]);
}

impl Text for Vec<u8> {
    fn len(&self) -> usize {
        self.len()
    }

    fn push(&mut self, byte: u8) {
        self.push(byte);
    }

    fn push_first(&mut self, count: usize, word: &[u8; 8]) {
        // copying eight, which is one store, and taking back those too many is faster than copying as many as it takes
        self.extend_from_slice(word);
        self.truncate(self.len().saturating_sub(word.len().saturating_sub(count)));
    }
}

/// The form is its own text: only how much of it has been read counts.
struct InPlace(usize);

impl Text for InPlace {
    fn len(&self) -> usize {
        self.0
    }

    fn push(&mut self, _: u8) {
        self.0 = self.0.saturating_add(1);
    }

    fn push_first(&mut self, count: usize, _: &[u8; 8]) {
        self.0 = self.0.saturating_add(count);
    }
}

fn read(body: &[u8], most: usize, text: &mut impl Text) -> Result<Vec<Place>, usize> {
    let mut places = Vec::new();
    let mut start = 0;
    // the end of the name, once it is known
    let mut equals = None;
    let mut rest = body;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (b'%', [high, low, after @ ..]) if let Some(decoded) = percent::decoded(*high, *low) => {
                text.push(decoded);
                after
            }
            (b'%', _) => return Err(body.len().saturating_sub(rest.len())),
            (b'+', _) => {
                text.push(b' ');
                tail
            }
            (b'&', _) => {
                keep(&mut places, most, start, equals, text.len());
                text.push(byte);
                (start, equals) = (text.len(), None);
                tail
            }
            (b'=', _) if equals.is_none() => {
                equals = Some(text.len());
                text.push(byte);
                tail
            }
            _ => {
                text.push(byte);
                copy_literals(tail, equals.is_none(), text)
            }
        };
    }
    keep(&mut places, most, start, equals, text.len());
    Ok(places)
}

/// Nothing between two `&` is no parameter; an empty name is one.
fn keep(places: &mut Vec<Place>, most: usize, start: usize, equals: Option<usize>, end: usize) {
    if places.len() < most && (equals.is_some() || start < end) {
        let name_end = equals.unwrap_or(end);
        places.push(Place { start, name_end, value_start: name_end.saturating_add(1).min(end), end });
    }
}

/// Copies the bytes that stand for themselves, eight at a time, up to the first that may not.
fn copy_literals<'b>(mut rest: &'b [u8], in_name: bool, text: &mut impl Text) -> &'b [u8] {
    while let Some((word, tail)) = rest.split_first_chunk() {
        let literals = leading_literals(u64::from_le_bytes(*word), in_name);
        text.push_first(literals, word);
        if literals < word.len() {
            return rest.split_at(literals).1;
        }
        rest = tail;
    }
    rest
}

/// How many bytes there are before the first of `%`, `&`, `+`, and `=` in a name. Others below `-` count like these: they are
/// rare, and one comparison finds them all.
fn leading_literals(word: u64, in_name: bool) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // a byte that is too small borrows from the next: its own mark is true, and only later ones may not be
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES.wrapping_mul(bound.into())) & !word & HIGHS;
    let mut marks = below(word, b'-');
    if in_name {
        marks |= below(word ^ ONES.wrapping_mul(b'='.into()), 1);
    }
    usize::try_from(marks.trailing_zeros() / u8::BITS).unwrap_or_default()
}
