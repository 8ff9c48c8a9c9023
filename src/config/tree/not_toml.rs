//! What keeps a text from being TOML, told once and with what to write: a table that stands twice, quotes of a word
//! processor, another language.

use std::ops::Range;

/// What was said of a text already.
pub(super) struct Explained<'t> {
    text: &'t str,
    /// Tables that stand again: their keys stand again too, and are not named.
    again: Vec<Range<usize>>,
    is_foreign: Told,
}

/// Whether something was said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    No,
}

const YAML: &str = "this looks like YAML: write `key = value`, and `[table.name]` where YAML indents";
const JSON: &str = "this looks like JSON: write `key = value`, and `[table.name]` where JSON has braces";
const QUOTES: &str = "a typographic quote, as word processors make them: write the straight one, \"";

impl<'t> Explained<'t> {
    pub(super) const fn of(text: &'t str) -> Self {
        Self { text, again: Vec::new(), is_foreign: Told::No }
    }

    /// The message for an error at `span`, which is on `line`; `None` when it follows from one that was told.
    pub(super) fn message(&mut self, error: &str, span: Range<usize>, line: &str) -> Option<String> {
        if error == "duplicate key" {
            return self.duplicate(span, line.trim());
        }
        let foreign = if self.text.trim_start().starts_with('{') {
            Some(JSON)
        } else if is_yaml(line) {
            Some(YAML)
        } else if line.contains(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}']) {
            Some(QUOTES)
        } else {
            None
        };
        match foreign {
            None => Some(error.to_owned()),
            Some(_) if self.is_foreign == Told::Yes => None,
            Some(hint) => {
                self.is_foreign = Told::Yes;
                Some(hint.to_owned())
            }
        }
    }

    fn duplicate(&mut self, span: Range<usize>, line: &str) -> Option<String> {
        if self.again.iter().any(|table| table.contains(&span.start)) {
            return None;
        }
        let plain = |name: &&str| {
            name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'"'))
        };
        if line.starts_with('[') {
            let rest = self.text.get(span.end..).unwrap_or_default();
            let end = rest.find("\n[").map_or(self.text.len(), |length| span.end.saturating_add(length));
            self.again.push(span.start..end);
            let header = line.split('#').next().map(str::trim_end).filter(plain).unwrap_or_default();
            return Some(format!("duplicate table {header}: put its keys into the one above"));
        }
        Some(match self.text.get(span).filter(plain) {
            Some(key) => format!("duplicate key `{key}`: remove one of the two"),
            None => "duplicate key: remove one of the two".to_owned(),
        })
    }
}

/// Whether a line is `key:`, `key: value`, `- item` or `---`, which TOML has none of.
fn is_yaml(line: &str) -> bool {
    let line = line.trim();
    let key = line.strip_prefix("- ").unwrap_or(line).split_once(':');
    let is_pair = key.is_some_and(|(key, value)| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        !key.is_empty() && key.bytes().all(plain) && (value.is_empty() || value.starts_with(' '))
    });
    line == "---" || is_pair
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::file::read;

    fn faults(text: &str) -> Vec<String> {
        read(text, "f").map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_or_key_that_stands_twice_is_named_once() {
        let twice = "[log]\nlevel = \"info\"\nformat = \"json\"\n[log] # again\nlevel = \"warn\"\nformat = \"json\"\n";
        assert_eq!(faults(twice), ["f:4:2: not TOML: duplicate table [log]: put its keys into the one above"]);
        let found = faults(&format!("{twice}[admin]\na = 1\na = 2\n"));
        assert_eq!(found.get(1).unwrap(), "f:9:1: not TOML: duplicate key `a`: remove one of the two");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn other_languages_and_other_quotes_get_one_hint_and_no_value_is_shown() {
        for (text, hint) in [
            ("log:\n  level: info\n  format: json\n", YAML),
            ("---\nlog:\n  level: info\n", YAML),
            ("{\n  \"log\": {\"level\": \"info\"}\n}\n", JSON),
            ("[log]\nlevel = \u{201c}info\u{201d}\n", QUOTES),
            ("[log]\nlevel = \u{2018}info\u{2019}\n", QUOTES),
        ] {
            let found = faults(text);
            assert_eq!(found.iter().filter(|fault| fault.contains(hint)).count(), 1, "{text}: {found:?}");
            assert!(!found.concat().contains("info"), "{found:?}");
        }
    }

    #[test]
    fn what_only_resembles_yaml_has_the_parsers_own_words() {
        for line in ["address = 127.0.0.1:80", "https://a", "a b: c", ":", "a:b"] {
            assert!(!is_yaml(line), "{line}");
        }
    }
}
