//! Reads the text of a form: borrows it when it is canonical already, which costs one pass and no copy, and decodes it
//! otherwise.

use super::form_error::FormError;
use super::room::{COPY, Room};
use super::spans::{FormText, Span, SpanCollector};
use super::{canonical, percent, scan};

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
    // whether the last block was a part of one value, and had escapes: then the next one probably is and has, too
    let mut is_in_escapes = false;
    let read = scan::for_each_block(body, |block_at, window| {
        if is_in_escapes && let Some(value) = canonical::of_value(window) {
            is_in_escapes = value.is_encoded;
            collector.is_encoded |= value.is_encoded;
            collector.has_plus |= value.has_plus;
            return Ok(());
        }
        is_in_escapes = collector.is_encoded && collector.is_in_value_since(scan::BLOCK, block_at);
        scan::for_each_in(block_at, window, is_special, |at, three| {
            match three {
                [b'%', high, low] if percent::is_canonical(high, low) => collector.is_encoded = true,
                [b'+', ..] => (collector.is_encoded, collector.has_plus) = (true, true),
                [byte, ..] => return if collector.end_at(byte, at) { Ok(()) } else { Err(()) },
            }
            Ok(())
        })
    });
    read.ok()?;
    collector.finish(body.len()).then_some(collector.spans)
}

/// How many bytes are decoded before they are appended to the text.
const PART: usize = 4 * scan::BLOCK;

