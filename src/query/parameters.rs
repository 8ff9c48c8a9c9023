//! A decoded parameter list: strict where the URL standard's parser is lenient, with every name once, in canonical order.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;
use thiserror::Error;

/// What a form may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most parameters.
    pub parameters: usize,
}

/// Parameters of one request: decoded, unique, sorted by the bytes of their decoded names. Borrows what needs no decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters<'a> {
    sorted: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Why a form is refused. Messages name parameters, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormError {
    /// A `%` without two hex digits behind it.
    #[error("the form has a `%` at byte {offset} that is not followed by two hexadecimal digits")]
    BadEscape {
        /// Offset of the `%` in the body, from 0.
        offset: usize,
    },
    /// Decoded bytes that are no UTF-8.
    #[error("the form is not valid UTF-8 once decoded")]
    NotUtf8,
    /// More parameters than allowed.
    #[error("the form has more than {limit} parameters")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The same name twice, after decoding.
    #[error("parameter {0} appears more than once")]
    Duplicate(ShownName),
    /// A control character in a name.
    #[error("the name of parameter {0} has a control character")]
    ControlInName(ShownName),
    /// A reserved name in another case.
    #[error("parameter {0} differs from a reserved name only by case")]
    Disguised(ShownName),
    /// No `Action`, or an empty one.
    #[error("the form has no Action")]
    MissingAction,
    /// An `Action` that cannot be one.
    #[error("the Action is not the name of an operation (1 to 128 ASCII letters and digits)")]
    InvalidAction,
}

/// A parameter name as it may be shown: at most 64 characters, control and non-ASCII characters escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownName(String);

impl ShownName {
    pub(crate) fn of(name: &str) -> Self {
        let mut shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
        if name.chars().nth(64).is_some() {
            shown.push_str("...");
        }
        Self(shown)
    }
}

impl fmt::Display for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

impl fmt::Debug for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> Parameters<'a> {
    /// Reads a form body: `&` separates, the first `=` splits, `+` is a space; empty pieces between `&` count as nothing.
    ///
    /// # Errors
    /// Invalid escapes, invalid UTF-8, control characters in a name, a name twice, too many parameters.
    pub fn parse(body: &'a [u8], limits: Limits) -> Result<Self, FormError> {
        check_encoding(body)?;
        let mut sorted = Vec::new();
        for pair in form_urlencoded::parse(body) {
            if sorted.len() >= limits.parameters {
                return Err(FormError::TooMany { limit: limits.parameters });
            }
            if pair.0.chars().any(char::is_control) {
                return Err(FormError::ControlInName(ShownName::of(&pair.0)));
            }
            sorted.push(pair);
        }
        // sorting finds duplicates without a hash table, so no choice of names can make it slow
        sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        for pair in sorted.windows(2) {
            if let [a, b] = pair
                && a.0 == b.0
            {
                return Err(FormError::Duplicate(ShownName::of(&a.0)));
            }
        }
        Ok(Self { sorted })
    }

    /// The value of `name`, spelled exactly so.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.sorted.binary_search_by(|(candidate, _)| candidate.as_bytes().cmp(name.as_bytes())).ok()?;
        self.sorted.get(at).map(|(_, value)| value.as_ref())
    }

    /// All parameters, in canonical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.sorted.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.sorted.retain(|(name, _)| keep(name));
    }
}

/// What `form_urlencoded` repairs in silence is refused before it is asked. Checking the whole body is enough: `&`, `=` and
/// `+` are ASCII, so cutting valid UTF-8 at them leaves valid UTF-8, and no cut mends an invalid sequence.
fn check_encoding(body: &[u8]) -> Result<(), FormError> {
    let mut rest = body;
    while let Some(percent) = rest.iter().position(|&byte| byte == b'%') {
        let (before, at) = rest.split_at(percent);
        match at {
            [_, high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest = tail,
            _ => {
                let consumed = body.len().saturating_sub(rest.len());
                return Err(FormError::BadEscape { offset: consumed.saturating_add(before.len()) });
            }
        }
    }
    percent_decode(body).decode_utf8().map(drop).map_err(|_| FormError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { parameters: 4 };

    fn parse(body: &str) -> Result<Vec<(String, String)>, FormError> {
        let parameters = Parameters::parse(body.as_bytes(), LIMITS)?;
        Ok(parameters.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn parameters_are_decoded_and_sorted_by_their_decoded_names() {
        assert_eq!(parse("b=1+2&%41=%2b&a=x=y;z").unwrap(), pairs(&[("A", "+"), ("a", "x=y;z"), ("b", "1 2")]));
        assert_eq!(parse("&&a&").unwrap(), pairs(&[("a", "")]));
        assert_eq!(parse("=v").unwrap(), pairs(&[("", "v")]));
    }

    #[test]
    fn a_broken_escape_is_refused_with_its_offset() {
        for (body, offset) in [("a=%", 2), ("a=%4", 2), ("a=%41%zz", 5), ("%=", 0), ("a=%u0041", 2)] {
            assert_eq!(parse(body), Err(FormError::BadEscape { offset }), "{body}");
        }
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
        assert!(parse("a=1&A=1").is_ok(), "names are compared exactly");
    }

    #[test]
    fn a_control_character_in_a_name_is_refused_and_shown_escaped() {
        let error = parse("a%0d%0ab=1").unwrap_err();
        assert_eq!(error.to_string(), "the name of parameter 'a\\r\\nb' has a control character");
        assert_eq!(parse("a=%00%0a").unwrap(), pairs(&[("a", "\0\n")]), "values may hold anything");
    }

    #[test]
    fn one_parameter_too_many_is_refused() {
        assert!(parse("a&b&c&d").is_ok());
        assert_eq!(parse("a&b&c&d&e"), Err(FormError::TooMany { limit: 4 }));
    }
}
