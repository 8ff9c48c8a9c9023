//! The strict gate in front of the `config` crate: is this TOML, and on which line stands each key?

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::error::{Fault, Place};
use crate::config::tree::key_path::KeyPath;

/// Where every key and value of a file stands.
#[derive(Debug)]
pub(crate) struct Positions {
    file: String,
    spots: BTreeMap<KeyPath, Spot>,
}

#[derive(Debug, Clone, Copy)]
struct Spot {
    key: (usize, usize),
    value: (usize, usize),
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Table,
    Value,
}

impl Positions {
    /// The place of a key's value; a table's is where its name first stands.
    pub(crate) fn value(&self, path: &KeyPath) -> Option<Place> {
        let spot = self.spots.get(path)?;
        Some(self.text(match spot.shape {
            Shape::Table => spot.key,
            Shape::Value => spot.value,
        }))
    }

    /// The place of a key's name.
    pub(crate) fn key(&self, path: &KeyPath) -> Option<Place> {
        self.spots.get(path).map(|spot| self.text(spot.key))
    }

    /// The file as a whole.
    pub(crate) fn whole(&self) -> Place {
        Place::File { name: self.file.clone() }
    }

    /// Whether the file gives this path a value that is not a table.
    pub(crate) fn has_value(&self, path: &KeyPath) -> bool {
        self.spots.get(path).is_some_and(|spot| spot.shape == Shape::Value)
    }

    fn text(&self, (line, column): (usize, usize)) -> Place {
        Place::Text { name: self.file.clone(), line, column }
    }
}

/// Finds the positions in `text`, or all that keeps it from being read as TOML.
///
/// `config` would read some things this refuses: a date (as a string), a quoted key such as `"a.b[9]"` at the top
/// (as a path into other tables, and the index as the length of a list to allocate).
pub(crate) fn locate(text: &str, file: &str) -> Result<Positions, Vec<Fault>> {
    let lines = Lines::of(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut walk = Walk { lines, file, spots: BTreeMap::new(), faults: Vec::new() };
    for error in errors {
        // `message` only: the error's own Display shows the line, and with it perhaps a secret
        walk.fault(error.span().unwrap_or_default(), &KeyPath::default(), format!("not TOML: {}", error.message()));
    }
    if walk.faults.is_empty() {
        walk.table(root.get_ref(), &KeyPath::default());
    }
    if walk.faults.is_empty() { Ok(Positions { file: file.to_owned(), spots: walk.spots }) } else { Err(walk.faults) }
}

struct Walk<'t> {
    lines: Lines<'t>,
    file: &'t str,
    spots: BTreeMap<KeyPath, Spot>,
    faults: Vec<Fault>,
}

impl Walk<'_> {
    fn fault(&mut self, span: Range<usize>, path: &KeyPath, message: String) {
        let (line, column) = self.lines.at(span.start);
        let place = Place::Text { name: self.file.to_owned(), line, column };
        self.faults.push(Fault { place, path: path.to_string(), message });
    }

    fn table(&mut self, table: &DeTable<'_>, path: &KeyPath) {
        for (key, value) in table {
            let name = key.get_ref();
            let below = path.join(name);
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) || name.is_empty() {
                self.fault(key.span(), &below, "unknown key: keys are made of a-z, 0-9, `_` and `-`".to_owned());
                continue;
            }
            self.value(value, key.span(), &below);
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, key: Range<usize>, path: &KeyPath) {
        let shape = if value.get_ref().is_table() { Shape::Table } else { Shape::Value };
        let spot = Spot { key: self.lines.at(key.start), value: self.lines.at(value.span().start), shape };
        self.spots.insert(path.clone(), spot);
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, item.span(), &path.item(index));
                }
            }
            DeValue::Integer(integer) => {
                if i64::from_str_radix(integer.as_str(), integer.radix()).is_err() {
                    self.fault(value.span(), path, "the number is too large".to_owned());
                }
            }
            DeValue::Float(float) => {
                // as strict as `config`, which would refuse the whole file without saying where
                if !float.as_str().parse::<f64>().is_ok_and(f64::is_finite) {
                    self.fault(value.span(), path, "the number is too large or not a number".to_owned());
                }
            }
            DeValue::Datetime(_) => self.fault(value.span(), path, "no key takes a date".to_owned()),
            DeValue::String(_) | DeValue::Boolean(_) => {}
        }
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
        locate(text, "f").map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_values_tables_and_items_have_positions() {
        let positions = locate("# é\n[route.ie]\n  hosts = [\"é\", \"b\"]\n[route.ie.limits]\n", "f").unwrap();
        let value = |path: &[&str]| positions.value(&KeyPath::of(path.iter().copied())).unwrap().to_string();
        assert_eq!(value(&["route"]), "f:2:2");
        assert_eq!(value(&["route", "ie"]), "f:2:8");
        assert_eq!(value(&["route", "ie", "hosts"]), "f:3:11");
        assert_eq!(value(&["route", "ie", "hosts", "[2]"]), "f:3:17");
        assert_eq!(positions.key(&KeyPath::of(["route", "ie", "hosts"])).unwrap().to_string(), "f:3:3");
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
        assert_eq!(faults("a = 1\na = 2"), ["f:2:1: not TOML: duplicate key"]);
    }

    #[test]
    fn quoted_keys_that_config_would_take_for_paths_are_refused() {
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
