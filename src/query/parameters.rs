//! The parameters of a form: every name once, in canonical order; strict where the URL standard's parser is lenient.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use super::decode::decode;
use super::folded::{Folded, Kinship};
use super::form_error::{FormError, ShownName};
use super::limits::FormLimits;
use super::percent;
use super::spans::{FormText, Span};

/// The parameters of one request: unique, sorted by the bytes of their decoded names. Borrows the form where its
/// encoding is the one that is signed.
#[derive(Clone)]
pub struct Parameters<'a> {
    text: FormText<'a>,
    sorted: Vec<Span>,
    /// Decoded values, by the index of their parameter. Each is decoded when it is first asked for, since most never
    /// are.
    decoded: OnceCell<Vec<OnceCell<Box<str>>>>,
}

/// How sorted names are ordered once they are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameOrder {
    /// As before, so that all of them differ.
    SameOnceFolded,
    /// Otherwise, so that some may be the same.
    OtherOnceFolded,
}

/// One parameter in the encoding that is signed.
pub(crate) struct CanonicalParameter<'p> {
    text: &'p FormText<'p>,
    span: &'p Span,
}

/// Orders names by their bytes. The first byte nearly always decides, which saves the call that compares the rest.
fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    a.first().cmp(&b.first()).then_with(|| a.cmp(b))
}

impl<'a> Parameters<'a> {
    /// Parses a form body: `&` separates parameters, the first `=` ends a name, `+` is a space. Nothing between two `&`
    /// is not a parameter.
    ///
    /// # Errors
    /// Invalid escapes, invalid UTF-8, a name that is not printable ASCII, a name that appears twice or in two
    /// spellings, too many parameters.
    pub fn parse(body: &'a [u8], limits: FormLimits) -> Result<Self, FormError> {
        let mut parameters = Self::unsorted(body, limits, check_printable)?;
        if parameters.sort()? == NameOrder::OtherOnceFolded {
            parameters.find_alike()?;
        }
        Ok(parameters)
    }

    /// The same, with names of any characters, and in as many spellings as there are.
    ///
    /// # Errors
    /// Invalid escapes, invalid UTF-8, a name that appears twice, too many parameters.
    pub fn parse_any_names(body: &'a [u8], limits: FormLimits) -> Result<Self, FormError> {
        let mut parameters = Self::unsorted(body, limits, |_| Ok(()))?;
        parameters.sort().map(|_| parameters)
    }

    fn unsorted(
        body: &'a [u8],
        limits: FormLimits,
        check: impl Fn(&str) -> Result<(), FormError>,
    ) -> Result<Self, FormError> {
        let limit = limits.max_parameters();
        let (text, spans) = decode(body, limit.saturating_add(1))?;
        for (index, span) in spans.iter().enumerate() {
            if index == limit {
                return Err(FormError::TooMany { limit });
            }
            // the names of a canonical text are unreserved characters, all of which are printable ASCII
            if matches!(text, FormText::Decoded(_)) {
                check(span.name(&text))?;
            }
        }
        Ok(Self { text, sorted: spans, decoded: OnceCell::new() })
    }

    /// Finds duplicates by sorting and not by a hash table, so that no choice of names can make it slow.
    fn sort(&mut self) -> Result<NameOrder, FormError> {
        let text = self.text.as_bytes();
        self.sorted.sort_unstable_by(|a, b| compare_names(a.name_bytes(text), b.name_bytes(text)));
        // in most forms the folded names are in order as well, and nothing is allocated to find out that they differ
        let mut order = NameOrder::SameOnceFolded;
        let mut names = self.sorted.iter().map(|span| span.name_bytes(text));
        let mut before = names.next().unwrap_or_default();
        for name in names {
            if Folded::of(before) >= Folded::of(name) {
                if before == name {
                    return Err(FormError::Duplicate(ShownName::of(&String::from_utf8_lossy(name))));
                }
                order = NameOrder::OtherOnceFolded;
            }
            before = name;
        }
        Ok(order)
    }

