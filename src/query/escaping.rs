//! Copies a text and escapes some of its bytes, 64 bytes at a time.
//!
//! In a block with few escapes, the bytes between them are copied 32 at a time, whatever their number: copies of a
//! fixed length are faster. In a block with many escapes, each byte is looked up in a table, without a branch on
//! whether it is escaped, because the processor would often mispredict that branch. `cargo bench --bench sign` measures
//! both ("write").

use super::room::{COPY, Room};
use super::scan::{self, BLOCK, ESCAPE_LENGTH};

/// What is written for a byte: one or three bytes, and in the last element how many.
pub(super) type Written = [u8; 4];

/// How many bytes of the text are read at once.
const PART: usize = 4 * BLOCK;

/// A part, and the bytes after it that a copy of a fixed length may read.
const WINDOW: usize = PART + COPY;

/// The size of the buffer for long texts. It is emptied when a part of nothing but escapes might not fit any more.
const ROOM: usize = 2048;

/// The size of the buffer for short texts: a block of nothing but escapes fits, and it is a power of two.
const ROOM_OF_BLOCK: usize = 256;

/// In a block with more escapes than this, each byte is looked up.
pub(super) const MANY: u32 = 24;

/// A limit that no block exceeds, for texts with few escapes: then the escapes are not even counted.
pub(super) const FEW: u32 = BLOCK as u32;

/// Appends `text`, with what `written` returns for each byte. `written` must return the byte itself if `is_escaped` is
/// false. `is_escaped` must be false for `_`, which pads the last block. In a block with more than `LIMIT` escapes,
/// each byte is looked up.
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

#[inline(never)] // most texts are short
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

/// Looks up each byte, and adds what is written for it.
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

    /// What `appended` must return, made byte by byte.
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
