//! Finds the bytes of one kind in a text, 64 at a time.

/// The length of an escape.
pub(super) const ESCAPE_LENGTH: usize = 3;

/// How many bytes are examined together: one for each bit of a `u64`.
pub(super) const BLOCK: usize = 64;

/// A block, and the rest of an escape that begins with the block's last byte.
pub(super) const WINDOW: usize = BLOCK + ESCAPE_LENGTH - 1;

/// Stands for the bytes after the end of the text. No caller looks for it, and it is not a hexadecimal digit.
const PADDING: u8 = b'_';

/// Calls `each` for every block, in order, with its offset. Stops at the first error.
#[inline]
pub(super) fn for_each_block<E>(
    text: &[u8],
    mut each: impl FnMut(usize, &[u8; WINDOW]) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len().saturating_sub(rest.len());
        let last_window;
        let window = match rest.first_chunk() {
            Some(window) => window,
            None => {
                last_window = padded(rest);
                &last_window
            }
        };
        each(at, window)?;
        rest = rest.get(BLOCK..).unwrap_or_default();
    }
    Ok(())
}

/// Calls `found` for every byte of a block for which `is_wanted` is true, in order, with its offset in the text and
/// with three bytes: itself and the two after it. Stops at the first error.
#[inline]
pub(super) fn for_each_in<E>(
    block_at: usize,
    window: &[u8; WINDOW],
    is_wanted: impl Fn(u8) -> bool,
    mut found: impl FnMut(usize, [u8; ESCAPE_LENGTH]) -> Result<(), E>,
) -> Result<(), E> {
    let (block, _) = window.split_first_chunk().unwrap_or((&[PADDING; BLOCK], &[]));
    let mut wanted = bit_mask(&block.map(|byte| u8::from(is_wanted(byte))));
    while wanted != 0 {
        let nth = usize::try_from(wanted.trailing_zeros()).unwrap_or_default();
        found(block_at.wrapping_add(nth), three_at(window, nth))?;
        wanted &= wanted.wrapping_sub(1); // clears the lowest bit
    }
    Ok(())
}

/// The byte at an offset and the two after it.
#[inline]
pub(super) fn three_at(window: &[u8], at: usize) -> [u8; ESCAPE_LENGTH] {
    [0, 1, 2].map(|offset| window.get(at.wrapping_add(offset)).copied().unwrap_or(PADDING))
}

/// The last bytes of a text, fewer than `LENGTH`, and padding after them.
pub(super) fn padded<const LENGTH: usize>(rest: &[u8]) -> [u8; LENGTH] {
    let mut window = [PADDING; LENGTH];
    if let Some((start, _)) = window.split_at_mut_checked(rest.len()) {
        start.copy_from_slice(rest);
    }
    window
}

/// One bit for each flag, which is 0 or 1; the first flag becomes the lowest bit.
pub(super) fn bit_mask(flags: &[u8; BLOCK]) -> u64 {
    // this product moves the lowest bit of each of eight bytes into the highest byte, each to a place of its own
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = flags.as_chunks::<8>();
    let gathered = words.iter().map(|word| u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56);
    gathered.zip((0..u64::BITS).step_by(8)).fold(0, |mask, (eight, shift)| mask | eight << shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn every_wanted_byte_is_found_in_order_until_the_caller_stops(
            text in prop::collection::vec(prop_oneof![Just(b'+'), Just(b'%'), Just(b'a'), any::<u8>()], 0..200),
            stop_after in 0..40_usize,
        ) {
            let is_wanted = |byte: u8| matches!(byte, b'+' | b'%' | 0x80..);
            let mut found = Vec::new();
            let _stopped = for_each_block(&text, |block_at, window| {
                for_each_in(block_at, window, is_wanted, |at, three| {
                    found.push((at, three));
                    if found.len() == stop_after { Err(()) } else { Ok(()) }
                })
            });
            let byte_at = |at: usize| text.get(at).copied().unwrap_or(PADDING);
            let all = (0..text.len()).filter(|at| is_wanted(byte_at(*at)));
            let all = all.map(|at| (at, [0, 1, 2].map(|offset| byte_at(at.saturating_add(offset)))));
            let expected: Vec<_> = if stop_after == 0 { all.collect() } else { all.take(stop_after).collect() };
            prop_assert_eq!(found, expected);
        }
    }
}
