//! The header fields of a message: one piece of text, and where in it each name and each value is.
//!
//! Both sides of the proxy hold the fields of nearly every message in this form: they are read once, looked at a few
//! times and written again. In `http`'s map each name is parsed and hashed, and each value is a counted reference: that
//! was a tenth of the instructions of an exchange, and a message has a dozen fields.

use std::ops::Range;

use super::grammar::is_value;

/// Fields in their original order. A name may occur more than once, in any letter case.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    text: Vec<u8>,
    spans: Vec<FieldSpan>,
}

/// Where a field is in a text.
#[derive(Debug, Clone)]
pub struct FieldSpan {
    /// The name, which is a token.
    pub name: Range<usize>,
    /// The value, without white space around it, and without control characters in it.
    pub value: Range<usize>,
}

/// Names that are searched for together.
#[derive(Debug)]
pub struct NameSet(&'static [&'static str]);

/// Spare memory for a field that is added, in bytes.
const SPARE: usize = 64;

/// Whether `name` is this one, in any letter case.
#[must_use]
pub fn same_name(name: &[u8], other: &str) -> bool {
    // most names differ in their length
    name.len() == other.len() && name.eq_ignore_ascii_case(other.as_bytes())
}

impl NameSet {
    /// These names.
    #[must_use]
    pub const fn of(names: &'static [&'static str]) -> Self {
        Self(names)
    }

    /// Whether `name` is one of them, in any letter case.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.0.iter().any(|other| same_name(name, other))
    }
}

impl Fields {
    /// The fields at `spans` in `text`. The caller has checked them.
    #[must_use]
    pub fn of(text: &[u8], spans: Vec<FieldSpan>) -> Self {
        let mut owned = Vec::with_capacity(text.len().saturating_add(SPARE));
        owned.extend_from_slice(text);
        Self { text: owned, spans }
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.spans.iter().map(|span| (self.text(&span.name), self.text(&span.value)))
    }

    /// The values of every field called `name`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        // the length is compared before the text is looked up
        let called = move |span: &&FieldSpan| span.name.len() == name.len() && same_name(self.text(&span.name), name);
        self.spans.iter().filter(called).map(|span| self.text(&span.value))
    }

    /// The value of the only field called `name`; `None` when there is none, or more than one.
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

    /// How many fields there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.spans.len()
    }

    /// Adds a field after the others. A field whose value is not allowed (RFC 9110 section 5.5) is left out.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        if is_value(value) {
            let name = self.add(name.as_bytes());
            let value = self.add(value);
            self.spans.push(FieldSpan { name, value });
        }
    }

    /// Keeps the fields whose names are `wanted`.
    pub fn retain(&mut self, wanted: impl Fn(&[u8]) -> bool) {
        let text = &self.text;
        self.spans.retain(|span| wanted(text.get(span.name.clone()).unwrap_or_default()));
    }

    /// Replaces each value for which there is another one. A value that is not allowed leaves an empty one.
    pub fn replace_values(&mut self, other: impl Fn(&[u8]) -> Option<Vec<u8>>) {
        for at in 0..self.spans.len() {
            let Some(value) = self.spans.get(at).and_then(|span| other(self.text(&span.value))) else { continue };
            let value = if is_value(&value) { self.add(&value) } else { 0..0 };
            if let Some(span) = self.spans.get_mut(at) {
                span.value = value;
            }
        }
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
    fn values_are_replaced_where_they_stand_and_never_by_one_that_ends_its_line() {
        let mut fields = fields(&[("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("x-c", "4")]);
        fields.replace_values(|value| match value {
            b"1" | b"3" => Some(b"other".to_vec()),
            b"4" => Some(b"a\r\nb".to_vec()),
            _ => None,
        });
        let values: Vec<&[u8]> = fields.iter().map(|(_, value)| value).collect();
        assert_eq!(values, [&b"other"[..], b"2", b"other", b""]);
        assert_eq!(fields.all("x-a").collect::<Vec<_>>(), [b"other", b"other"]);
    }

    #[test]
    fn names_of_every_length_are_looked_at_to_their_last_byte() {
        for length in 0..24 {
            let name = &"Content-Length-Of-A-Body"[..length];
            assert!(same_name(name.as_bytes(), &name.to_ascii_lowercase()), "{name}");
            for at in 0..length {
                let mut other = name.as_bytes().to_vec();
                other[at] = b'\n';
                assert!(!same_name(&other, name), "{name}, {at}");
            }
        }
    }

    #[test]
    fn names_are_told_apart_by_more_than_their_length() {
        const NAMES: NameSet = NameSet::of(&["te", "Upgrade"]);
        assert!(NAMES.contains(b"TE") && NAMES.contains(b"upgrade"));
        assert!(!NAMES.contains(b"ta") && !NAMES.contains(b"") && !NAMES.contains("t".repeat(66).as_bytes()));
    }
}
