//! Whether a block of a form is a part of one canonical value, found for all bytes of the block at once.
//!
//! Everything is computed for every byte, whether it belongs to an escape or not, and without a branch. So the compiler
//! can use vector instructions, which work on 16 bytes on every x86-64.

use super::percent;
use super::scan::{BLOCK, WINDOW};

/// What is known of a block that is a part of a canonical value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueBlock {
    /// It has an escape or a `+`.
    pub(super) is_encoded: bool,
    /// It has a `+`.
    pub(super) has_plus: bool,
}

/// What is in the block at the beginning of `window`, if it has nothing but unreserved characters, `+`, and canonical
/// escapes of ASCII, of which the last one may end after the block. A block that begins within an escape begins with
/// one or two of its digits, which are unreserved characters.
#[inline(never)] // short forms never call it
pub(super) fn of_value(window: &[u8; WINDOW]) -> Option<ValueBlock> {
    let (Some(first), Some(second), Some(third)) =
        (window.first_chunk::<BLOCK>(), behind(window, 1), behind(window, 2))
    else {
        return None;
    };
    let (mut is_canonical, mut has_escape, mut has_plus) = (true, false, false);
    for ((&byte, &high), &low) in first.iter().zip(second).zip(third) {
        is_canonical &= is_canonical_at(byte, high, low);
        has_escape |= byte == b'%';
        has_plus |= byte == b'+';
    }
    is_canonical.then_some(ValueBlock { is_encoded: has_escape | has_plus, has_plus })
}

/// The block that begins `count` bytes after the beginning of the window.
fn behind(window: &[u8; WINDOW], count: usize) -> Option<&[u8; BLOCK]> {
    window.get(count..)?.first_chunk()
}

/// Whether a byte is unreserved, a `+`, or the `%` of a canonical escape, when `high` and `low` follow it.
#[inline]
fn is_canonical_at(byte: u8, high: u8, low: u8) -> bool {
    let is_escape = byte == b'%';
    // `high` is `0` to `7`, and `low` is `0` to `F`. This includes the characters between `9` and `A`: they are not
    // unreserved, so they are refused when they are checked as bytes of their own
    let has_digits = (high & 0b1111_1000 == b'0') & (low > b'/') & (low < b'G');
    let of_letter = if low > b'9' { 9 } else { 0 };
    let escaped = (high << 4).wrapping_add(low & 0x0f).wrapping_add(of_letter);
    // unreserved characters must not be escaped, and all others must be
    let is_as_it_should_be = percent::is_unreserved(if is_escape { escaped } else { byte }) != is_escape;
    (is_as_it_should_be | (byte == b'+')) & (has_digits | !is_escape)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

    use super::*;

    /// What is found in a block of nothing but `a`, except for `text` at offset `at`.
    fn found(text: &[u8], at: usize) -> Option<ValueBlock> {
        let mut window = [b'a'; WINDOW];
        window[at..at + text.len()].copy_from_slice(text);
        of_value(&window)
    }

    #[test]
    fn every_byte_is_judged_at_every_place_of_a_block() {
        for at in 0..BLOCK {
            for byte in 0..=u8::MAX {
                let plain = ValueBlock { is_encoded: byte == b'+', has_plus: byte == b'+' };
                let expected = (percent::is_unreserved(byte) || byte == b'+').then_some(plain);
                assert_eq!(found(&[byte], at), expected, "{byte} at {at}");
            }
            for escape in [b"%3A", b"%0A", b"%2B", b"%7F"] {
                let encoded = ValueBlock { is_encoded: true, has_plus: false };
                assert_eq!(found(escape, at), Some(encoded), "{at}");
            }
            for escape in [b"%3a", b"%41", b"%7E", b"%80", b"%2G", b"%+0", b"%%3", b"%3%"] {
                assert_eq!(found(escape, at), None, "{at}");
            }
        }
    }

    #[test]
    fn every_escape_is_judged_as_a_look_at_its_digits_does() {
        let digits = || (0..=u8::MAX).flat_map(|high| (0..=u8::MAX).map(move |low| (high, low)));
        for (high, low) in digits() {
            let is_canonical = percent::is_canonical(high, low);
            assert_eq!(found(&[b'%', high, low], 7).is_some(), is_canonical, "{high} {low}");
            // a digit after the block is checked with the next block, which refuses what is not unreserved
            let is_refused_itself = !percent::is_unreserved(low);
            assert!(is_refused_itself || found(&[b'%', high, low], BLOCK - 1).is_some() == is_canonical);
        }
    }
}
