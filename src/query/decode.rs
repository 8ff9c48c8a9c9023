//! The text of a form, decoded in one pass: its pieces, its escapes and its plus signs are found where they are first read.

use super::percent;
use super::places::{Place, Places};

/// Decodes `body` as the URL standard's form parser does, but for one thing: a `%` without two hex digits behind it is an
/// error, its offset. At most `most` places are kept; the bytes need not be UTF-8. The `&` and `=` between parameters stay, so that
/// no two neighbours can make a character together that neither of them is.
pub(super) fn decode(body: &[u8], most: usize) -> Result<(Vec<u8>, Vec<Place>), usize> {
    let mut text = Vec::with_capacity(body.len().saturating_add(size_of::<u64>()));
    let mut places = Places::new(most);
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
            (b'&' | b'=', _) if places.end_at(byte, text.len()) => {
                text.push(byte);
                tail
            }
            _ => {
                text.push(byte);
                copy_literals(tail, places.in_name(), &mut text)
            }
        };
    }
    places.end_at(b'&', text.len()); // the end is as good as one
    Ok((text, places.found))
}

/// Copies the bytes that stand for themselves, eight at a time, up to the first that may not.
fn copy_literals<'b>(mut rest: &'b [u8], in_name: bool, text: &mut Vec<u8>) -> &'b [u8] {
    while let Some((word, tail)) = rest.split_first_chunk() {
        let literals = leading_literals(u64::from_le_bytes(*word), in_name);
        // copying eight, which is one store, and taking back those too many is faster than copying as many as it takes
        text.extend_from_slice(word);
        text.truncate(text.len().saturating_sub(word.len().saturating_sub(literals)));
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
