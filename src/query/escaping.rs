//! Copies a text with escapes in the place of some of its bytes, 64 bytes at a time.
//!
//! Where few bytes are escaped, what is between them is copied by copies of one length, which is faster than one of the
//! right length; where many are, each byte is looked up, without a branch on whether it is escaped: the processor would
//! mispredict that often. `cargo bench --bench sign` measures both ("write").

use super::room::{COPY, Room};
use super::scan::{self, BLOCK, ESCAPE_LENGTH};

/// What stands for a byte: one byte or three, and in the last place how many they are.
pub(super) type Written = [u8; 4];

/// How much is read at once.
const PART: usize = 4 * BLOCK;

/// A part, and what a copy may read behind it.
const WINDOW: usize = PART + COPY;

/// Has room for some parts, and for one of escapes alone.
const ROOM: usize = 2048;

/// Has room for a block of escapes alone.
const ROOM_OF_BLOCK: usize = 256;

/// More escapes in a block than this are many, where texts may have nothing but what is escaped.
pub(super) const MANY: u32 = 24;

/// No number of them is many: they are not counted.
pub(super) const FEW: u32 = BLOCK as u32;

/// Appends `text` with what `written` says in the place of every byte for which `is_escaped` is true. For all others it
/// must say the byte itself. `_` is never escaped. More than `LIMIT` escapes in a block are many.
#[inline]
pub(super) fn append<const LIMIT: u32>(
    text: &[u8],
    is_escaped: impl Fn(u8) -> bool,
    written: impl Fn(u8) -> Written,
    out: &mut Vec<u8>,
) {
    if text.len() <= BLOCK {
        let mut room = Room::<{ ROOM_OF_BLOCK + COPY }>::new();
        put_each(text, &written, &mut room);
        return room.append_to(out);
    }
    append_in_parts::<LIMIT>(text, is_escaped, written, out);
}

#[inline(never)] // rare
fn append_in_parts<const LIMIT: u32>(
    text: &[u8],
    is_escaped: impl Fn(u8) -> bool,
    written: impl Fn(u8) -> Written,
    out: &mut Vec<u8>,
) {
    let mut room = Room::<{ ROOM + COPY }>::new();
    let mut rest = text;
    while !rest.is_empty() {
        let padded;
        let window = match rest.first_chunk::<WINDOW>() {
            Some(window) => window,
            None => {
                padded = scan::padded(rest);
                &padded
            }
        };
        let length = rest.len().min(PART);
        let mut from = 0_usize;
        let (blocks, _) = window.as_chunks::<BLOCK>();
        for (block, block_at) in blocks.iter().zip((0..length).step_by(BLOCK)) {
            let mut escaped = scan::bit_mask(&block.map(|byte| u8::from(is_escaped(byte))));
            if LIMIT < FEW && escaped.count_ones() > LIMIT {
                room.copy(window, from, block_at);
                from = block_at.wrapping_add(BLOCK).min(length);
                put_each(window.get(block_at..from).unwrap_or_default(), &written, &mut room);
                continue;
            }
            while escaped != 0 {
                let at = block_at.wrapping_add(usize::try_from(escaped.trailing_zeros()).unwrap_or_default());
                escaped &= escaped.wrapping_sub(1); // clears the lowest bit
                room.copy(window, from, at);
                room.put(written(window.get(at).copied().unwrap_or_default()), ESCAPE_LENGTH);
                from = at.wrapping_add(1);
            }
        }
        if from == 0 {
            room.append_to(out);
            out.extend_from_slice(window.get(..length).unwrap_or_default());
        } else {
            room.copy(window, from, length);
        }
        rest = rest.get(PART..).unwrap_or_default();
        if rest.is_empty() || room.length() >= ROOM - PART * ESCAPE_LENGTH {
            room.append_to(out);
        }
    }
}

/// Looks up each byte.
#[inline]
fn put_each<const LENGTH: usize>(bytes: &[u8], written: &impl Fn(u8) -> Written, room: &mut Room<LENGTH>) {
    for &byte in bytes {
        let written = written(byte);
        let [.., length] = written;
        room.put(written, usize::from(length));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

    use proptest::prelude::*;

    use super::*;

    const fn is_escaped(byte: u8) -> bool {
        matches!(byte, b'+' | b'%' | 0x80..)
    }

    fn written(byte: u8) -> Written {
        if is_escaped(byte) { [b'<', byte, b'>', 3] } else { [byte, 0, 0, 1] }
    }

    /// The same, byte by byte.
    fn plainly(text: &[u8]) -> Vec<u8> {
        let escape = |byte: &u8| if is_escaped(*byte) { vec![b'<', *byte, b'>'] } else { vec![*byte] };
        text.iter().flat_map(escape).collect()
    }

    fn appended(text: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        append::<MANY>(text, is_escaped, written, &mut out);
        let mut again = Vec::new();
        append::<FEW>(text, is_escaped, written, &mut again);
        assert!(out.ends_with(&again) && out.len() == again.len() + "before".len());
        assert!(out.starts_with(b"before"));
        out.split_off("before".len())
    }

    #[test]
    fn a_byte_is_escaped_at_every_place_of_a_text_of_every_length() {
        for length in (0..=200).chain([511, 512, 513, 543, 544, 545, 1024]) {
            let clean: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
            assert_eq!(appended(&clean), clean);
            let all = vec![b'+'; length];
            assert_eq!(appended(&all), plainly(&all));
            for at in 0..length {
                let mut text = clean.clone();
                text[at] = b'%';
                assert_eq!(appended(&text), plainly(&text), "{at} of {length}");
                text[at..].fill(b'+');
                assert_eq!(appended(&text), plainly(&text), "from {at} of {length}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_is_written_as_byte_by_byte(pieces in prop::collection::vec(
            prop_oneof!["[a-z]{0,90}", "[+%a]{0,90}", "\\PC{0,40}", "[a-z]{0,9}[+]{1,2}"], 0..60)) {
            let text = pieces.concat();
            prop_assert_eq!(appended(text.as_bytes()), plainly(text.as_bytes()));
        }
    }
}
