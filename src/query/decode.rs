//! Reads the text of a form: borrows it when it is canonical already, which costs one pass and no copy, and decodes it
//! otherwise.

use super::form_error::FormError;
use super::spans::{FormText, Span, SpanCollector};
use super::{percent, scan};

/// Reads `body` as the URL standard's form parser does, but for three things, which are errors: a `%` without two
/// hexadecimal digits after it, a line break that is not escaped, and text that is not UTF-8 once decoded. Keeps at
/// most `max` parameters and ignores the others.
pub(super) fn decode(body: &[u8], max: usize) -> Result<(FormText<'_>, Vec<Span>), FormError> {
    if let Some(spans) = canonical_spans(body, max) {
        return Ok((FormText::Canonical(body), spans));
    }
    let (text, spans) = decode_copy(body, max)?;
    let text = String::from_utf8(text).map_err(|_| FormError::NotUtf8)?;
    Ok((FormText::Decoded(text), spans))
}

/// The parameters of a body that satisfies [`FormText::Canonical`]; `None` for any other body, valid or not.
fn canonical_spans(body: &[u8], max: usize) -> Option<Vec<Span>> {
    let mut collector = SpanCollector::new(max);
    let is_special = |byte| !percent::is_unreserved(byte);
    let read = scan::for_each_match(body, is_special, |at, three| {
        match three {
            [b'%', high, low] if percent::is_canonical(high, low) => collector.is_encoded = true,
            [b'+', ..] => (collector.is_encoded, collector.has_plus) = (true, true),
            [byte, ..] => return if collector.end_at(byte, at) { Ok(()) } else { Err(()) },
        }
        Ok(())
    });
    read.ok()?;
    collector.finish(body.len()).then_some(collector.spans)
}

/// The decoded bytes, which need not be UTF-8, and the parameters in them.
///
/// No program escapes all but line breaks: such a form is a file that was sent as it lies there, and the end of its
/// last line would be signed as a part of the last value.
fn decode_copy(body: &[u8], max: usize) -> Result<(Vec<u8>, Vec<Span>), FormError> {
    let mut text = Vec::with_capacity(body.len().saturating_add(scan::COPIED_AT_ONCE));
    let mut collector = SpanCollector::new(max);
    let mut copied = 0;
    let is_special = |byte| matches!(byte, b'%' | b'+' | b'&' | b'=' | b'\r' | b'\n');
    scan::for_each_match(body, is_special, |at, three| {
        scan::append_range(copied, at, body, &mut text);
        copied = at.wrapping_add(1);
        match three {
            [b'%', high, low] => {
                text.push(percent::decode_digits(high, low).ok_or(FormError::BadEscape { offset: at })?);
                copied = at.wrapping_add(percent::ESCAPE_LENGTH);
            }
            [b'+', ..] => text.push(b' '),
            [b'\r' | b'\n', ..] => return Err(FormError::LineBreak { offset: at }),
            [byte, ..] => {
                collector.end_at(byte, text.len());
                text.push(byte);
            }
        }
        Ok(())
    })?;
    text.extend_from_slice(body.get(copied..).unwrap_or_default());
    collector.finish(text.len());
    Ok((text, collector.spans))
}
