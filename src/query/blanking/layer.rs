//! A text with its escapes removed, layer by layer, and where in the text each character came from.

use std::ops::Range;

/// How many times a text is decoded. Two layers of percent encoding inside XML inside JSON are four.
const MOST_LAYERS: usize = 6;

/// A text as it is, with one layer of escapes removed, with two, and so on.
pub(super) fn layers(text: Option<Layer>) -> impl Iterator<Item = Layer> {
    let mut next = text;
    let layers = std::iter::from_fn(move || {
        let current = next.take()?;
        next = current.decoded();
        Some(current)
    });
    layers.take(MOST_LAYERS)
}

/// A text with some layers of escapes removed.
pub(super) struct Layer {
    pub(super) bytes: Vec<u8>,
    /// Where in the text each byte begins, and the text's end.
    pub(super) starts: Vec<usize>,
}

impl Layer {
    /// The text as it is; `None` when it is empty.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        if text.is_empty() { None } else { Some(Self { bytes: text.to_vec(), starts: (0..=text.len()).collect() }) }
    }

    /// The same with one layer less; `None` when there is no escape.
    fn decoded(&self) -> Option<Self> {
        let next = self.bytes.iter().position(|byte| matches!(byte, b'%' | b'&' | b'\\'))?;
        let mut layer = Self { bytes: Vec::with_capacity(self.bytes.len()), starts: Vec::new() };
        let (mut at, mut escapes) = (0_usize, 0_usize);
        while let Some(rest @ [byte, ..]) = self.bytes.get(at..) {
            let (byte, length) = if at < next { None } else { escape(rest) }.map_or((*byte, 1), |escape| {
                escapes = escapes.saturating_add(1);
                escape
            });
            layer.bytes.push(byte);
            layer.starts.extend(self.starts.get(at));
            at = at.saturating_add(length);
        }
        layer.starts.extend(self.starts.last());
        (escapes > 0).then_some(layer)
    }

    /// Where a run of this layer stands in the text.
    pub(super) fn source(&self, run: &Range<usize>) -> Range<usize> {
        let start = |at: usize| self.starts.get(at).copied().unwrap_or_default();
        start(run.start)..start(run.end)
    }
}

/// Forms are decoded with a space for each `+`, and a token with spaces for `+` gives the token away as well.
pub(super) const fn plus_for_space(byte: u8) -> u8 {
    if byte == b' ' { b'+' } else { byte }
}

/// The ASCII character that an escape at the beginning of `text` stands for, and the escape's length.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    const NAMED: [(&[u8], u8); 8] = [
        (b"&amp;", b'&'),
        (b"&lt;", b'<'),
        (b"&gt;", b'>'),
        (b"&quot;", b'"'),
        (b"&apos;", b'\''),
        (b"&plus;", b'+'),
        (b"&sol;", b'/'),
        (b"&equals;", b'='),
    ];
    match text {
        [b'%', b'u' | b'U', digits @ ..] => Some((hexadecimal(digits.get(..4)?)?, 6)),
        [b'%', high, low, ..] | [b'\\', b'x' | b'X', high, low, ..] => {
            Some((hexadecimal(&[*high, *low])?, if text.starts_with(b"%") { 3 } else { 4 }))
        }
        [b'\\', b'u' | b'U', b'{', number @ ..] => {
            let length = number.iter().position(|byte| *byte == b'}')?;
            Some((hexadecimal(number.get(..length)?)?, length.saturating_add(4)))
        }
        [b'\\', b'u' | b'U', digits @ ..] => Some((hexadecimal(digits.get(..4)?)?, 6)),
        [b'\\', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => {
            Some((number(digits.get(..3)?, 8)?, 4))
        }
        [b'\\', b'n', ..] => Some((b'\n', 2)),
        [b'\\', b'r', ..] => Some((b'\r', 2)),
        [b'\\', escaped @ (b'/' | b'\\' | b'"' | b'\''), ..] => Some((*escaped, 2)),
        [b'&', b'#', reference @ ..] => character_reference(reference),
        [b'&', ..] => NAMED.iter().find(|(name, _)| text.starts_with(name)).map(|(name, byte)| (*byte, name.len())),
        _ => None,
    }
}

/// The character that a reference by number stands for, and the reference's length. `text` stands behind `&#`. As in
/// browsers, there may be any number of zeros, and no semicolon is needed.
fn character_reference(text: &[u8]) -> Option<(u8, usize)> {
    let (base, before, digits) = match text {
        [b'x' | b'X', digits @ ..] => (16, 3_usize, digits),
        digits => (10, 2, digits),
    };
    let is_digit = |byte: &u8| char::from(*byte).is_digit(base);
    let length = digits.iter().take_while(|byte| is_digit(byte)).count();
    let byte = number(digits.get(..length)?, base)?;
    let semicolon = usize::from(digits.get(length) == Some(&b';'));
    Some((byte, before.saturating_add(length).saturating_add(semicolon)))
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    number(digits, 16)
}

/// The value of digits, when it is in ASCII: no token has another character.
fn number(digits: &[u8], base: u32) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(base);
    let add = |sum: u32, byte: &u8| sum.checked_mul(base)?.checked_add(digit(byte)?);
    let value = digits.iter().try_fold(0, add).filter(|_| !digits.is_empty())?;
    u8::try_from(value).ok().filter(u8::is_ascii)
}
