//! The environment's layer: which variables are ours, and which key each of them sets.

use std::collections::{BTreeMap, HashMap};

use crate::config::error::{Fault, Place};
use crate::config::tree::key_path::KeyPath;

/// What our variables begin with. One `_` after it is not ours: Kubernetes sets `COUNTERSIGN_PORT` and the like in
/// every pod beside a service that is called countersign.
pub(crate) const PREFIX: &str = "COUNTERSIGN";
/// What separates the parts of a variable's name.
pub(crate) const SEPARATOR: &str = "__";

/// Our variables.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// For `config`: name to value.
    pub(crate) values: HashMap<String, String>,
    /// The name of the variable that sets a key.
    pub(crate) names: BTreeMap<KeyPath, String>,
    /// Variables that set nothing.
    pub(crate) faults: Vec<Fault>,
}

/// Picks our variables.
///
/// What `config` would decide by chance or by its own path syntax is refused here: two variables for one key, a
/// variable for a table and one for a key in it, names such as `COUNTERSIGN__A[9]`.
pub(crate) fn pick(environment: impl IntoIterator<Item = (String, String)>) -> Variables {
    let prefix = format!("{PREFIX}{SEPARATOR}");
    let mut picked = Variables::default();
    let mut ours: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&prefix)))
        .collect();
    ours.sort();
    for (name, value) in ours {
        let Some(path) = path_of(name.get(prefix.len()..).unwrap_or("")) else {
            let message = "not a key: write COUNTERSIGN__, then the parts of the key joined by `__`, as in \
                           COUNTERSIGN__LOG__LEVEL"
                .to_owned();
            picked.faults.push(Fault { place: Place::Variable { name }, path: String::new(), message });
            continue;
        };
        if let Some(message) = conflict(&picked.names, &path) {
            picked.faults.push(Fault { place: Place::Variable { name }, path: path.to_string(), message });
            continue;
        }
        picked.names.insert(path, name.clone());
        picked.values.insert(name, value);
    }
    picked
}

/// The key that the rest of a variable's name stands for.
fn path_of(rest: &str) -> Option<KeyPath> {
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let parts: Vec<_> = rest.split(SEPARATOR).map(str::to_ascii_lowercase).collect();
    // no key has more parts than four; `config` recurses over them
    let few = parts.len() <= 16;
    (few && parts.iter().all(|part| plain(part) && !part.is_empty())).then(|| KeyPath::of(parts))
}

fn conflict(names: &BTreeMap<KeyPath, String>, path: &KeyPath) -> Option<String> {
    let (other, name) = names.iter().find(|(other, _)| other.leads_to(path) || path.leads_to(other))?;
    Some(if other == path {
        format!("{name} sets the same key")
    } else {
        format!("{name} is set too, and one of the two takes `{path}` for a table and the other for a value")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick_names(names: &[&str]) -> Variables {
        pick(names.iter().map(|name| ((*name).to_owned(), "v".to_owned())))
    }

    fn faults(names: &[&str]) -> Vec<String> {
        pick_names(names).faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_names_with_two_underscores_after_the_prefix_are_ours() {
        let picked = pick_names(&["COUNTERSIGN_PORT", "PATH", "COUNTERSIGN__LOG__LEVEL", "ÄÖÜÄÖÜÄÖÜ"]);
        assert!(picked.faults.is_empty());
        assert_eq!(picked.names.keys().map(ToString::to_string).collect::<Vec<_>>(), ["log.level"]);
    }

    #[test]
    fn names_that_are_no_path_are_refused() {
        for name in ["COUNTERSIGN__", "COUNTERSIGN__A____B", "COUNTERSIGN__A[9999999999]", "COUNTERSIGN__A.B"] {
            assert!(faults(&[name])[0].starts_with(&format!("{name}: not a key")));
        }
        assert_eq!(faults(&["COUNTERSIGN__A".repeat(99).as_str()]).len(), 1);
    }

    #[test]
    fn two_variables_for_one_key_are_refused() {
        assert_eq!(
            faults(&["COUNTERSIGN__LOG__LEVEL", "COUNTERSIGN__LOG__level"]),
            ["COUNTERSIGN__LOG__level: log.level: COUNTERSIGN__LOG__LEVEL sets the same key"]
        );
    }

    #[test]
    fn a_variable_for_a_table_and_one_for_its_key_are_refused() {
        assert_eq!(faults(&["COUNTERSIGN__LOG__LEVEL", "COUNTERSIGN__LOG"]).len(), 1);
        assert_eq!(faults(&["COUNTERSIGN__LOG", "COUNTERSIGN__LOG__LEVEL"]).len(), 1);
    }
}
