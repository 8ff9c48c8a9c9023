//! Blanks a secret that a text repeats, however it is spelled there: percent-encoded once or more, escaped as XML,
//! HTML or JSON do, with spaces for plus signs, cut short, broken into lines, or in hexadecimal digits or base64.

mod layer;
mod written;

use std::ops::Range;

use layer::{Layer, layers, plus_for_space};

/// What replaces the secret. It has no characters with a meaning in a URL, in XML or in JSON.
const BLANK: &[u8] = b"SESSION_TOKEN_WITHHELD";

/// How many characters of the secret are worth hiding. Endpoints cut long values short and break them into lines. A
/// shorter secret counts as a whole.
const SHORTEST: usize = 16;

/// The length of the pieces by which the secret is searched for, in bytes. Each run of 15 bytes has such a piece that
/// begins at a multiple of it, so that only those have to be looked at.
const PIECE: usize = 8;

/// How many places of the secret with the same piece are compared. A secret that repeats itself more often is still
/// found, because the neighbouring pieces are compared too.
const MOST_PLACES: usize = 64;

/// `text` with a mark in the place of `secret`, wherever a long enough part of it stands; `None` when none does.
/// `secret` is printable ASCII.
#[must_use]
pub fn blanked(text: &[u8], secret: &str) -> Option<Vec<u8>> {
    if text.len() < secret.len().min(SHORTEST) {
        return None;
    }
    // a secret that has escapes of its own is decoded together with the text
    let innermost = layers(Layer::of(secret.as_bytes())).skip(1).last();
    let innermost = innermost.map(|layer| layer.bytes).filter(|bytes| bytes.len() >= SHORTEST);
    let secrets = [Some(secret.as_bytes().to_vec()), innermost];
    let secrets: Vec<Secret> = secrets.into_iter().flatten().map(Secret::new).collect();
    let mut found = Vec::new();
    let mut search = |layer: &Layer| {
        let folded: Vec<u8> = layer.bytes.iter().copied().map(plus_for_space).collect();
        for secret in &secrets {
            secret.find_in(&folded, |run| found.push(layer.source(run)));
        }
    };
    for layer in layers(Layer::of(text)) {
        search(&layer);
        // the bytes of what was signed contain the escapes of a form
        for bytes in written::in_text(&layer, secret.len().min(SHORTEST)) {
            layers(Some(bytes)).for_each(|layer| search(&layer));
        }
    }
    if found.is_empty() { None } else { Some(without(text, found)) }
}

