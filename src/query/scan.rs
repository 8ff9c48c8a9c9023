//! Finding the bytes of a kind in a text, many at once.

/// How many bytes are looked at together: as many as a word has bits.
const AT_ONCE: usize = 64;

/// The length of an escape, which may begin with the last of them.
pub(super) const ESCAPE: usize = 3;

const WITH_ESCAPE: usize = AT_ONCE + ESCAPE - 1;

/// The room that [`push_between`] may use for a moment behind what it appends.
pub(super) const SPARE: usize = 32;

/// What is seen behind the end: of no kind, and no hex digit.
const NOTHING: u8 = b'_';

/// Calls `found` for every byte that is of the kind, in their order, until it says no: with its place, and with the byte and the two
/// behind it.
pub(super) fn each<E>(
    text: &[u8],
    of_the_kind: impl Fn(u8) -> bool,
    mut found: impl FnMut(usize, [u8; 3]) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len().saturating_sub(rest.len());
        let filled;
        let window = match rest.first_chunk() {
            Some(window) => window,
            None => {
                filled = filled_up(rest);
                &filled
            }
        };
        let (block, _) = window.split_first_chunk().unwrap_or((&[NOTHING; AT_ONCE], &[]));
        let mut marks = bits(&block.map(|byte| u8::from(of_the_kind(byte))));
        while marks != 0 {
            let nth = usize::try_from(marks.trailing_zeros()).unwrap_or_default();
            let three = [0, 1, 2].map(|behind| window.get(nth.wrapping_add(behind)).copied().unwrap_or(NOTHING));
            found(at.wrapping_add(nth), three)?;
            marks &= marks.wrapping_sub(1);
        }
        rest = rest.get(AT_ONCE..).unwrap_or_default();
    }
    Ok(())
}

/// Appends what `text` has between two marks.
pub(super) fn push_between(start: usize, end: usize, text: &[u8], out: &mut Vec<u8>) {
    let count = end.wrapping_sub(start);
    // there are few: copying 32, which is two stores, and taking back those too many is faster than copying as many as it takes
    match text.get(start..).and_then(<[u8]>::first_chunk::<SPARE>) {
        Some(chunk) if count <= SPARE => {
            let end = out.len().wrapping_add(count);
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(text.get(start..end).unwrap_or_default()),
    }
}

/// The last bytes of a text, and nothing behind them.
fn filled_up(rest: &[u8]) -> [u8; WITH_ESCAPE] {
    let mut window = [NOTHING; WITH_ESCAPE];
    if let Some((start, _)) = window.split_at_mut_checked(rest.len()) {
        start.copy_from_slice(rest);
    }
    window
}

/// A bit for each byte, the lowest for the first; a byte is 0 or 1.
fn bits(flags: &[u8; AT_ONCE]) -> u64 {
    // moves the lowest bit of each of eight bytes into the highest byte, where none meets another
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = flags.as_chunks::<8>();
    let gathered = words.iter().map(|word| u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56);
    gathered.zip((0..u64::BITS).step_by(8)).fold(0, |bits, (eight, shift)| bits | eight << shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn every_byte_of_the_kind_is_found_in_order_until_no_more_are_wanted(
            text in prop::collection::vec(prop_oneof![Just(b'+'), Just(b'%'), Just(b'a'), any::<u8>()], 0..200),
            wanted in 0..40_usize,
        ) {
            let of_the_kind = |byte: u8| matches!(byte, b'+' | b'%' | 0x80..);
            let mut found = Vec::new();
            let _enough = each(&text, of_the_kind, |at, three| {
                found.push((at, three));
                if found.len() == wanted { Err(()) } else { Ok(()) }
            });
            let behind = |at: usize| text.get(at).copied().unwrap_or(NOTHING);
            let all = (0..text.len()).filter(|at| of_the_kind(behind(*at)));
            let all = all.map(|at| (at, [0, 1, 2].map(|further| behind(at.saturating_add(further)))));
            let expected: Vec<_> = if wanted == 0 { all.collect() } else { all.take(wanted).collect() };
            prop_assert_eq!(found, expected);
        }
    }
}
