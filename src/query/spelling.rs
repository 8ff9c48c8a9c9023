//! How a form is spelled: as it will be signed, or otherwise.

use super::decode::decode;
use super::parameters::FormError;
use super::spans::{Place, Places, Text};
use super::{percent, scan};

/// Reads `body` as the URL standard's form parser does, but for two things: a `%` without two hex digits behind it and what is no UTF-8
/// are errors. At most `most` places are kept.
pub(super) fn read(body: &[u8], most: usize) -> Result<(Text<'_>, Vec<Place>), FormError> {
    if let Some(places) = canonical(body, most) {
        return Ok((Text::Canonical(body), places));
    }
    let (text, places) = decode(body, most).map_err(|offset| FormError::BadEscape { offset })?;
    let text = String::from_utf8(text).map_err(|_| FormError::NotUtf8)?;
    Ok((Text::Decoded(text), places))
}

/// `None` when some of it is spelled otherwise or wrong, a name has an escape, or a value says what is not ASCII.
fn canonical(body: &[u8], most: usize) -> Option<Vec<Place>> {
    let mut places = Places::new(most);
    let not_literal = |byte| !percent::is_unreserved(byte);
    let read = scan::each(body, not_literal, |at, three| {
        match three {
            [b'%', high, low] if percent::is_canonical(high, low) => places.escaped = true,
            [b'+', ..] => (places.escaped, places.spaced) = (true, true),
            [byte, ..] => return if places.end_at(byte, at) { Ok(()) } else { Err(()) },
        }
        Ok(())
    });
    read.ok()?;
    // the end is as good as a `&`
    places.end_at(b'&', body.len()).then_some(())?;
    Some(places.found)
}
