//! What `config/reference.toml` says about each key: its description, default and example.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The reference, as it is in the source tree.
const REFERENCE: &str = include_str!("../../../config/reference.toml");

/// The words of the reference, by the path of what they are about: `listener.local.limits.head_timeout`.
pub(super) struct Comments(BTreeMap<String, Comment>);

struct Comment {
    text: String,
    default: Option<Value>,
    example: Option<Value>,
}

impl Comments {
    /// Reads the reference.
    pub(super) fn read() -> Self {
        let mut found = BTreeMap::new();
        let (mut table, mut is_example, mut waiting) = (String::new(), false, Vec::new());
        for line in REFERENCE.lines() {
            let (mark, rest) = split_mark(line);
            if let Some(header) = header(rest) {
                (table, is_example) = (header.to_owned(), mark == Mark::Example);
                found.insert(table.clone(), Comment { text: joined(&waiting), default: None, example: None });
                waiting.clear();
            } else if let Some((key, value)) = key_and_value(mark, rest) {
                let text = joined(&waiting);
                let default = if mark == Mark::Default { value.clone() } else { None };
                let default = default.or_else(|| stated_default(&text).filter(|_| is_example));
                let example = if mark == Mark::Default { None } else { value };
                found.insert(format!("{table}.{key}"), Comment { text, default, example });
                waiting.clear();
            } else if let Some(comment) = line.strip_prefix("# ").filter(|comment| !comment.starts_with("----")) {
                waiting.push(comment);
            } else {
                waiting.clear();
            }
        }
        Self(found)
    }

    /// Adds what the reference says about `path` to the schema of its values.
    pub(super) fn describe(&self, path: &str, mut schema: Value) -> Value {
        if let (Some(comment), Some(members)) = (self.0.get(path), schema.as_object_mut()) {
            if !comment.text.is_empty() {
                members.insert("description".to_owned(), json!(comment.text));
            }
            if let Some(default) = &comment.default {
                members.insert("default".to_owned(), default.clone());
            }
            if let Some(example) = &comment.example {
                members.insert("examples".to_owned(), json!([example]));
            }
        }
        schema
    }

    /// Every path that the reference has.
    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// What stands in front of a line of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// `#key = value`
    Default,
    /// `# e.g. key = value`
    Example,
    /// `key = value`
    None,
}

fn split_mark(line: &str) -> (Mark, &str) {
    if let Some(rest) = line.strip_prefix("# e.g. ") {
        return (Mark::Example, rest);
    }
    match line.strip_prefix('#') {
        Some(rest) => (Mark::Default, rest),
        None => (Mark::None, line),
    }
}

fn header(line: &str) -> Option<&str> {
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    Some(inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(inner))
}

/// The key, and its value; `None` for a line that sets none.
fn key_and_value(mark: Mark, line: &str) -> Option<(&str, Option<Value>)> {
    let (key, value) = line.split_once(" = ")?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    // a comment begins with a space behind the mark
    (is_key && (mark != Mark::Default || !line.starts_with(' '))).then(|| (key, toml_value(value)))
}

/// A value of TOML as JSON has it.
fn toml_value(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    serde_json::to_value(table.get("value")?).ok()
}

/// The lines of a comment as one text. An indented line is an item of a list.
fn joined(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        match line.strip_prefix("  ") {
            Some(item) if !item.starts_with(' ') => text.push_str(&format!("\n- {}", spaced(item))),
            Some(_) | None if text.is_empty() => text.push_str(line.trim()),
            Some(_) | None => text.push_str(&format!(" {}", line.trim())),
        }
    }
    text
}

/// A word and its meaning, which the reference puts below each other.
fn spaced(item: &str) -> String {
    match item.split_once("  ") {
        Some((word, meaning)) => format!("{word}: {}", meaning.trim_start()),
        None => item.to_owned(),
    }
}

/// The value behind "Default" in a description: `Default "10m".`, `1 to 8, default 2.`
fn stated_default(text: &str) -> Option<Value> {
    let at = text
        .find("Default ")
        .or_else(|| text.find(" default ").filter(|at| text.get(..*at).is_some_and(ends_a_part)))?;
    let rest = text.get(at..)?.trim_start().split_once(' ')?.1;
    let value = match rest.strip_prefix('"') {
        Some(quoted) => rest.get(..quoted.find('"')?.saturating_add(2))?,
        None => rest.split([' ', '.', ';', ',']).next()?,
    };
    toml_value(value)
}

fn ends_a_part(before: &str) -> bool {
    before.ends_with([',', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_read_from_the_line_or_from_the_words() {
        for (words, default) in [
            ("How long. Default \"10m\".", json!("10m")),
            ("1 to 8, default 2. A device", json!(2)),
            ("accepts it. Default false.", json!(false)),
        ] {
            assert_eq!(stated_default(words), Some(default), "{words}");
        }
        for words in ["Default: none.", "what it says, or else \"default\".", "Default by the dialect: x"] {
            assert_eq!(stated_default(words), None, "{words}");
        }
        let comments = Comments::read();
        assert_eq!(comments.0["listener.local.limits.head_timeout"].default, Some(json!("10s")));
        assert_eq!(comments.0["key.token.max_message"].default, Some(json!("64 KiB")));
        assert_eq!(comments.0["client.reporting.gid"].example, Some(json!([2001, 2002])));
    }

    #[test]
    fn the_lines_of_a_list_stay_lines() {
        let comments = Comments::read();
        let text = &comments.0["listener.local.authenticate"].text;
        assert!(text.contains("\n- \"mtls\": a client certificate"), "{text}");
    }
}
