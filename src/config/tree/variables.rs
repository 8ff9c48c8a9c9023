//! The environment's layer: which variables are ours, and which key each of them sets.

use std::collections::BTreeMap;

use config::{Environment, Map, Source as _, ValueKind};

use super::key_path::{KeyPath, PREFIX, SEPARATOR};
use crate::config::error::{Fault, Place};
use crate::credentials::saved_text::Slip;

/// A variable that sets a key.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) path: KeyPath,
    /// Its name as it was set.
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Picks our variables. Those that set nothing are added to `faults`.
///
/// What would be decided by chance is refused: two variables for one key, a variable for a table and one for a key in
/// it.
pub(crate) fn pick(environment: impl IntoIterator<Item = (String, String)>, faults: &mut Vec<Fault>) -> Vec<Variable> {
    let mut picked: BTreeMap<KeyPath, Variable> = BTreeMap::new();
    let mut ours: Vec<_> = environment.into_iter().filter(|(name, _)| is_ours(name)).collect();
    ours.sort();
    for (name, value) in ours {
        let Some((path, value)) = interpret(&name, value) else {
            let message = "not a key: write COUNTERSIGN__, then the parts of the key joined by `__`, as in \
                           COUNTERSIGN__LOG__LEVEL"
                .to_owned();
            faults.push(Fault { place: Place::Variable { name }, path: String::new(), message });
            continue;
        };
        if let Some(message) = conflict(&picked, &path) {
            faults.push(Fault { place: Place::Variable { name }, path: path.to_string(), message });
            continue;
        }
        let value = match Slip::of(&value) {
            None => value,
            Some(slip) => {
                let place = Place::Variable { name: name.clone() };
                faults.push(Fault { place, path: path.to_string(), message: slip.to_string() });
                // the other faults are then those of the value that was meant
                slip.corrected(&value).to_owned()
            }
        };
        picked.insert(path.clone(), Variable { path, name, value });
    }
    picked.into_values().collect()
}

/// Whether a variable begins with our prefix. One `_` after it is not ours: Kubernetes sets `COUNTERSIGN_PORT` and the
/// like in every pod beside a service that is called countersign.
pub(crate) fn is_ours(name: &str) -> bool {
    rest(name).is_some()
}

/// What follows the prefix and its separator.
fn rest(name: &str) -> Option<&str> {
    let prefix = format!("{PREFIX}{SEPARATOR}");
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(&prefix).then_some(rest)
}

/// The key that a variable of ours sets, and its value, by the rules of the `config` crate: the prefix goes, capitals
/// become small letters, and the separator stands for a dot.
fn interpret(name: &str, value: String) -> Option<(KeyPath, String)> {
    // no key has more parts than four; the readers recurse over them
    const MOST_PARTS: usize = 16;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    // a dot in a name would be taken for a separator
    rest(name).filter(|rest| rest.bytes().all(plain))?;
    let environment = Environment::with_prefix(PREFIX).separator(SEPARATOR).try_parsing(false);
    // one at a time, so that each keeps its name
    let collected = environment.source(Some(Map::from_iter([(name.to_owned(), value)]))).collect().ok()?;
    let (key, value) = collected.into_iter().next()?;
    let parts: Vec<&str> = key.split('.').collect();
    let usable = parts.len() <= MOST_PARTS && parts.iter().all(|part| !part.is_empty());
    // without `try_parsing` every value is a text
    let ValueKind::String(text) = value.kind else { return None };
    usable.then(|| (KeyPath::of(parts), text))
}

fn conflict(picked: &BTreeMap<KeyPath, Variable>, path: &KeyPath) -> Option<String> {
    let (other, Variable { name, .. }) =
        picked.iter().find(|(other, _)| other.leads_to(path) || path.leads_to(other))?;
    Some(if other == path {
        format!("{name} sets the same key")
    } else {
        format!("{name} is set too, and one of the two takes `{path}` for a table and the other for a value")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick_names(names: &[&str]) -> (Vec<Variable>, Vec<String>) {
        let mut faults = Vec::new();
        let picked = pick(names.iter().map(|name| ((*name).to_owned(), "v".to_owned())), &mut faults);
        (picked, faults.iter().map(ToString::to_string).collect())
    }

    fn faults(names: &[&str]) -> Vec<String> {
        pick_names(names).1
    }

    #[test]
    fn only_names_with_two_underscores_after_the_prefix_are_ours() {
        let (picked, faults) = pick_names(&["COUNTERSIGN_PORT", "PATH", "COUNTERSIGN__LOG__LEVEL", "ÄÖÜÄÖÜÄÖÜ"]);
        assert!(faults.is_empty());
        assert_eq!(picked.iter().map(|variable| variable.path.to_string()).collect::<Vec<_>>(), ["log.level"]);
    }

    #[test]
    fn a_name_is_read_in_either_case_and_keeps_single_underscores() {
        let (picked, _) = pick_names(&["countersign__Key__A_b-C__IDENTITY_FILE"]);
        let [Variable { path, name, value }] = picked.as_slice() else { panic!("one") };
        assert_eq!((path.to_string().as_str(), value.as_str()), ("key.a_b-c.identity_file", "v"));
        assert_eq!(name, "countersign__Key__A_b-C__IDENTITY_FILE");
    }

    #[test]
    fn names_that_are_no_path_are_refused() {
        for name in ["COUNTERSIGN__", "COUNTERSIGN__A____B", "COUNTERSIGN__A[9999999999]", "COUNTERSIGN__A.B"] {
            assert!(faults(&[name])[0].starts_with(&format!("{name}: not a key")));
        }
        assert_eq!(faults(&["COUNTERSIGN__A".repeat(99).as_str()]).len(), 1);
    }

    #[test]
    fn a_line_end_and_quotes_that_a_variable_came_with_are_named() {
        for (value, message) in [
            ("info\n", "COUNTERSIGN__LOG__LEVEL: log.level: has a line end after the value: remove it"),
            ("\"info\"", "COUNTERSIGN__LOG__LEVEL: log.level: has quotes around the value, which only a shell removes"),
        ] {
            let mut faults = Vec::new();
            let picked = pick([("COUNTERSIGN__LOG__LEVEL".to_owned(), value.to_owned())], &mut faults);
            assert!(faults.len() == 1 && faults[0].to_string().starts_with(message), "{faults:?}");
            assert_eq!(picked[0].value, "info");
        }
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