/// The decoded bytes, which need not be UTF-8, and the parameters in them.
///
/// No program escapes all but line breaks: such a form is a file that was sent as it lies there, and the end of its
/// last line would be signed as a part of the last value.
fn decode_copy(body: &[u8], max: usize) -> Result<(Vec<u8>, Vec<Span>), FormError> {
    let mut text = Vec::with_capacity(body.len());
    let mut collector = SpanCollector::new(max);
    let mut room = Room::<{ 2 * PART + COPY }>::new();
    let mut rest = body;
    while !rest.is_empty() {
        let padded;
        let window = match rest.first_chunk::<{ PART + COPY }>() {
            Some(window) => window,
            None => {
                padded = scan::padded(rest);
                &padded
            }
        };
        let part_at = body.len().saturating_sub(rest.len());
        let length = rest.len().min(PART);
        let mut from = 0_usize;
        let (blocks, _) = window.as_chunks::<{ scan::BLOCK }>();
        for (block, block_at) in blocks.iter().zip((0..length).step_by(scan::BLOCK)) {
            let mut special = scan::bit_mask(&block.map(|byte| u8::from(is_special(byte))));
            while special != 0 {
                let at = block_at.wrapping_add(usize::try_from(special.trailing_zeros()).unwrap_or_default());
                special &= special.wrapping_sub(1); // clears the lowest bit
                room.copy(window, from, at);
                let [byte, high, low] = scan::three_at(window, at);
                if !matches!(byte, b'%' | b'+') {
                    from = at.wrapping_add(1);
                    if matches!(byte, b'\r' | b'\n') {
                        return Err(FormError::LineBreak { offset: part_at.wrapping_add(at) });
                    }
                    collector.end_at(byte, text.len().wrapping_add(room.length()));
                    room.put([byte], 1);
                    continue;
                }
                // no branch on whether it is `%` or `+`: the processor would often mispredict it
                let is_escape = byte == b'%';
                let escaped = percent::decode_digits(high, low);
                if is_escape && escaped.is_none() {
                    return Err(FormError::BadEscape { offset: part_at.wrapping_add(at) });
                }
                room.put([if is_escape { escaped.unwrap_or_default() } else { b' ' }], 1);
                from = at.wrapping_add(if is_escape { percent::ESCAPE_LENGTH } else { 1 });
            }
        }
        if from < length {
            room.copy(window, from, length);
        }
        room.append_to(&mut text);
        // the last escape may end after the part
        rest = rest.get(length.max(from)..).unwrap_or_default();
    }
    collector.finish(text.len());
    Ok((text, collector.spans))
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'%' | b'+' | b'&' | b'=' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

    use super::*;

    /// The definition of what `written` returns: byte by byte, in several passes.
    fn plainly(body: &[u8]) -> Result<Vec<u8>, FormError> {
        let decoded = |text: &[u8]| {
            let (mut bytes, mut at) = (Vec::new(), 0);
            while at < text.len() {
                let is_escape = text[at] == b'%';
                let value = |digits| u8::from_str_radix(digits, 16).unwrap();
                bytes.push(match text[at] {
                    b'%' => value(std::str::from_utf8(&text[at + 1..at + 3]).unwrap()),
                    b'+' => b' ',
                    byte => byte,
                });
                at += if is_escape { 3 } else { 1 };
            }
            bytes
        };
        for (offset, byte) in body.iter().enumerate() {
            let digits = body.iter().skip(offset + 1).take(2).filter(|digit| digit.is_ascii_hexdigit()).count();
            match byte {
                b'\r' | b'\n' => return Err(FormError::LineBreak { offset }),
                b'%' if digits < 2 => return Err(FormError::BadEscape { offset }),
                _ => {}
            }
        }
        String::from_utf8(decoded(body)).map_err(|_| FormError::NotUtf8)?;
        let mut written = Vec::new();
        for parameter in body.split(|byte| *byte == b'&').filter(|parameter| !parameter.is_empty()) {
            let mut parts = parameter.splitn(2, |byte| *byte == b'=');
            let [name, value] = [0, 1].map(|_| decoded(parts.next().unwrap_or_default()));
            for (text, end) in [(name, b'='), (value, b'&')] {
                for byte in text {
                    let is_literal = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
                    written.extend(if is_literal { vec![byte] } else { format!("%{byte:02X}").into_bytes() });
                }
                written.push(end);
            }
        }
        Ok(written)
    }

    /// All parameters as they are written for signing.
    fn written(body: &[u8]) -> Result<Vec<u8>, FormError> {
        let (text, spans) = decode(body, usize::MAX)?;
        let mut out = Vec::new();
        for span in spans {
            span.write(&text, &mut out);
            out.push(b'&');
        }
        Ok(out)
    }

    #[test]
    fn a_byte_of_any_kind_is_read_as_by_definition_at_every_place_of_a_form_of_every_length() {
        const KINDS: [&[u8]; 16] = [
            b"+", b"&", b"=", b"*", b"~", b"%", b"%4", b"%3A", b"%3a", b"%41", b"%7E", b"%:0", b"%C3%A9", b"%80",
            b"\n", b"\xff",
        ];
        // the first has nothing to decode, the second only what is canonical, the third other escapes too
        for filling in ["abcdefgh", "ab%3A+c", "ab%3a%C3%A9+"] {
            for length in 0..=200 {
                let clean: Vec<u8> = b"A=".iter().copied().chain(filling.bytes().cycle().take(length)).collect();
                assert_eq!(written(&clean), plainly(&clean), "{length}");
                // at every fifth offset, and at other ones for the next length
                for at in (length % 5..length).step_by(5) {
                    for kind in KINDS {
                        let mut body = clean.clone();
                        let end = (at + 2 + kind.len()).min(body.len());
                        body.splice(at + 2..end, kind.iter().copied());
                        assert_eq!(written(&body), plainly(&body), "{}", body.escape_ascii());
                    }
                }
            }
        }
    }

    #[test]
    fn a_form_of_many_parts_is_read_as_by_definition() {
        for filling in ["a", "ab%3A+c", "%3A", "%41", "%C3%A9x", "ab%3a%0A*", "a=%26&"] {
            for length in [255, 256, 257, 258, 259, 511, 513, 1023, 1024, 1025, 5000] {
                let body: Vec<u8> = b"A=".iter().copied().chain(filling.bytes().cycle().take(length)).collect();
                assert_eq!(written(&body), plainly(&body), "{filling} {length}");
            }
        }
    }
}
