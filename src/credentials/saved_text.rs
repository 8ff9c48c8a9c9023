//! Texts as other programs save them and pass them on: byte order marks, line ends, and quotes around a value.

use std::fmt;

/// UTF-8's byte order mark, which editors and shells of Windows write before a text.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The text without a byte order mark.
#[must_use]
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Whether a text begins with one of UTF-16's byte order marks.
#[must_use]
pub fn is_utf16(text: &[u8]) -> bool {
    text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff")
}

/// What the value of a variable has too much, when it was copied from a file or out of a shell's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slip {
    /// A line end after it.
    LineEnd,
    /// Quotes around it.
    Quotes,
}

impl Slip {
    /// What `value` has too much.
    #[must_use]
    pub fn of(value: &str) -> Option<Self> {
        if value.ends_with(['\n', '\r']) {
            return Some(Self::LineEnd);
        }
        (unquoted(value) != value).then_some(Self::Quotes)
    }

    /// The value that was meant.
    #[must_use]
    pub fn corrected(self, value: &str) -> &str {
        match self {
            Self::LineEnd => unquoted(value.trim_end_matches(['\n', '\r'])),
            Self::Quotes => unquoted(value),
        }
    }
}

/// What follows the name of the variable in a message.
impl fmt::Display for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnd => "has a line end after the value: remove it",
            Self::Quotes => {
                "has quotes around the value, which only a shell removes (not `docker run --env-file`, not \
                 Kubernetes): remove them"
            }
        })
    }
}

fn unquoted(value: &str) -> &str {
    let between = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    between('"').or_else(|| between('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_removed_once_and_only_at_the_start() {
        assert_eq!(without_mark(b"\xef\xbb\xbf{}"), b"{}");
        assert_eq!(without_mark(b"\xef\xbb\xbf\xef\xbb\xbf"), b"\xef\xbb\xbf");
        assert_eq!(without_mark(b"{}\xef\xbb\xbf"), b"{}\xef\xbb\xbf");
        assert!(is_utf16(b"\xff\xfe{\0") && is_utf16(b"\xfe\xff\0{") && !is_utf16(b"{\0"));
    }

    #[test]
    fn a_slip_is_named_and_the_value_that_was_meant_is_known() {
        for (value, slip, meant) in [
            ("abc\n", Slip::LineEnd, "abc"),
            ("abc\r\n", Slip::LineEnd, "abc"),
            ("\"abc\"\n", Slip::LineEnd, "abc"),
            ("\"abc\"", Slip::Quotes, "abc"),
            ("'abc'", Slip::Quotes, "abc"),
            ("\"\"", Slip::Quotes, ""),
        ] {
            assert_eq!(Slip::of(value), Some(slip), "{value:?}");
            assert_eq!(slip.corrected(value), meant, "{value:?}");
        }
        for value in ["abc", "", "\"", "\"abc", "a\"b\"", "\"abc'"] {
            assert_eq!(Slip::of(value), None, "{value:?}");
        }
    }
}