    /// Finds names that are the same once folded, by sorting the folded names.
    fn find_alike(&self) -> Result<(), FormError> {
        let text = self.text.as_bytes();
        let mut folded = Vec::with_capacity(text.len());
        let mut names: Vec<_> = Vec::with_capacity(self.sorted.len());
        for span in &self.sorted {
            let start = folded.len();
            Folded::of(span.name_bytes(text)).append_to(&mut folded);
            names.push((start..folded.len(), span));
        }
        let counted = |range: &Range<usize>| folded.get(range.clone()).unwrap_or_default();
        names.sort_by(|(a, _), (b, _)| counted(a).cmp(counted(b)));
        for pair in names.windows(2) {
            if let [(a, first), (b, second)] = pair
                && counted(a) == counted(b)
            {
                let [first, second] = [first, second].map(|span| ShownName::of(span.name(&self.text)));
                return Err(FormError::Alike { first, second });
            }
        }
        Ok(())
    }

    /// Two names that are the same but for the case of their letters.
    pub(super) fn find_same_in_any_case(&self) -> Option<FormError> {
        let text = self.text.as_bytes();
        let mut names: Vec<_> =
            self.sorted.iter().map(|span| (span.name_bytes(text).to_ascii_lowercase(), span)).collect();
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        names.windows(2).find_map(|pair| match pair {
            [(one, first), (other, second)] if one == other => {
                let [first, second] = [first, second].map(|span| ShownName::of(span.name(&self.text)));
                Some(FormError::Alike { first, second })
            }
            _ => None,
        })
    }

    /// The first name that is another spelling of `name`, or a part of it.
    pub(crate) fn other_spelling_of(&self, name: &str) -> Option<&str> {
        let (text, name) = (self.text.as_bytes(), name.as_bytes());
        let is_other = |span: &&Span| {
            let written = span.name_bytes(text);
            written != name && Folded::of(written).kinship(Folded::of(name)) != Kinship::Unrelated
        };
        self.sorted.iter().find(is_other).map(|span| span.name(&self.text))
    }

    /// The value of the parameter with exactly this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let text = self.text.as_bytes();
        let at = self.sorted.binary_search_by(|span| compare_names(span.name_bytes(text), name.as_bytes())).ok()?;
        self.sorted.get(at).map(|span| self.value(at, span))
    }

    /// All parameters, in canonical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.sorted.iter().enumerate().map(|(at, span)| (span.name(&self.text), self.value(at, span)))
    }

    /// All parameters, in canonical order, with the values of those in `wanted`, in any spelling. The values of all
    /// others are not decoded.
    pub fn with_values_of(&self, wanted: &[String]) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.sorted.iter().enumerate().map(|(at, span)| {
            let name = span.name(&self.text);
            let folded = Folded::of(name.as_bytes());
            let is_wanted = wanted.iter().any(|wanted| folded == Folded::of(wanted.as_bytes()));
            (name, is_wanted.then(|| self.value(at, span)))
        })
    }

    fn value(&self, at: usize, span: &Span) -> &str {
        let written = span.value(&self.text);
        if !span.is_encoded {
            return written;
        }
        let decoded = self.decoded.get_or_init(|| vec![OnceCell::new(); self.sorted.len()]);
        decoded.get(at).map_or(written, |decoded| decoded.get_or_init(|| percent::decode_ascii(written).into()))
    }

    /// All parameters in the encoding that is signed, in canonical order.
    pub(crate) fn canonical(&self) -> impl Iterator<Item = CanonicalParameter<'_>> {
        self.sorted.iter().map(|span| CanonicalParameter { text: &self.text, span })
    }

    /// How many bytes [`Self::canonical`] takes, except that a space in the text becomes three bytes.
    pub(crate) fn text_length(&self) -> usize {
        self.text.as_bytes().len()
    }

    /// The names, in canonical order.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        let text = self.text.as_bytes();
        self.sorted.iter().map(|span| span.name_bytes(text))
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        self.sorted.retain(|span| keep(span.name_bytes(self.text.as_bytes())));
        self.decoded.take(); // indexes of parameters have changed
    }
}