fn without(text: &[u8], mut found: Vec<Range<usize>>) -> Vec<u8> {
    found.sort_by_key(|range| range.start);
    let mut out = Vec::with_capacity(text.len());
    let (mut copied, mut blanked_to) = (0, None);
    for Range { start, end } in found {
        if blanked_to.is_none_or(|to| to < start) {
            out.extend_from_slice(text.get(copied..start).unwrap_or_default());
            out.extend_from_slice(BLANK);
        }
        copied = copied.max(end);
        blanked_to = Some(copied);
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
    out
}

/// The secret, and where in it each piece stands.
struct Secret {
    bytes: Vec<u8>,
    /// The places of all pieces, in the order of the pieces.
    places: Vec<usize>,
}

impl Secret {
    fn new(mut bytes: Vec<u8>) -> Self {
        bytes.iter_mut().for_each(|byte| *byte = plus_for_space(*byte));
        let mut places: Vec<usize> = (0..bytes.len().saturating_sub(PIECE.saturating_sub(1))).collect();
        places.sort_unstable_by_key(|place| piece(&bytes, *place));
        Self { bytes, places }
    }

    /// Tells where in `text` the secret stands.
    fn find_in(&self, text: &[u8], mut found: impl FnMut(&Range<usize>)) {
        let mut at = 0;
        while at < text.len() {
            let run = if self.bytes.len() < SHORTEST { self.whole_at(text, at) } else { self.run_around(text, at) };
            let step = if self.bytes.len() < SHORTEST { 1 } else { PIECE };
            at = at.saturating_add(step);
            if let Some(run) = run {
                found(&run);
                // the next place that is a multiple of the step, at the end of the run or just before
                at = at.max(run.end.saturating_sub(run.end.checked_rem(step).unwrap_or_default()));
            }
        }
    }

    fn whole_at(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let is_there = text.get(at..).is_some_and(|rest| rest.starts_with(&self.bytes));
        is_there.then(|| at..at.saturating_add(self.bytes.len()))
    }

    /// The longest run of the secret that has the piece at `at` in it.
    fn run_around(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let wanted = piece(text, at)?;
        let first = self.places.partition_point(|place| piece(&self.bytes, *place).is_some_and(|piece| piece < wanted));
        let places = self.places.iter().skip(first).take(MOST_PLACES);
        let places = places.take_while(|place| piece(&self.bytes, **place) == Some(wanted));
        let runs = places.map(|place| self.run(text, at, *place));
        runs.max_by_key(ExactSizeIterator::len).filter(|run| run.len() >= SHORTEST)
    }

    /// How far text and secret agree, to the left and to the right of these two places.
    fn run(&self, text: &[u8], at: usize, place: usize) -> Range<usize> {
        let (text_before, text_behind) = text.split_at_checked(at).unwrap_or_default();
        let (before, behind) = self.bytes.split_at_checked(place).unwrap_or_default();
        let left = text_before.iter().rev().zip(before.iter().rev()).take_while(|(one, other)| one == other).count();
        let right = text_behind.iter().zip(behind).take_while(|(one, other)| one == other).count();
        at.saturating_sub(left)..at.saturating_add(right)
    }
}

fn piece(bytes: &[u8], at: usize) -> Option<&[u8; PIECE]> {
    bytes.get(at..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use quick_xml::escape::escape as xml;

    use super::*;

    const TOKEN: &str = "IQoJb3JpZ2luX2VjEL3//////////wEaCXVzLWVhc3QtMSJHMEUCIQDz+4k/SvQ0example==";

    fn percent(text: &str) -> String {
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
    }

    fn json(text: &str) -> String {
        text.replace('\\', "\\\\").replace('/', "\\/").replace('"', "\\\"").replace('=', "\\u003D")
    }

    fn as_numbers(text: &str) -> String {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("&#{};", c as u32) })
            .collect()
    }

    fn blanked_text(text: &str, secret: &str) -> Option<String> {
        blanked(text.as_bytes(), secret).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_token_is_blanked_in_every_spelling_and_what_is_around_it_stays() {
        let once = percent(TOKEN);
        for spelled in [
            TOKEN.to_owned(),
            once.clone(),
            once.replace("%2F", "%2f").replace("%3D", "%3d").replace("%2B", "%2b"),
            percent(&once),
            percent(&percent(&once)),
            percent(&once).replace("%25", "&#37;"),
            xml(once.as_str()).into_owned(),
            as_numbers(TOKEN),
            as_numbers(&once),
            as_numbers(TOKEN)
                .replace("&#", "&#x")
                .replace("x47;", "x2f;")
                .replace("x43;", "x2B;")
                .replace("x61;", "x3d;"),
            json(TOKEN),
            json(&once),
            json(&as_numbers(TOKEN)),
            TOKEN.replace('+', " "),
            TOKEN.replace('/', "&sol;").replace('+', "&plus;").replace('=', "&equals;"),
            TOKEN.replace('/', "\\x2f"),
        ] {
            let text = format!("<Message>SecurityToken={spelled}&amp;Timestamp=1 é</Message>");
            let blanked = blanked_text(&text, TOKEN).unwrap_or_else(|| panic!("not found: {spelled}"));
            assert_eq!(
                blanked, "<Message>SecurityToken=SESSION_TOKEN_WITHHELD&amp;Timestamp=1 é</Message>",
                "{spelled}"
            );
        }
    }

    #[test]
    fn each_of_several_is_blanked_and_a_text_without_it_is_not_touched() {
        let text = format!("{TOKEN} and {}", percent(TOKEN));
        assert_eq!(blanked_text(&text, TOKEN).unwrap(), "SESSION_TOKEN_WITHHELD and SESSION_TOKEN_WITHHELD");
        for text in ["", "%", "&", "&#", "&#x;", "\\", "\\u00", "<Code>SignatureDoesNotMatch</Code>", &TOKEN[..15]] {
            assert_eq!(blanked_text(text, TOKEN), None, "{text}");
        }
    }

    #[test]
    fn a_token_that_is_cut_short_or_broken_into_lines_is_blanked() {
        let cut = format!("token={}... (truncated)", &TOKEN[..30]);
        assert_eq!(blanked_text(&cut, TOKEN).unwrap(), "token=SESSION_TOKEN_WITHHELD... (truncated)");
        let lines = format!("{}\n{}\n{}", &TOKEN[..20], &TOKEN[20..40], &TOKEN[40..]);
        assert_eq!(blanked_text(&lines, TOKEN).unwrap(), ["SESSION_TOKEN_WITHHELD"; 3].join("\n"));
    }

    #[test]
    fn a_short_token_is_blanked_as_a_whole() {
        assert_eq!(blanked_text("a=t/1&b=t%2F1", "t/1").unwrap(), "a=SESSION_TOKEN_WITHHELD&b=SESSION_TOKEN_WITHHELD");
        assert_eq!(blanked_text("t/2", "t/1"), None);
    }

    #[test]
    fn a_token_with_escapes_of_its_own_and_one_that_repeats_itself_are_found() {
        let odd = "%41%42&lt;\\u0041%25&amp;0123456789";
        for spelled in [odd.to_owned(), percent(odd), percent(&percent(odd)), xml(odd).into_owned()] {
            assert_eq!(blanked_text(&spelled, odd).unwrap(), "SESSION_TOKEN_WITHHELD", "{spelled}");
        }
        let same = "A".repeat(16 * 1024);
        let text = format!("<a>{}</a>", "A".repeat(200_000));
        assert_eq!(blanked_text(&text, &same).unwrap(), "<a>SESSION_TOKEN_WITHHELD</a>");
    }

    proptest! {
        /// Whatever the token and what is around it, and wherever it begins: no 16 characters of it are left in any
        /// layer.
        #[test]
        fn no_long_part_of_a_token_is_left(
            token in "[!-~]{1,200}",
            before in "[ -~]{0,20}",
            behind in "[ -~]{0,20}",
            layers in 0..3_usize,
        ) {
            let mut text = format!("{before}{token}{behind}");
            for _ in 0..layers {
                text = percent(&text);
            }
            let Some(left) = blanked_text(&text, &token) else { prop_assert!(false, "not found"); return Ok(()) };
            let left = left.replace("SESSION_TOKEN_WITHHELD", "\n");
            prop_assert!(blanked_text(&left, &token).is_none() || token.len() < 16);
        }

        #[test]
        fn no_text_causes_a_panic(text in any::<Vec<u8>>(), escapes in "(%|&|#|x|;|\\\\|u|0|4|1|2|5|amp;){0,60}") {
            let _any = (blanked(&text, TOKEN), blanked(escapes.as_bytes(), TOKEN), blanked(escapes.as_bytes(), "0"));
        }
    }
}
