//! The configuration as one tree: the file, parsed once, with the variables laid over it.

mod file;
pub(crate) mod key_path;
mod merge;
pub(crate) mod node;
mod not_toml;
pub(crate) mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::error::{Fault, Place};
use crate::config::settings::Name;
use file::{read, read_what_can_be};
use key_path::KeyPath;
use node::{Entry, Node, Value};
use variables::Variable;

/// A file's text and the name it goes by in messages. The first of a configuration is its main file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileText<'t> {
    pub(crate) text: &'t str,
    pub(crate) name: &'t str,
    /// Where its relative paths begin.
    pub(crate) directory: &'t Path,
    /// Of a file of `conf.d/`, its name without `.toml`.
    pub(crate) part: Option<&'t Name>,
}

/// Everything that is configured. What came from the environment is a [`Value::Variable`].
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: Node,
    /// Where relative paths in the main file begin.
    directory: Option<PathBuf>,
    /// The name of the main file.
    main: Option<String>,
    /// The files of `conf.d/`, by the name that they go by in messages.
    parts: BTreeMap<String, Part>,
}

/// A file of `conf.d/`.
#[derive(Debug)]
pub(crate) struct Part {
    /// The file's name without `.toml`.
    pub(crate) name: Name,
    /// Where its relative paths begin.
    pub(crate) directory: PathBuf,
}

impl Tree {
    /// Parses the files, the main file first, and lays the variables over them. What cannot be taken over from a file
    /// of `conf.d/`, and values of files that variables take for tables, are added to `faults`: the tree does not show
    /// them.
    ///
    /// # Errors
    /// All that keeps the files from being read.
    pub(crate) fn build(
        files: &[FileText<'_>],
        variables: Vec<Variable>,
        faults: &mut Vec<Fault>,
    ) -> Result<Self, Vec<Fault>> {
        let (mut roots, mut unreadable) = (Vec::new(), Vec::new());
        for file in files {
            match read(file.text, file.name) {
                Ok(root) => roots.push(root),
                Err(faults) => unreadable.extend(faults),
            }
        }
        if !unreadable.is_empty() {
            return Err(unreadable);
        }
        let mut roots = roots.into_iter();
        let mut root = roots.next().unwrap_or_else(Node::table_of_variables);
        roots.for_each(|part| merge::take_over(&mut root, part, faults));
        for variable in variables {
            lay(&mut root, variable, faults);
        }
        let part = |file: &FileText<'_>| {
            let part = Part { name: file.part?.clone(), directory: file.directory.to_owned() };
            Some((file.name.to_owned(), part))
        };
        let main = files.first();
        Ok(Self {
            root,
            directory: main.map(|file| file.directory.to_owned()),
            main: main.map(|file| file.name.to_owned()),
            parts: files.iter().filter_map(part).collect(),
        })
    }

    /// The file of `conf.d/` in which a value, or the nearest table around it, stands.
    pub(crate) fn part_of(&self, path: &KeyPath) -> Option<&Part> {
        match self.place_of(path) {
            Place::Text { name, .. } => self.parts.get(name),
            Place::File { .. } | Place::Environment | Place::Variable { .. } => None,
        }
    }

    /// Where the relative paths in a table begin; `None` where no file is.
    pub(crate) fn directory_of(&self, path: &KeyPath) -> Option<&Path> {
        self.part_of(path).map(|part| part.directory.as_path()).or(self.directory.as_deref())
    }

    /// The name of the main file; a word for it where there is none.
    pub(crate) fn main_file(&self) -> &str {
        self.main.as_deref().unwrap_or("the configuration file")
    }

    /// The tree of a main file that may have faults: what cannot be read is left out.
    pub(crate) fn of_what_can_be_read(file: Option<FileText<'_>>, variables: Vec<Variable>) -> Self {
        let mut root = file.map_or_else(Node::table_of_variables, |file| read_what_can_be(file.text, file.name));
        for variable in variables {
            lay(&mut root, variable, &mut Vec::new());
        }
        Self {
            root,
            directory: file.map(|file| file.directory.to_owned()),
            main: file.map(|file| file.name.to_owned()),
            parts: BTreeMap::new(),
        }
    }

