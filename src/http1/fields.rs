//! The header fields of a message: one piece of text, and where in it each name and each value is.
//!
//! Both sides of the proxy hold the fields of nearly every message in this form: they are read once, looked at a few times and
//! written again. In `http`'s map each name is parsed and hashed, each value is a counted reference, and both for nothing: a
//! message has a dozen fields, which are found faster by their length. What hyper reads and writes is turned into a map, and from
//! one, where hyper begins.

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields in the order in which they stand. A name may be there more than once, in any case.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    text: Vec<u8>,
    places: Vec<Place>,
    lengths: Lengths,
}

/// Where a field is in a text.
#[derive(Debug, Clone)]
pub struct Place {
    /// The name, which is a token.
    pub name: Range<usize>,
    /// The value, without white space around it, and without control characters in it.
    pub value: Range<usize>,
}

/// The lengths that some names have: most names that are looked for among them are known by their length not to be there.
#[derive(Debug, Clone, Copy, Default)]
struct Lengths(u64);

/// Names that are looked for together.
#[derive(Debug)]
pub struct Names {
    list: &'static [&'static str],
    lengths: Lengths,
}

/// For a field that is added.
const ROOM: usize = 64;

/// Whether `name` is this one, in any case.
#[must_use]
pub fn is(name: &[u8], other: &str) -> bool {
    // most names differ in their length, which is found out first
    name.len() == other.len() && are_same(name, other.as_bytes())
}

/// Whether two names of one length are the same, in any case.
#[inline(never)]
fn are_same(name: &[u8], other: &[u8]) -> bool {
    let byte = |(byte, other): (&u8, &u8)| byte == other || byte.eq_ignore_ascii_case(other);
    // as in `are_text`
    let eight = |(bytes, others): (&[u8; 8], &[u8; 8])| {
        bytes.iter().zip(others).fold(true, |same, (byte, other)| same & byte.eq_ignore_ascii_case(other))
    };
    match (name.last_chunk(), other.last_chunk()) {
        (Some(last), Some(other_last)) => {
            name.as_chunks().0.iter().zip(other.as_chunks().0).all(eight) && eight((last, other_last))
        }
        _ => name.iter().zip(other).all(byte),
    }
}

/// Whether a value may have this byte: RFC 9110 section 5.5, the obsolete bytes beyond ASCII included.
#[must_use]
pub const fn is_text(byte: &u8) -> bool {
    (*byte == b'\t') | ((*byte >= b' ') & (*byte != 0x7f))
}

/// Whether a value may have all of these.
#[must_use]
pub fn are_text(bytes: &[u8]) -> bool {
    // eight are looked at in the time of two; the last eight overlap with others
    let eight = |bytes: &[u8; 8]| bytes.iter().fold(true, |good, byte| good & is_text(byte));
    match bytes.last_chunk() {
        Some(last) => bytes.as_chunks().0.iter().all(eight) && eight(last),
        None => bytes.iter().all(is_text),
    }
}

impl Lengths {
    /// These, and that of a name of so many bytes.
    const fn and(self, bytes: usize) -> Self {
        Self(self.0 | Self::bit(bytes))
    }

    /// Whether a name of so many bytes may be among them. Lengths that differ by 64 are taken for each other.
    const fn may_have(self, bytes: usize) -> bool {
        self.0 & Self::bit(bytes) != 0
    }

    const fn bit(bytes: usize) -> u64 {
        1_u64.rotate_left((bytes % 64) as u32)
    }
}

impl Names {
    /// These.
    #[must_use]
    pub const fn of(list: &'static [&'static str]) -> Self {
        let mut lengths = Lengths(0);
        let mut rest = list;
        while let [name, others @ ..] = rest {
            lengths = lengths.and(name.len());
            rest = others;
        }
        Self { list, lengths }
    }

    /// Whether `name` is one of them, in any case.
    #[must_use]
    pub fn contain(&self, name: &[u8]) -> bool {
        self.lengths.may_have(name.len()) && self.list.iter().any(|other| is(name, other))
    }
}

