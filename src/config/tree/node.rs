//! The parts of the tree: values, each with its place.

use std::collections::BTreeMap;

use crate::config::error::Place;

/// A value and where it stands: for a table, where its name first stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What stands at a key.
#[derive(Debug)]
pub(crate) enum Value {
    /// The text of an environment variable; it may stand for any kind of value.
    Variable(String),
    /// A string in the file.
    Text(String),
    /// `true` or `false` in the file.
    Flag(bool),
    /// An integer in the file.
    Integer(i64),
    /// A finite number with a fraction in the file.
    Fraction(f64),
    /// A list in the file.
    List(Vec<Node>),
    /// A table, in the file or made by the variables that set keys in it.
    Table(Entries),
}

/// What a table holds, in order of name.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// A key of a table, and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where the key's name first stands in the file; `None` when only variables set it.
    pub(crate) key: Option<Place>,
    pub(crate) node: Node,
}

impl Node {
    /// A table of which the file says nothing.
    pub(crate) fn table_of_variables() -> Self {
        Self { place: Place::Environment, value: Value::Table(Entries::new()) }
    }

    /// The value at one more segment of a path.
    pub(crate) fn child(&self, segment: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => entries.get(segment).map(|entry| &entry.node),
            Value::List(items) => {
                let number: usize = segment.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
                items.get(number.checked_sub(1)?)
            }
            Value::Variable(_) | Value::Text(_) | Value::Flag(_) | Value::Integer(_) | Value::Fraction(_) => None,
        }
    }

    /// The places of all variables that set this value or something in it.
    pub(crate) fn variables(&self) -> Vec<&Place> {
        match &self.value {
            Value::Variable(_) => vec![&self.place],
            Value::Table(entries) => entries.values().flat_map(|entry| entry.node.variables()).collect(),
            Value::Text(_) | Value::Flag(_) | Value::Integer(_) | Value::Fraction(_) | Value::List(_) => Vec::new(),
        }
    }

    /// The names of all keys in this value.
    pub(crate) fn names(&self) -> Vec<&str> {
        match &self.value {
            Value::Table(entries) => {
                let below = |(name, entry)| std::iter::once(String::as_str(name)).chain(Entry::names(entry));
                entries.iter().flat_map(below).collect()
            }
            Value::List(items) => items.iter().flat_map(Self::names).collect(),
            Value::Variable(_) | Value::Text(_) | Value::Flag(_) | Value::Integer(_) | Value::Fraction(_) => Vec::new(),
        }
    }
}

impl Entry {
    fn names(&self) -> Vec<&str> {
        self.node.names()
    }

    /// Every place where this key, or something in it, is given.
    pub(crate) fn places(&self) -> Vec<&Place> {
        self.key.iter().chain(self.node.variables()).collect()
    }
}
