//! One value as it was given, and how texts, flags, words and names are read from it.

use crate::config::settings::Name;
use crate::config::tree::node::{Entries, Node, Value};

/// What stands at a key, or is an item of a list there. `"no"` and `0` are not `false`: nothing is converted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given<'v> {
    /// The text of an environment variable; it may stand for any kind of value.
    Variable(&'v str),
    /// A string in the file.
    Text(&'v str),
    /// `true` or `false` in the file.
    Flag(bool),
    /// An integer in the file.
    Integer(i128),
    /// A number with a fraction in the file.
    Fraction(f64),
    /// A list in the file.
    List(&'v [Node]),
    /// A table.
    Table(&'v Entries),
}

impl<'v> Given<'v> {
    /// The value of a node.
    pub(crate) fn of(node: &'v Node) -> Self {
        match &node.value {
            Value::Variable(text) => Self::Variable(text),
            Value::Text(text) => Self::Text(text),
            Value::Flag(flag) => Self::Flag(*flag),
            Value::Integer(number) => Self::Integer(i128::from(*number)),
            Value::Fraction(number) => Self::Fraction(*number),
            Value::List(items) => Self::List(items),
            Value::Table(entries) => Self::Table(entries),
        }
    }

    /// The value as a message shows it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Variable(text) | Self::Text(text) => shown(text),
            Self::Flag(flag) => format!("`{flag}`"),
            Self::Integer(number) => format!("`{number}`"),
            Self::Fraction(number) => format!("`{number}`"),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
        }
    }

    /// The entries of a table.
    pub(crate) fn as_table(&self) -> Option<&'v Entries> {
        match self {
            Self::Table(entries) => Some(entries),
            Self::Variable(_)
            | Self::Text(_)
            | Self::Flag(_)
            | Self::Integer(_)
            | Self::Fraction(_)
            | Self::List(_) => None,
        }
    }

    /// The text of a string or variable.
    pub(crate) fn as_text(&self) -> Option<&'v str> {
        match self {
            Self::Variable(text) | Self::Text(text) => Some(text),
            Self::Flag(_) | Self::Integer(_) | Self::Fraction(_) | Self::List(_) | Self::Table(_) => None,
        }
    }
}

/// A text as a message shows it: on one line, shortened, and not at all when it may be a secret in the wrong place.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    if may_be_secret(text) {
        return "the value (not shown, it looks like a secret)".to_owned();
    }
    let mut start: String = text.chars().take(LONGEST).collect::<String>().escape_debug().collect();
    if text.chars().nth(LONGEST).is_some() {
        start.push_str("...");
    }
    format!("`{start}`")
}

/// An age identity, or text of the length and alphabet of a secret access key: AWS's, or the hexadecimal ones of
/// OpenStack and its relatives.
fn may_be_secret(text: &str) -> bool {
    const AWS: usize = 40;
    const HEXADECIMAL: usize = 32;
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let any = |class: fn(&u8) -> bool| text.as_bytes().iter().any(class);
    let mixed = any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase);
    let is_base64 = text.len() >= AWS && text.bytes().all(base64) && mixed;
    let is_hexadecimal = text.len() >= HEXADECIMAL && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_base64 || is_hexadecimal || text.to_ascii_uppercase().contains("AGE-SECRET-KEY-")
}

/// `true` or `false`.
pub(crate) fn flag(given: &Given<'_>) -> Result<bool, String> {
    match given {
        Given::Flag(flag) => Ok(*flag),
        Given::Variable("true") => Ok(true),
        Given::Variable("false") => Ok(false),
        Given::Text(text @ ("true" | "false")) => Err(format!("write {text} without quotes")),
        Given::Variable(_)
        | Given::Text(_)
        | Given::Integer(_)
        | Given::Fraction(_)
        | Given::List(_)
        | Given::Table(_) => Err(format!("{} is neither true nor false", given.shown())),
    }
}

/// A text.
pub(crate) fn text<'v>(given: &Given<'v>) -> Result<&'v str, String> {
    given.as_text().ok_or_else(|| format!("{} is not a text: write it in quotes", given.shown()))
}

/// One of a fixed set of words.
pub(crate) fn choice<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&Given<'_>) -> Result<T, String> {
    move |given| {
        let found = given.as_text().and_then(|text| words.iter().find(|(word, _)| *word == text));
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let quoted: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("{} is not known here: write {}", given.shown(), quoted.join(" or "))
        })
    }
}

/// The name of a listener, route or key.
pub(crate) fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).ok_or_else(|| {
        format!(
            "{} is not a name: write 1 to {} of a-z, 0-9, `_` and `-`, a letter or digit first, and no `__`",
            shown(text),
            Name::MAX_LENGTH
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_true_and_false_are_flags() {
        assert_eq!(flag(&Given::Flag(true)), Ok(true));
        assert_eq!(flag(&Given::Flag(false)), Ok(false));
        assert_eq!(flag(&Given::Variable("true")), Ok(true));
        assert_eq!(flag(&Given::Variable("false")), Ok(false));
        for wrong in [
            Given::Text("no"),
            Given::Text("true"),
            Given::Integer(0),
            Given::Integer(1),
            Given::Fraction(0.0),
            Given::Variable("yes"),
            Given::Variable("True"),
            Given::Variable("1"),
            Given::Variable(""),
        ] {
            assert!(flag(&wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(flag(&Given::Text("false")).unwrap_err(), "write false without quotes");
    }

    #[test]
    fn a_number_is_not_a_text() {
        assert_eq!(text(&Given::Integer(5)).unwrap_err(), "`5` is not a text: write it in quotes");
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        let read = choice(&[("query", 1), ("ec2", 2)]);
        assert_eq!(read(&Given::Text("ec2")), Ok(2));
        assert_eq!(read(&Given::Text("EC2")).unwrap_err(), "`EC2` is not known here: write \"query\" or \"ec2\"");
    }

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        let hexadecimal = "0123456789abcdef".repeat(2);
        for secret in ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "age-secret-key-1abc", &hexadecimal] {
            assert!(!shown(secret).contains(secret));
        }
        assert_eq!(shown("a\nb"), "`a\\nb`");
        assert!(shown(&"x".repeat(500)).len() < 100);
    }

    #[test]
    fn a_bad_name_is_answered_with_the_rule() {
        assert!(name("Main").unwrap_err().starts_with("`Main` is not a name: write 1 to 64 of a-z"));
    }
}