fn check_printable(name: &str) -> Result<(), FormError> {
    match name.chars().position(|character| !matches!(character, ' '..='~')) {
        Some(at) => Err(FormError::UnprintableName { name: ShownName::of(name), position: at.saturating_add(1) }),
        None => Ok(()),
    }
}

impl CanonicalParameter<'_> {
    /// The decoded name.
    pub(crate) fn name(&self) -> &str {
        self.span.name(self.text)
    }

    /// Whether it comes before a parameter called `name` in canonical order.
    pub(crate) fn is_before(&self, name: &str) -> bool {
        compare_names(self.span.name_bytes(self.text.as_bytes()), name.as_bytes()).is_lt()
    }

    /// Appends `name=value`, percent-encoded.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.span.write(self.text, out);
    }
}

impl PartialEq for Parameters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Parameters<'_> {}

impl fmt::Debug for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    const LIMITS: FormLimits = FormLimits::new(4);

    fn parse(body: &str) -> Result<Vec<(String, String)>, FormError> {
        let parameters = Parameters::parse(body.as_bytes(), LIMITS)?;
        Ok(parameters.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn parameters_are_decoded_and_sorted_by_their_decoded_names() {
        assert_eq!(parse("b=1+2&%43=%2b&a=x=y;z").unwrap(), pairs(&[("C", "+"), ("a", "x=y;z"), ("b", "1 2")]));
        assert_eq!(parse("&&a&").unwrap(), pairs(&[("a", "")]));
        assert_eq!(parse("=v").unwrap(), pairs(&[("", "v")]));
    }

    #[test]
    fn the_order_is_that_of_bytes_whatever_counts_when_names_are_compared() {
        let names = |body: &'static str| -> Vec<String> {
            let parameters = Parameters::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap();
            parameters.iter().map(|(name, _)| name.to_owned()).collect()
        };
        let sorted = ["a", "a b", "a-c", "a.d", "a0", "aE", "a_f", "ag", "a~"];
        assert_eq!(names("a~&ag&a_f&aE&a0&a.d&a-c&a+b&a"), sorted);
        assert_eq!(names("a-c&a~&a+b&ag&a&aE&a0&a.d&a_f"), sorted);
    }

    #[test]
    fn values_are_decoded_for_the_wanted_names_only() {
        let parameters = Parameters::parse(b"b=%26&%41=+&c", LIMITS).unwrap();
        let some: Vec<_> = parameters.with_values_of(&["A".to_owned(), "c".to_owned()]).collect();
        assert_eq!(some, [("A", Some(" ")), ("b", None), ("c", Some(""))]);
        let parameters = Parameters::parse(b"ID=1&zone_Id=2&idx=3&id.1=4", LIMITS).unwrap();
        let spelled: Vec<_> = parameters.with_values_of(&["id".to_owned(), "zoneid".to_owned()]).collect();
        assert_eq!(spelled, [("ID", Some("1")), ("id.1", None), ("idx", None), ("zone_Id", Some("2"))]);
    }

    #[test]
    fn a_broken_escape_is_refused_with_its_offset() {
        for (body, offset) in [("a=%", 2), ("a=%4", 2), ("a=%41%zz", 5), ("%=", 0), ("a=%u0041", 2)] {
            assert_eq!(parse(body), Err(FormError::BadEscape { offset }), "{body}");
        }
    }

    #[test]
    fn a_raw_line_break_is_refused_with_its_offset_and_an_escaped_one_is_not() {
        for (body, offset) in [("a=b\n", 3), ("a=b\r\n", 3), ("\na=b", 0), ("a\r=b", 1), ("a=%41\n%", 5)] {
            assert_eq!(parse(body), Err(FormError::LineBreak { offset }), "{body:?}");
        }
        assert_eq!(parse("a=%0d%0A").unwrap(), pairs(&[("a", "\r\n")]));
    }

    #[test]
    fn invalid_utf8_is_refused_never_repaired() {
        for body in ["a=%ff", "a=%c0%af", "%ed%a0%80=1", "a=%c3&b=%a9"] {
            assert_eq!(parse(body), Err(FormError::NotUtf8), "{body}");
        }
        assert_eq!(Parameters::parse(b"a=\xff", LIMITS), Err(FormError::NotUtf8));
        assert_eq!(parse("a=%EF%BF%BD").unwrap(), pairs(&[("a", "\u{fffd}")]), "a real U+FFFD is a character like any");
    }

    #[test]
    fn a_name_that_appears_twice_after_decoding_is_refused() {
        assert!(matches!(parse("Action=a&%41ction=b"), Err(FormError::Duplicate(_))));
        assert!(matches!(parse("a&a="), Err(FormError::Duplicate(_))));
        // a name twice is named before one in two spellings
        assert!(matches!(parse("a&A&b&b"), Err(FormError::Duplicate(_))));
    }

    #[test]
    fn two_spellings_of_one_name_are_refused_wherever_they_are_sorted() {
        for body in ["a=1&A=1", "UserData&user_data", "B&a-b&A_B&a", "Z&x+&X", "_&=", "a&A.b&_a", "JobId&JobID&JobI"] {
            assert!(matches!(parse(body), Err(FormError::Alike { .. })), "{body}");
        }
        let message = "parameters 'InstanceType' and 'instance_type' differ only by case, `_`, `-` or white space";
        assert_eq!(parse("instance_type&a&InstanceType").unwrap_err().to_string(), message);
        for body in ["a&a.b&ab", "Tag.1.Key&Tag.1.Value&Tag.11.Key", "B&a&C&b1", "DBName&DbName2&DBi", "a.b&a..b"] {
            assert!(parse(body).is_ok(), "{body}");
        }
    }

    #[test]
    fn another_spelling_of_a_name_is_found() {
        let parameters = Parameters::parse(b"Action=A&user_Data=1&Tag.1.Key=2&Tags=3", LIMITS).unwrap();
        assert_eq!(parameters.other_spelling_of("UserData"), Some("user_Data"));
        assert_eq!(parameters.other_spelling_of("Tag"), Some("Tag.1.Key"));
        assert_eq!(parameters.other_spelling_of("tag.1"), Some("Tag.1.Key"));
        for exact_or_other in ["user_Data", "Tag.1.Key", "Tags", "User", "Tag.1.Keys", "Tag.1.Key.x"] {
            assert_eq!(parameters.other_spelling_of(exact_or_other), None, "{exact_or_other}");
        }
    }

    #[test]
    fn a_name_that_is_not_printable_ascii_is_refused_and_shown_escaped() {
        let error = parse("a%0d%0ab=1").unwrap_err();
        let message = "the name of parameter 'a\\r\\nb' has at position 2 a character that is not printable ASCII";
        assert_eq!(error.to_string(), message);
        for (name, at) in [("%7f", 1), ("ab%C2%A0", 3), ("%E2%80%8Ba", 1), ("a%EF%BB%BF", 2), ("%C3%A9a%E2%80%AE", 1)] {
            let refused = parse(&format!("z&{name}=1")).unwrap_err();
            assert!(matches!(refused, FormError::UnprintableName { position, .. } if position == at), "{refused}");
            assert!(refused.to_string().bytes().all(|byte| matches!(byte, b' '..=b'~')), "{refused}");
        }
        assert_eq!(parse("%21+%7e=1").unwrap(), pairs(&[("! ~", "1")]), "a space is printable");
        assert_eq!(parse("a=%00%0a").unwrap(), pairs(&[("a", "\0\n")]), "values may hold anything");
    }

    #[test]
    fn one_parameter_too_many_is_refused() {
        assert!(parse("a&b&c&d").is_ok());
        assert_eq!(parse("a&b&c&d&e"), Err(FormError::TooMany { limit: 4 }));
    }

    #[test]
    fn bytes_of_two_parameters_never_form_one_character() {
        for body in ["%c3&%a9", "%c3=%a9", "a=%c3&%a9=b"] {
            assert_eq!(parse(body), Err(FormError::NotUtf8), "{body}");
        }
        assert_eq!(Parameters::parse(b"a=\xc3%a9", LIMITS).unwrap().get("a"), Some("\u{e9}"), "escaped or not");
    }

    /// The parameters that the URL standard's parser reads, or why the form is refused: one pass over the form for each
    /// reason, in the order in which the reasons are checked.
    fn by_the_standard(body: &[u8], limit: usize) -> Result<Vec<(String, String)>, FormError> {
        for (offset, byte) in body.iter().enumerate().filter(|(_, byte)| matches!(byte, b'%' | b'\r' | b'\n')) {
            if *byte != b'%' {
                return Err(FormError::LineBreak { offset });
            }
            let digits = body.iter().skip(offset).skip(1).take(2).filter(|digit| digit.is_ascii_hexdigit());
            if digits.count() < 2 {
                return Err(FormError::BadEscape { offset });
            }
        }
        percent_decode(body).decode_utf8().map_err(|_| FormError::NotUtf8)?;
        let mut pairs: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
        for (index, (name, _)) in pairs.iter().enumerate() {
            if index == limit {
                return Err(FormError::TooMany { limit });
            }
            let is_printable = |c: char| c == ' ' || c.is_ascii_graphic();
            if let Some((position, _)) = (1..).zip(name.chars()).find(|(_, c)| !is_printable(*c)) {
                return Err(FormError::UnprintableName { name: ShownName::of(name), position });
            }
        }
        pairs.sort();
        if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(FormError::Duplicate(ShownName::of(&pair[0].0)));
        }
        let folded = |name: &str| name.to_ascii_lowercase().replace(['_', '-', ' '], "");
        let mut names: Vec<_> = pairs.iter().map(|(name, _)| (folded(name), ShownName::of(name))).collect();
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(FormError::Alike { first: pair[0].1.clone(), second: pair[1].1.clone() }),
            None => Ok(pairs),
        }
    }

    /// A form of random pieces: delimiters, valid and invalid escapes, and runs longer than a block of the scanner.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        const PIECES: [&str; 14] =
            ["&", "=", "+", "%", "%41", "%3d", "%26", "%C3%A9", "%e9", "%0a", "%7f", "%c2%85", "*", ","];
        let piece = prop_oneof![
            4 => prop::sample::select(&PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
            2 => "[a-zA-Z0-9._~/:-]{0,20}".prop_map(String::into_bytes),
            2 => "[a-zA-Z0-9._~+-]{0,90}".prop_map(String::into_bytes),
            1 => any::<u8>().prop_map(|byte| format!("%{byte:02X}").into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 0..12),
            1 => any::<char>().prop_map(|character| character.to_string().into_bytes()),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2000)))]

        #[test]
        fn what_is_signed_is_what_was_read_as_another_encoder_writes_it(body in body()) {
            const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
            if let Ok(parameters) = Parameters::parse(&body, FormLimits::DEFAULT) {
                for (canonical, (name, value)) in parameters.canonical().zip(parameters.iter()) {
                    let mut written = b"before".to_vec();
                    canonical.write(&mut written);
                    let encoded = [name, value].map(|text| utf8_percent_encode(text, RESERVED).to_string());
                    prop_assert_eq!(String::from_utf8(written).unwrap(), format!("before{}", encoded.join("=")));
                    prop_assert!(!canonical.is_before(name));
                    prop_assert!(canonical.is_before(&[name, "a"].concat()));
                }
            }
        }

        #[test]
        fn every_form_is_read_as_the_url_standards_parser_reads_it_or_refused_for_the_first_reason(body in body()) {
            let limit = 3;
            let read = Parameters::parse(&body, FormLimits::new(limit));
            let pairs = read.map(|all| all.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>());
            prop_assert_eq!(pairs, by_the_standard(&body, limit));
        }
    }
}
