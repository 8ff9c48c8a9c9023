//! From the text of a file to the tree: TOML, with the position of each key and value.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key_path::KeyPath;
use super::node::{Entries, Entry, Node, Value};
use super::not_toml;
use crate::config::error::{Fault, Place};

/// Reads a file's text.
///
/// # Errors
/// All that keeps it from being read as TOML, and what no key of ours takes: dates, endless numbers, quoted keys.
pub(crate) fn read(text: &str, file: &str) -> Result<Node, Vec<Fault>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { lines: Lines::of(text), file, faults: Vec::new() };
    let mut explained = not_toml::Explained::of(text);
    for error in errors {
        let span = error.span().unwrap_or_default();
        let line = reader.lines.whole(span.start);
        // `message` only: the error's own Display shows the line, and with it perhaps a secret
        if let Some(message) = explained.message(error.message(), span.clone(), line) {
            reader.fault(span, &KeyPath::default(), format!("not TOML: {message}"));
        }
    }
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let entries = reader.table(root.get_ref(), &KeyPath::default());
    let place = Place::File { name: file.to_owned() };
    if reader.faults.is_empty() { Ok(Node { place, value: Value::Table(entries) }) } else { Err(reader.faults) }
}

/// Reads what can be read of a file's text.
pub(crate) fn read_what_can_be(text: &str, file: &str) -> Node {
    let (root, _errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { lines: Lines::of(text), file, faults: Vec::new() };
    let entries = reader.table(root.get_ref(), &KeyPath::default());
    Node { place: Place::File { name: file.to_owned() }, value: Value::Table(entries) }
}

struct Reader<'t> {
    lines: Lines<'t>,
    file: &'t str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> Place {
        let (line, column) = self.lines.at(offset);
        Place::Text { name: self.file.to_owned(), line, column }
    }

    fn fault(&mut self, span: Range<usize>, path: &KeyPath, message: String) {
        let place = self.place(span.start);
        self.faults.push(Fault { place, path: path.to_string(), message });
    }

    fn table(&mut self, table: &DeTable<'_>, path: &KeyPath) -> Entries {
        let mut entries = Entries::new();
        for (key, value) in table {
            let name = key.get_ref();
            let below = path.join(name);
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) || name.is_empty() {
                self.fault(key.span(), &below, "unknown key: keys are made of a-z, 0-9, `_` and `-`".to_owned());
                continue;
            }
            let Some(value) = self.value(value, &below) else { continue };
            let start = self.place(key.span().start);
            // the place of a table is where its name first stands, of any other value that of the value
            let place = if matches!(value.0, Value::Table(_)) { start.clone() } else { value.1 };
            entries.insert(name.to_string(), Entry { key: Some(start), node: Node { place, value: value.0 } });
        }
        entries
    }

    /// The value, and where it stands; `None` when it is none of ours.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &KeyPath) -> Option<(Value, Place)> {
        let read = match value.get_ref() {
            DeValue::Table(table) => Value::Table(self.table(table, path)),
            DeValue::Array(items) => {
                let items = items.iter().enumerate();
                Value::List(items.filter_map(|(index, item)| self.item(item, &path.item(index))).collect())
            }
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => return self.refuse(value, path, "the number is too large"),
            },
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Fraction(number),
                Ok(_) | Err(_) => return self.refuse(value, path, "the number is too large or not a number"),
            },
            DeValue::Datetime(_) => return self.refuse(value, path, "no key takes a date"),
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
        };
        Some((read, self.place(value.span().start)))
    }

    fn item(&mut self, item: &Spanned<DeValue<'_>>, path: &KeyPath) -> Option<Node> {
        self.value(item, path).map(|(value, place)| Node { place, value })
    }

    fn refuse(&mut self, value: &Spanned<DeValue<'_>>, path: &KeyPath, why: &str) -> Option<(Value, Place)> {
        self.fault(value.span(), path, why.to_owned());
        None
    }
}

/// The line starts of a text.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(offset, _)| offset.saturating_add(1));
        Self { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// The line of a byte.
    fn whole(&self, offset: usize) -> &'t str {
        let start =
            self.text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |end| end.saturating_add(1));
        self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    /// Line and column (in characters) of a byte, both from 1.
    fn at(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|nth| self.starts.get(nth)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or("").chars().count();
        (line, before.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        read(text, "f").map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_values_tables_and_items_have_positions() {
        let root = read("# é\n[route.ie]\n  hosts = [\"é\", \"b\"]\n[route.ie.limits]\n", "f").unwrap();
        let node = |path: &[&str]| path.iter().fold(&root, |node, segment| node.child(segment).unwrap());
        let place = |path: &[&str]| node(path).place.to_string();
        assert_eq!(place(&["route"]), "f:2:2");
        assert_eq!(place(&["route", "ie"]), "f:2:8");
        assert_eq!(place(&["route", "ie", "hosts"]), "f:3:11");
        assert_eq!(place(&["route", "ie", "hosts", "[2]"]), "f:3:17");
        let Value::Table(entries) = &node(&["route", "ie"]).value else { panic!("a table") };
        assert_eq!(entries["hosts"].key.as_ref().unwrap().to_string(), "f:3:3");
    }

    #[test]
    fn what_is_not_toml_is_reported_with_line_and_column() {
        let faults = faults("[log]\nlevel = \nformat = \"x\n");
        assert!(faults.len() >= 2, "{faults:?}");
        assert!(faults[0].starts_with("f:2:"), "{faults:?}");
        assert!(faults[0].contains("not TOML"), "{faults:?}");
    }

    #[test]
    fn a_syntax_error_does_not_show_the_line() {
        assert!(!faults("secret = \"wJalrXUtnFEMI\n").concat().contains("wJalr"));
    }

    #[test]
    fn a_key_given_twice_is_reported_where_it_stands_again() {
        assert_eq!(faults("a = 1\na = 2"), ["f:2:1: not TOML: duplicate key `a`: remove one of the two"]);
    }

    #[test]
    fn quoted_keys_that_would_look_like_paths_are_refused() {
        assert_eq!(
            faults("\"log.level\" = \"info\"\n\"a[99999999999]\" = 1"),
            [
                "f:2:1: \"a[99999999999]\": unknown key: keys are made of a-z, 0-9, `_` and `-`",
                "f:1:1: \"log.level\": unknown key: keys are made of a-z, 0-9, `_` and `-`"
            ]
        );
    }

    #[test]
    fn dates_and_endless_numbers_are_refused() {
        assert_eq!(
            faults("a = 2020-01-01\nb = 99999999999999999999\nc = 1e999\nd = nan"),
            [
                "f:1:5: a: no key takes a date",
                "f:2:5: b: the number is too large",
                "f:3:5: c: the number is too large or not a number",
                "f:4:5: d: the number is too large or not a number"
            ]
        );
    }
}