    /// Where each table and each table in it stands, by its path.
    pub(crate) fn places(&self) -> BTreeMap<String, Place> {
        let mut places = BTreeMap::new();
        let Value::Table(tables) = &self.root.value else { return places };
        for (name, entry) in tables {
            places.insert(name.clone(), entry.node.place.clone());
            if let Value::Table(named) = &entry.node.value {
                places.extend(named.iter().map(|(below, entry)| (format!("{name}.{below}"), entry.node.place.clone())));
            }
        }
        places
    }

    /// Where a value stands; for one that is missing, where the nearest table around it stands.
    pub(crate) fn place_of(&self, path: &KeyPath) -> &Place {
        let mut node = &self.root;
        for segment in path.segments() {
            match node.child(segment) {
                Some(child) => node = child,
                None => break,
            }
        }
        &node.place
    }
}

/// Lays a variable over what the file says.
fn lay(root: &mut Node, variable: Variable, faults: &mut Vec<Fault>) {
    let mut node = root;
    let mut walked = KeyPath::default();
    for segment in variable.path.segments() {
        if !matches!(node.value, Value::Table(_)) {
            let message = "variables take this for a table, the file for a value: remove one of the two".to_owned();
            faults.push(Fault { place: node.place.clone(), path: walked.to_string(), message });
            node.value = Node::table_of_variables().value;
        }
        let Value::Table(entries) = &mut node.value else { return };
        let entry = entries.entry(segment.to_owned());
        node = &mut entry.or_insert_with(|| Entry { key: None, node: Node::table_of_variables() }).node;
        walked = walked.join(segment);
    }
    *node = Node { place: Place::Variable { name: variable.name }, value: Value::Variable(variable.value) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str, variables: &[(&str, &str)]) -> Tree {
        let given = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut faults = Vec::new();
        let variables = variables::pick(given, &mut faults);
        let file = FileText { text, name: "f", directory: Path::new(""), part: None };
        let tree = Tree::build(&[file], variables, &mut faults).unwrap();
        assert!(faults.is_empty(), "{faults:?}");
        tree
    }

    fn place(tree: &Tree, path: &str) -> String {
        tree.place_of(&KeyPath::of(path.split('.'))).to_string()
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let tree = tree("[log]\nlevel = \"a\"\nformat = \"b\"", &[("COUNTERSIGN__LOG__LEVEL", "c")]);
        assert_eq!(place(&tree, "log.level"), "COUNTERSIGN__LOG__LEVEL");
        assert_eq!(place(&tree, "log.format"), "f:3:10");
        let level = tree.root.child("log").and_then(|log| log.child("level")).unwrap();
        assert!(matches!(&level.value, Value::Variable(text) if text == "c"), "{level:?}");
    }

    #[test]
    fn what_is_missing_stands_where_its_table_does() {
        let tree = tree("[log]\n", &[("COUNTERSIGN__KEY__A__FILE", "c")]);
        assert_eq!(place(&tree, "log.level"), "f:1:2");
        assert_eq!(place(&tree, "key.a.kind"), "environment");
        assert_eq!(place(&tree, "route.a"), "f");
    }

    #[test]
    fn the_case_of_keys_in_the_file_stays() {
        assert!(tree("[Log]\n", &[]).root.child("Log").is_some());
    }

    #[test]
    fn a_key_that_the_file_and_a_variable_set_is_given_in_both_places() {
        let tree = tree("[lgo]\nlevel = 1\n", &[("COUNTERSIGN__LGO__LEVEL", "a"), ("COUNTERSIGN__LGO__X", "b")]);
        let Value::Table(entries) = &tree.root.value else { panic!("a table") };
        let places: Vec<_> = entries["lgo"].places().iter().map(ToString::to_string).collect();
        assert_eq!(places, ["f:1:2", "COUNTERSIGN__LGO__LEVEL", "COUNTERSIGN__LGO__X"]);
    }
}
