//! The bytes that a text writes in hexadecimal digits, in base64, or as quoted-printable: endpoints repeat in such ways
//! what was signed.

use super::layer::Layer;

/// A way to write bytes in characters that have a few bits each.
struct Alphabet {
    bits: u32,
    value: fn(u8) -> Option<u32>,
    /// Whether a character stands between others without a meaning.
    separates: fn(u8) -> bool,
    /// What may stand before a byte.
    mark: Option<&'static [u8]>,
    /// With how many characters of a run the first byte may begin: what stands before the run may look like it.
    beginnings: usize,
}

const HEXADECIMAL: Alphabet = Alphabet {
    bits: 4,
    value: |byte| char::from(byte).to_digit(16),
    separates: |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b':' | b',' | b'-' | b'+'),
    mark: Some(b"0x"),
    beginnings: 2,
};

/// The standard alphabet and that of URLs.
const BASE64: Alphabet = Alphabet {
    bits: 6,
    value: |byte| {
        let (first, value) = match byte {
            b'A'..=b'Z' => (b'A', 0),
            b'a'..=b'z' => (b'a', 26),
            b'0'..=b'9' => (b'0', 52),
            b'+' | b'-' => return Some(62),
            b'/' | b'_' => return Some(63),
            _ => return None,
        };
        Some(u32::from(byte.saturating_sub(first)).saturating_add(value))
    },
    separates: |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'),
    mark: None,
    beginnings: 4,
};

/// The bytes that are written in a text, for each way to read it that gives any: runs of `shortest` bytes and more.
pub(super) fn in_text(text: &Layer, shortest: usize) -> impl Iterator<Item = Layer> {
    let runs = [&HEXADECIMAL, &BASE64].into_iter().flat_map(move |alphabet| {
        (0..alphabet.beginnings).map(move |beginning| alphabet.read(text, beginning, shortest))
    });
    runs.filter(|layer| !layer.bytes.is_empty()).chain(quoted_printable(text))
}

impl Alphabet {
    /// The bytes of all runs of characters of this alphabet that are long enough, with a zero behind each run. The
    /// first `beginning` characters of each run are left out.
    fn read(&self, text: &Layer, beginning: usize, shortest: usize) -> Layer {
        let mut out = Layer { bytes: Vec::new(), starts: Vec::new() };
        let mut run = Run::default();
        let mut in_mark = 0_usize;
        for (at, (byte, start)) in text.bytes.iter().zip(&text.starts).enumerate() {
            let is_mark = |mark: &&[u8]| text.bytes.get(at..).is_some_and(|rest| rest.starts_with(mark));
            in_mark = self.mark.filter(is_mark).map_or(in_mark, <[u8]>::len);
            if in_mark > 0 {
                in_mark = in_mark.saturating_sub(1);
                continue;
            }
            match (self.value)(*byte) {
                Some(value) => run.add(value, *start, self.bits, beginning),
                None if (self.separates)(*byte) => {}
                None => run.end(*start, shortest, &mut out),
            }
        }
        let end = text.starts.last().copied().unwrap_or_default();
        run.end(end, shortest, &mut out);
        out.starts.push(end);
        out
    }
}

/// Characters of an alphabet, one behind the other, and the bytes that they write.
#[derive(Default)]
struct Run {
    characters: usize,
    /// The bits of the byte that is not complete, and how many they are.
    rest: u32,
    bits: u32,
    /// Where that byte begins.
    begins: usize,
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Run {
    fn add(&mut self, value: u32, start: usize, bits: u32, beginning: usize) {
        self.characters = self.characters.saturating_add(1);
        if self.characters <= beginning {
            return;
        }
        if self.bits == 0 {
            self.begins = start;
        }
        self.rest = self.rest.unbounded_shl(bits) | value;
        self.bits = self.bits.saturating_add(bits);
        if let Some(more) = self.bits.checked_sub(8) {
            self.bytes.push(self.rest.unbounded_shr(more).to_le_bytes()[0]);
            self.starts.push(self.begins);
            (self.rest, self.bits, self.begins) =
                (self.rest & 1_u32.unbounded_shl(more).saturating_sub(1), more, start);
        }
    }

    fn end(&mut self, end: usize, shortest: usize, out: &mut Layer) {
        if self.bytes.len() >= shortest {
            out.bytes.append(&mut self.bytes);
            out.starts.append(&mut self.starts);
            out.bytes.push(0);
            out.starts.push(end);
        }
        self.bytes.clear();
        self.starts.clear();
        (self.characters, self.rest, self.bits) = (0, 0, 0);
    }
}

/// The text with a character for each `=` and two hexadecimal digits; `None` when there is none. It is no escape like
/// the others: in a form, a value stands behind `=`.
fn quoted_printable(text: &Layer) -> Option<Layer> {
    let mut out = Layer { bytes: Vec::new(), starts: Vec::new() };
    let (mut at, mut escapes) = (0_usize, 0_usize);
    while let Some(rest @ [byte, ..]) = text.bytes.get(at..) {
        let escape = match rest {
            [b'=', high, low, ..] => digits(*high, *low),
            _ => None,
        };
        out.bytes.push(escape.unwrap_or(*byte));
        out.starts.extend(text.starts.get(at));
        at = at.saturating_add(if escape.is_some() { 3 } else { 1 });
        escapes = escapes.saturating_add(usize::from(escape.is_some()));
    }
    out.starts.extend(text.starts.last());
    (escapes > 0).then_some(out)
}

fn digits(high: u8, low: u8) -> Option<u8> {
    let value = (HEXADECIMAL.value)(high)?.checked_mul(16)?.checked_add((HEXADECIMAL.value)(low)?)?;
    u8::try_from(value).ok()
}
