//! A cursor on one table: it hands out values, reports faults, and knows which keys no reader asked for.

use std::path::PathBuf;

use crate::config::reading::hints;
use crate::config::reading::path::{Bounds, Directory};
use crate::config::reading::report::Report;
use crate::config::reading::value::{Given, name, text};
use crate::config::settings::Name;
use crate::config::tree::key_path::KeyPath;
use crate::config::tree::node::Entries;

/// One table of the configuration, which may be absent. Getters return `None` when they have reported a fault, so that
/// a reader asks for every key first and gives up (`?`) only after [`Table::finish`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Table<'l> {
    report: &'l Report<'l>,
    path: KeyPath,
    entries: Option<&'l Entries>,
    known: Vec<&'static str>,
}

impl<'l> Table<'l> {
    /// The table that holds everything.
    pub(crate) fn root(report: &'l Report<'l>) -> Self {
        let entries = Given::of(&report.tree.root).as_table();
        Self { report, path: KeyPath::default(), entries, known: Vec::new() }
    }

    /// Whose the table is: the name of the file of `conf.d/` that it is in.
    pub(crate) fn tenant(&self) -> Option<Name> {
        self.report.tree.part_of(&self.path).map(|part| part.name.clone())
    }

    /// The value at `key`, or `default`.
    pub(crate) fn get<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Given<'l>) -> Result<T, String>,
    ) -> Option<T> {
        let Some(given) = self.given(key) else { return Some(default) };
        read(&given).map_err(|message| self.fault(key, message)).ok()
    }

    /// The value at `key`, which must be there; `why` completes the message when it is not.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        why: &str,
        read: impl FnOnce(&Given<'l>) -> Result<T, String>,
    ) -> Option<T> {
        let Some(given) = self.given(key) else {
            self.report.missing(&self.path.join(key), why);
            return None;
        };
        read(&given).map_err(|message| self.fault(key, message)).ok()
    }

    /// The list at `key` (in a variable: separated by commas), or `default`. Every bad item is reported.
    pub(crate) fn list<T: PartialEq>(
        &mut self,
        key: &'static str,
        default: Vec<T>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let Some(given) = self.given(key) else { return Some(default) };
        let Some(items) = items(&given) else {
            self.fault(key, format!("{} is not a list: write [\"...\", \"...\"]", given.shown()));
            return None;
        };
        self.read_items(key, &items, |item| read(text(item)?))
    }

    /// The list of files at `key` (in a variable: separated by commas); empty when it is not there.
    pub(crate) fn files(&mut self, key: &'static str) -> Option<Vec<PathBuf>> {
        let Some(given) = self.given(key) else { return Some(Vec::new()) };
        let Some(items) = items(&given) else {
            self.fault(key, format!("{} is not a list: write [\"...\", \"...\"]", given.shown()));
            return None;
        };
        let directory = self.directory();
        self.read_items(key, &items, |item| directory.file(item))
    }

    /// The value at `key`, or the list of them (in a variable: separated by commas); nothing when it is not there.
    pub(crate) fn several<T: PartialEq>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Given<'l>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let Some(given) = self.given(key) else { return Some(Vec::new()) };
        match items(&given) {
            Some(items) if items.is_empty() => {
                self.fault(key, "is an empty list: name one at least, or remove the line");
                None
            }
            Some(items) => self.read_items(key, &items, read),
            None => read(&given).map(|value| vec![value]).map_err(|message| self.fault(key, message)).ok(),
        }
    }

    /// The list at `key` (in a variable: separated by commas), which must be there and may have an item twice.
    /// `written` shows how the list is written.
    pub(crate) fn sequence<T>(
        &mut self,
        key: &'static str,
        written: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let Some(given) = self.given(key) else {
            self.missing(key, written);
            return None;
        };
        let Some(items) = items(&given) else {
            self.fault(key, format!("{} is not a list: {written}", given.shown()));
            return None;
        };
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match text(item).and_then(&read) {
                Ok(value) => list.push(value),
                Err(message) => self.report.value(&self.path.join(key).item(index), message),
            }
        }
        (list.len() == items.len()).then_some(list)
    }

    fn read_items<T: PartialEq>(
        &self,
        key: &str,
        items: &[Given<'l>],
        read: impl Fn(&Given<'l>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let once = |value| {
                let twice = list.contains(&value);
                if twice { Err(format!("{} stands in the list twice", item.shown())) } else { Ok(value) }
            };
            match read(item).and_then(once) {
                Ok(value) => list.push(value),
                Err(message) => self.report.value(&self.path.join(key).item(index), message),
            }
        }
        (list.len() == items.len()).then_some(list)
    }

    /// The tables in the list at `key`, in their order. `written` shows how one is written. Variables cannot set them,
    /// because their names have no place for the number of an item.
    pub(crate) fn tables(&mut self, key: &'static str, written: &str) -> Vec<Table<'l>> {
        let given = self.given(key);
        let path = self.path.join(key);
        let items = match given {
            None => return Vec::new(),
            Some(Given::List(items)) => items,
            Some(Given::Variable(_)) => {
                self.report.value(&path, "cannot be set by a variable: write it in the file");
                return Vec::new();
            }
            Some(_) => {
                self.report.value(&path, format!("is not a list of tables: write {written}, in the file"));
                return Vec::new();
            }
        };
        let tables = items.iter().enumerate().filter_map(|(index, item)| {
            let path = path.item(index);
            let Some(entries) = Given::of(item).as_table() else {
                self.report.value(&path, format!("is not a table: write {written}"));
                return None;
            };
            Some(Table { report: self.report, path, entries: Some(entries), known: Vec::new() })
        });
        tables.collect()
    }

    /// The table at `key`; an empty one when there is none.
    pub(crate) fn section(&mut self, key: &'static str) -> Table<'l> {
        let entries = match self.given(key) {
            None => None,
            Some(Given::Table(entries)) => Some(entries),
            Some(other) => {
                self.fault(key, not_a_table(&other, &self.path.join(key).to_string()));
                None
            }
        };
        Table { report: self.report, path: self.path.join(key), entries, known: Vec::new() }
    }

    /// The tables in the table at `key`, in order of name; at least one must be there. A table whose name is not valid
    /// comes with `None`, and is read only for its faults.
    pub(crate) fn named(&mut self, key: &'static str, why: &str) -> Vec<(Option<Name>, Table<'l>)> {
        let tables = self.named_if_any(key);
        let absent = self
            .entries
            .and_then(|entries| entries.get(key))
            .is_none_or(|entry| Given::of(&entry.node).as_table().is_some_and(Entries::is_empty));
        if absent {
            self.report.value(&self.path.join(key), format!("missing: {why}"));
        }
        tables
    }

    /// Like [`Self::named`], but none has to be there.
    pub(crate) fn named_if_any(&mut self, key: &'static str) -> Vec<(Option<Name>, Table<'l>)> {
        let entries = match self.given(key) {
            None => return Vec::new(),
            Some(Given::Table(entries)) => entries,
            Some(other) => {
                self.fault(key, not_a_table(&other, &format!("{key}.NAME")));
                return Vec::new();
            }
        };
        let above = self.path.join(key);
        let tables = entries.iter().filter_map(|(text, entry)| {
            let path = above.join(text);
            let name = name(text).map_err(|message| self.report.value(&path, message)).ok();
            let given = Given::of(&entry.node);
            let Some(entries) = given.as_table() else {
                self.report.value(&path, not_a_table(&given, &path.to_string()));
                return None;
            };
            Some((name, Table { report: self.report, path, entries: Some(entries), known: Vec::new() }))
        });
        tables.collect()
    }

    /// Where relative paths begin: the way to read the path of a file.
    pub(crate) fn directory(&self) -> Directory<'l> {
        let beside = self.report.tree.directory_of(&self.path);
        let bounds = match self.report.grant_of(&self.path) {
            None => Bounds::Anywhere,
            Some((part, grant)) => Bounds::Of { part, directories: grant.map_or(&[], |grant| &grant.files) },
        };
        Directory { beside, bounds }
    }

    /// Whether `key` is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(key))
    }

    /// Reports a fault in the value of `key`.
    pub(crate) fn fault(&self, key: &str, message: impl Into<String>) {
        self.report.value(&self.path.join(key), message);
    }

    /// Reports that `key` is missing.
    pub(crate) fn missing(&self, key: &str, why: &str) {
        self.report.missing(&self.path.join(key), why);
    }

    /// Reports the keys that no reader asked for.
    pub(crate) fn finish(self) {
        for (key, entry) in self.entries.into_iter().flatten() {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let path = self.path.join(key);
            let message = hints::unknown(&path, key, &entry.node.names(), &self.known);
            self.report.unknown(&path, entry, &message);
        }
    }

    fn given(&mut self, key: &'static str) -> Option<Given<'l>> {
        self.known.push(key);
        self.report.ask(self.path.join(key));
        self.entries?.get(key).map(|entry| Given::of(&entry.node))
    }
}

/// The items of a list, in the file or in a variable.
fn items<'l>(given: &Given<'l>) -> Option<Vec<Given<'l>>> {
    match given {
        Given::List(items) => Some(items.iter().map(Given::of).collect()),
        Given::Variable("") => Some(Vec::new()),
        Given::Variable(text) => Some(text.split(',').map(|item| Given::Variable(item.trim())).collect()),
        Given::Text(_) | Given::Flag(_) | Given::Integer(_) | Given::Fraction(_) | Given::Table(_) => None,
    }
}

/// The value is not shown: like that of an unknown key, it may be a secret in the wrong place.
fn not_a_table(given: &Given<'_>, header: &str) -> String {
    match given {
        Given::List(_) => format!("is a list: write it as a table, `[{header}]` with single brackets"),
        Given::Variable(_)
        | Given::Text(_)
        | Given::Flag(_)
        | Given::Integer(_)
        | Given::Fraction(_)
        | Given::Table(_) => format!("is a single value: write it as a table, `[{header}]`"),
    }
}
