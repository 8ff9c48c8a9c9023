//! Variables that look like ours and set nothing: one `_` where two belong, or a slip in the first word.

use crate::config::reading::hints::nearest;
use crate::config::tree::key_path::{FILE_VARIABLE, KeyPath, PREFIX, SEPARATOR};

/// The tables whose next segment is a name that the operator chooses.
const NAMED: [&str; 5] = ["listener", "client", "route", "key", "conf_d"];

/// A variable that looks like ours and has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayVariable {
    /// Its name as it was set.
    pub name: String,
    /// The variable that was probably meant.
    pub meant: Option<String>,
}

impl std::fmt::Display for StrayVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name.escape_debug();
        match &self.meant {
            Some(meant) => write!(f, "{name} is set, but has no effect: did you mean {meant}?"),
            None => write!(
                f,
                "{name} is set, but has no effect: the variables of countersign begin with {PREFIX}{SEPARATOR}, and \
                 `__` separates the parts of a key"
            ),
        }
    }
}

/// Those of `names` that look like ours and set nothing. `keys` are the keys that there are: those of the
/// configuration first, whose names are real.
pub(crate) fn strays(names: &[&str], keys: &[KeyPath]) -> Vec<StrayVariable> {
    let services = services(names);
    let mut found: Vec<_> = names
        .iter()
        .filter(|name| looks_like_ours(name) && !services.iter().any(|service| is_of_service(name, service)))
        .map(|name| StrayVariable { name: (*name).to_owned(), meant: meant(name, keys) })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Whether a variable looks like ours, and is not: those that begin with the prefix and the separator are read.
pub(crate) fn looks_like_ours(name: &str) -> bool {
    if name == FILE_VARIABLE {
        return false;
    }
    let upper = name.to_ascii_uppercase();
    match upper.strip_prefix(PREFIX) {
        Some(rest) => rest.starts_with('_') && !rest.starts_with(SEPARATOR),
        None => upper.split_once(SEPARATOR).is_some_and(|(first, _)| is_slip(first)),
    }
}

/// Whether the first word of a name is ours with a slip in it.
fn is_slip(first: &str) -> bool {
    nearest(first, ["countersign"]).is_some()
}

/// The variable that sets the key which `name` probably means.
pub(crate) fn meant(name: &str, keys: &[KeyPath]) -> Option<String> {
    let wanted = flat(name);
    let rest = wanted.split_once('_').map_or("", |(_, rest)| rest);
    if ["CONFIG", "CONF", "CONFIG_FILE", "CONFIG_PATH", "CONFIGURATION", "CONFIGURATION_FILE"].contains(&rest) {
        return Some(FILE_VARIABLE.to_owned());
    }
    let exact = keys.iter().find(|key| flat(&key.variable()) == format!("{PREFIX}_{rest}"));
    if let Some(key) = exact {
        return Some(key.variable());
    }
    // the longest end belongs to the key: the rest is the name of a table that the configuration does not have
    keys.iter()
        .filter_map(|key| Some((key, table_name(rest, key)?)))
        .max_by_key(|(key, name)| {
            let parts = key.segments().count();
            (std::cmp::Reverse(name.len()), parts)
        })
        .map(|(key, name)| with_name(key, &name).variable())
}

/// The name that a key of a named table has in `rest`, the flat name of a variable without the prefix.
fn table_name(rest: &str, key: &KeyPath) -> Option<String> {
    let mut segments = key.segments();
    let table = segments.next().filter(|table| NAMED.contains(table))?;
    let _name = segments.next()?;
    let end: Vec<_> = segments.collect();
    if end.is_empty() {
        return None;
    }
    let name = rest.strip_prefix(&flat(table))?.strip_prefix('_')?;
    let name = name.strip_suffix(&flat(&end.join("_")))?.strip_suffix('_')?;
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// The same key of the table with this name.
fn with_name(key: &KeyPath, name: &str) -> KeyPath {
    KeyPath::of(key.segments().enumerate().map(|(nth, segment)| if nth == 1 { name } else { segment }))
}

/// A name in capitals, in which nothing is left of how it was separated.
fn flat(name: &str) -> String {
    let upper = name.to_ascii_uppercase().replace('-', "_");
    upper.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

/// The prefixes of variables that Kubernetes sets in every pod beside a service, such as `COUNTERSIGN_SERVICE_HOST` and
/// `COUNTERSIGN_PORT`: nobody wrote them.
fn services<'n>(names: &[&'n str]) -> Vec<&'n str> {
    names.iter().filter_map(|name| name.strip_suffix("_SERVICE_HOST")).collect()
}

