//! File and environment laid over each other by the `config` crate, and where each value came from.

mod file;
pub(crate) mod key_path;
pub(crate) mod variables;

use std::collections::BTreeMap;

use config::{Config, Environment, File, FileFormat, Map, Source as _, Value};

use crate::config::error::{Fault, Place};
use crate::config::tree::file::{Positions, locate};
use crate::config::tree::key_path::KeyPath;
use crate::config::tree::variables::{PREFIX, SEPARATOR, Variables};

/// A file's text and the name it goes by in messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileText<'t> {
    pub(crate) text: &'t str,
    pub(crate) name: &'t str,
}

/// The merged tree and the origin of its values.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The merged tree. What came from the environment is a string.
    pub(crate) root: Map<String, Value>,
    positions: Option<Positions>,
    variables: BTreeMap<KeyPath, String>,
}

/// Lays the variables over the file.
pub(crate) fn merge(file: Option<FileText<'_>>, variables: Variables) -> Result<Layers, Vec<Fault>> {
    let positions = file.map(|file| locate(file.text, file.name)).transpose()?;
    let mut builder = Config::builder();
    if let Some(file) = file {
        builder = builder.add_source(File::from_str(file.text, FileFormat::Toml));
    }
    let environment =
        Environment::with_prefix(PREFIX).separator(SEPARATOR).try_parsing(false).source(Some(variables.values));
    let root = builder.add_source(environment).build().and_then(|config| config.collect());
    let layers = |root| Layers { root, positions, variables: variables.names };
    match root {
        Ok(root) => Ok(layers(root)),
        // not reached as far as we know, since `locate` is stricter; the error's text may quote the file
        Err(_) => {
            let place = layers(Map::new()).place_of_whole();
            Err(vec![Fault { place, path: String::new(), message: "cannot be read as a configuration".to_owned() }])
        }
    }
}

impl Layers {
    /// The variable that gave this value, when it came from the environment.
    pub(crate) fn variable(&self, path: &KeyPath) -> Option<&str> {
        self.variables.get(path).map(String::as_str)
    }

    /// Where a value stands; for one that is missing, where the nearest table around it stands.
    pub(crate) fn place_of(&self, path: &KeyPath) -> Place {
        let mut at = Some(path.clone());
        while let Some(path) = at.filter(|path| !path.is_root()) {
            if let Some(place) = self.place_at(&path) {
                return place;
            }
            at = path.parent();
        }
        self.place_of_whole()
    }

    /// Every place where an unknown key, or something in it, is given.
    pub(crate) fn places_of_key(&self, path: &KeyPath) -> Vec<Place> {
        let in_file = self.positions.as_ref().and_then(|positions| positions.key(path));
        let below = self.variables.iter().filter(|(other, _)| path.leads_to(other));
        in_file.into_iter().chain(below.map(|(_, name)| Place::Variable { name: name.clone() })).collect()
    }

    /// Values in the file that variables turn into tables: each is a fault that the merged tree no longer shows.
    pub(crate) fn buried_values(&self) -> Vec<KeyPath> {
        let Some(positions) = &self.positions else { return Vec::new() };
        let above = |path: &KeyPath| std::iter::successors(path.parent(), KeyPath::parent).collect::<Vec<_>>();
        self.variables.keys().flat_map(above).filter(|path| positions.has_value(path)).collect()
    }

    /// Where the file gives this path a value.
    pub(crate) fn place_in_file(&self, path: &KeyPath) -> Place {
        self.positions.as_ref().and_then(|positions| positions.value(path)).unwrap_or_else(|| self.place_of_whole())
    }

    fn place_at(&self, path: &KeyPath) -> Option<Place> {
        if let Some(name) = self.variable(path) {
            return Some(Place::Variable { name: name.to_owned() });
        }
        let in_file = self.positions.as_ref().and_then(|positions| positions.value(path));
        in_file.or_else(|| {
            let from_environment = self.variables.keys().any(|other| path.leads_to(other));
            from_environment.then_some(Place::Environment)
        })
    }

    fn place_of_whole(&self) -> Place {
        self.positions.as_ref().map_or(Place::Environment, Positions::whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::variables;

    fn merge_all(text: &str, variables: &[(&str, &str)]) -> Layers {
        let given = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        merge(Some(FileText { text, name: "f" }), variables::pick(given)).unwrap()
    }

    fn place(layers: &Layers, path: &str) -> String {
        layers.place_of(&KeyPath::of(path.split('.'))).to_string()
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let layers = merge_all("[log]\nlevel = \"a\"\nformat = \"b\"", &[("COUNTERSIGN__LOG__LEVEL", "c")]);
        assert_eq!(place(&layers, "log.level"), "COUNTERSIGN__LOG__LEVEL");
        assert_eq!(place(&layers, "log.format"), "f:3:10");
        assert_eq!(format!("{}", layers.root["log"]).matches('c').count(), 1);
    }

    #[test]
    fn what_is_missing_stands_where_its_table_does() {
        let layers = merge_all("[log]\n", &[("COUNTERSIGN__KEY__A__FILE", "c")]);
        assert_eq!(place(&layers, "log.level"), "f:1:2");
        assert_eq!(place(&layers, "key.a.kind"), "environment");
        assert_eq!(place(&layers, "route.a"), "f");
    }

    #[test]
    fn config_does_not_change_the_case_of_keys() {
        assert!(merge_all("[Log]\n", &[]).root.contains_key("Log"));
    }
}
