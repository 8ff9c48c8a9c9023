//! The text of a form, decoded in one pass: its pieces, its escapes and its plus signs are found where they are first read.

use super::spans::{Place, Places};
use super::{percent, scan};

/// Decodes `body` as the URL standard's form parser does, but for one thing: a `%` without two hex digits behind it is an
/// error, its offset. At most `most` places are kept; the bytes need not be UTF-8. The `&` and `=` between parameters stay, so that
/// no two neighbours can make a character together that neither of them is.
pub(super) fn decode(body: &[u8], most: usize) -> Result<(Vec<u8>, Vec<Place>), usize> {
    let mut text = Vec::with_capacity(body.len().saturating_add(scan::SPARE));
    let mut places = Places::new(most);
    let mut copied = 0;
    let not_literal = |byte| matches!(byte, b'%' | b'+' | b'&' | b'=');
    scan::each(body, not_literal, |at, three| {
        scan::push_between(copied, at, body, &mut text);
        copied = at.wrapping_add(1);
        match three {
            [b'%', high, low] => {
                text.push(percent::decoded(high, low).ok_or(at)?);
                copied = at.wrapping_add(scan::ESCAPE);
            }
            [b'+', ..] => text.push(b' '),
            [byte, ..] => {
                places.end_at(byte, text.len());
                text.push(byte);
            }
        }
        Ok::<_, usize>(())
    })?;
    text.extend_from_slice(body.get(copied..).unwrap_or_default());
    places.end_at(b'&', text.len()); // the end is as good as one
    Ok((text, places.found))
}