fn is_of_service(name: &str, service: &str) -> bool {
    let rest = name.strip_prefix(service);
    rest.is_some_and(|rest| rest.starts_with("_SERVICE_") || rest == "_PORT" || rest.starts_with("_PORT_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<(String, Option<String>)> {
        let keys = crate::config::load::catalogue();
        strays(names, &keys).into_iter().map(|stray| (stray.name, stray.meant)).collect()
    }

    fn meaning(name: &str) -> String {
        let [(_, meant)] = &found(&[name])[..] else { panic!("{name} is a stray") };
        meant.clone().unwrap_or_default()
    }

    #[test]
    fn one_underscore_in_place_of_two_is_told_with_the_variable_that_was_meant() {
        for (name, meant) in [
            ("COUNTERSIGN_LOG_LEVEL", "COUNTERSIGN__LOG__LEVEL"),
            ("countersign_log_level", "COUNTERSIGN__LOG__LEVEL"),
            ("COUNTERSIGN_LOG__LEVEL", "COUNTERSIGN__LOG__LEVEL"),
            ("COUNTERSING__LOG__LEVEL", "COUNTERSIGN__LOG__LEVEL"),
            ("COUNTERSIGN_KEY_MAIN_IDENTITY_FILE", "COUNTERSIGN__KEY__MAIN__IDENTITY_FILE"),
            ("COUNTERSIGN_KEY_MY_MAIN_FILE", "COUNTERSIGN__KEY__MY_MAIN__FILE"),
            ("COUNTERSIGN_ROUTE_IE_ENDPOINT", "COUNTERSIGN__ROUTE__IE__ENDPOINT"),
            ("COUNTERSIGN_ROUTE_IE_TIMEOUTS_FIRST_BYTE", "COUNTERSIGN__ROUTE__IE__TIMEOUTS__FIRST_BYTE"),
            ("COUNTERSIGN_LISTENER_LOCAL_TLS_PRIVATE_KEY", "COUNTERSIGN__LISTENER__LOCAL__TLS__PRIVATE_KEY"),
            ("COUNTERSIGN_PROCESS_DANGER_UNCONFINED", "COUNTERSIGN__PROCESS__DANGER_UNCONFINED"),
        ] {
            assert_eq!(meaning(name), meant);
        }
    }

    #[test]
    fn a_name_that_means_nothing_is_told_too() {
        assert_eq!(meaning("COUNTERSIGN_COLOUR"), "");
        let stray = StrayVariable { name: "COUNTERSIGN_COLOUR".into(), meant: None };
        assert!(stray.to_string().contains("begin with COUNTERSIGN__"));
    }

    #[test]
    fn what_is_read_and_what_is_not_ours_is_not_told() {
        for name in ["COUNTERSIGN__LOG__LEVEL", "countersign__x", "COUNTERSIGN", "COUNTERSIGNED_BY", "PATH", "A__B"] {
            assert_eq!(found(&[name]), [], "{name}");
        }
    }

    #[test]
    fn the_variable_that_names_the_file_is_read_and_its_neighbours_are_told() {
        assert_eq!(found(&["COUNTERSIGN_CONFIG"]), []);
        for name in ["countersign_config", "COUNTERSIGN_CONFIG_FILE", "COUNTERSIGN_CONF"] {
            assert_eq!(meaning(name), "COUNTERSIGN_CONFIG", "{name}");
        }
        let error = crate::config::parse("", "f", [("COUNTERSIGN__CONFIG".to_owned(), "/a".to_owned())]).unwrap_err();
        assert!(error.to_string().contains("unknown key: did you mean COUNTERSIGN_CONFIG?"), "{error}");
    }

    #[test]
    fn what_kubernetes_sets_beside_a_service_is_not_told() {
        let of_service = [
            "COUNTERSIGN_SERVICE_HOST",
            "COUNTERSIGN_SERVICE_PORT",
            "COUNTERSIGN_SERVICE_PORT_HTTP",
            "COUNTERSIGN_PORT",
            "COUNTERSIGN_PORT_8021_TCP_ADDR",
            "COUNTERSIGN_GATEWAY_SERVICE_HOST",
            "COUNTERSIGN_GATEWAY_PORT_8021_TCP",
        ];
        assert_eq!(found(&of_service), []);
        assert_eq!(found(&["COUNTERSIGN_PORT"]).len(), 1);
    }

    #[test]
    fn a_key_of_the_configuration_goes_before_one_of_a_table_that_it_does_not_have() {
        let keys = [KeyPath::of(["route", "a_limits", "body"]), KeyPath::of(["route", "name", "limits", "body"])];
        assert_eq!(meant("COUNTERSIGN_ROUTE_A_LIMITS_BODY", &keys).unwrap(), "COUNTERSIGN__ROUTE__A_LIMITS__BODY");
        assert_eq!(meant("COUNTERSIGN_ROUTE_B_LIMITS_BODY", &keys).unwrap(), "COUNTERSIGN__ROUTE__B__LIMITS__BODY");
    }

    /// Keys of lists of tables cannot be set by variables.
    #[test]
    fn every_key_of_the_reference_is_known_by_its_variable() {
        let keys: Vec<_> = crate::config::load::catalogue().iter().map(shape).collect();
        let (mut table, mut seen) = (Vec::new(), 0);
        for line in include_str!("../../../config/reference.toml").lines() {
            let line = line.trim_start_matches("# e.g. ").trim_start_matches('#');
            if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                table = header.split('.').map(str::to_owned).collect();
            } else if let Some((name, _)) = line.split_once(" = ")
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
                && !table.iter().any(|part| part.contains('['))
            {
                let path = KeyPath::of(table.iter().map(String::as_str).chain([name]));
                assert!(keys.contains(&shape(&path)), "{path}");
                seen += 1;
            }
        }
        assert!(seen > 80, "{seen}");
    }

    fn shape(key: &KeyPath) -> String {
        let named = key.segments().next().is_some_and(|table| NAMED.contains(&table));
        let parts = key.segments().enumerate();
        parts.map(|(nth, part)| if nth == 1 && named { "NAME" } else { part }).collect::<Vec<_>>().join(".")
    }
}