impl Fields {
    /// Those at `places` in `text`, which whoever names the places has judged.
    #[must_use]
    pub fn of(text: &[u8], places: Vec<Place>) -> Self {
        let mut owned = Vec::with_capacity(text.len().saturating_add(ROOM));
        owned.extend_from_slice(text);
        let lengths = places.iter().fold(Lengths::default(), |lengths, place| lengths.and(place.name.len()));
        Self { text: owned, places, lengths }
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.places.iter().map(|place| (self.text(&place.name), self.text(&place.value)))
    }

    /// The values of every field called `name`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let places = if self.lengths.may_have(name.len()) { self.places.as_slice() } else { &[] };
        let called = move |place: &&Place| place.name.len() == name.len() && is(self.text(&place.name), name);
        places.iter().filter(called).map(|place| self.text(&place.value))
    }

    /// The value of the one field called `name`; none when there is none, or another.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.all(name);
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// Whether there is a field called `name`.
    #[must_use]
    pub fn contain(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Adds a field behind the others; a value that cannot stand in one is left out with its name (RFC 9110 section 5.5).
    pub fn push(&mut self, name: &str, value: &[u8]) {
        if are_text(value) {
            self.lengths = self.lengths.and(name.len());
            let name = self.add(name.as_bytes());
            let value = self.add(value);
            self.places.push(Place { name, value });
        }
    }

    /// Keeps the fields whose names are `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(&[u8]) -> bool) {
        let text = &self.text;
        self.places.retain(|place| wanted(text.get(place.name.clone()).unwrap_or_default()));
    }

    /// For hyper.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        // those that were judged are all such as `http` takes
        let field = |(name, value)| Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?));
        let mut map = HeaderMap::with_capacity(self.count());
        for (name, value) in self.iter().filter_map(field) {
            map.append(name, value);
        }
        map
    }

    fn text(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn add(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        start..self.text.len()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(list: I) -> Self {
        let mut fields = Self::default();
        for (name, value) in list {
            fields.push(name, value.as_bytes());
        }
        fields
    }
}

impl From<&HeaderMap> for Fields {
    fn from(map: &HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in map {
            fields.push(name.as_str(), value.as_bytes());
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        list.iter().copied().collect()
    }

    #[test]
    fn fields_are_found_in_any_case_and_kept_in_their_order() {
        let mut fields = fields(&[("X-A", "1"), ("x-b", ""), ("x-a", "2")]);
        assert_eq!(fields.all("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!((fields.only("x-a"), fields.only("X-B"), fields.only("x-c")), (None, Some(&b""[..]), None));
        assert!(fields.contain("X-a") && !fields.contain("x-") && !fields.contain("x-ab"));
        fields.retain(|name| name != b"x-b");
        assert_eq!(fields.iter().collect::<Vec<_>>(), [(&b"X-A"[..], &b"1"[..]), (b"x-a", b"2")]);
    }

    #[test]
    fn a_value_that_would_end_its_line_is_left_out_with_its_name() {
        for value in ["a\r\nb", "\n", "\0", "\u{7f}"] {
            assert_eq!(fields(&[("x-a", value)]).count(), 0, "{value:?}");
        }
        assert_eq!(fields(&[("x-a", "a\tb\u{e9}")]).count(), 1);
    }

    #[test]
    fn names_and_values_of_every_length_are_looked_at_to_their_last_byte() {
        for length in 0..24 {
            let name = &"Content-Length-Of-A-Body"[..length];
            assert!(is(name.as_bytes(), &name.to_ascii_lowercase()) && are_text(name.as_bytes()), "{name}");
            for at in 0..length {
                let mut other = name.as_bytes().to_vec();
                other[at] = b'\n';
                assert!(!is(&other, name) && !are_text(&other), "{name}, {at}");
            }
        }
    }

    #[test]
    fn names_are_told_apart_by_more_than_their_length() {
        const NAMES: Names = Names::of(&["te", "Upgrade"]);
        assert!(NAMES.contain(b"TE") && NAMES.contain(b"upgrade"));
        assert!(!NAMES.contain(b"ta") && !NAMES.contain(b"") && !NAMES.contain("t".repeat(66).as_bytes()));
    }

    #[test]
    fn a_map_holds_the_same_fields() {
        let map = fields(&[("x-a", "1"), ("x-b", "\u{e9}"), ("x-a", "2")]).to_map();
        assert_eq!(map.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(Fields::from(&map).all("x-b").collect::<Vec<_>>(), ["\u{e9}".as_bytes()]);
    }
}
