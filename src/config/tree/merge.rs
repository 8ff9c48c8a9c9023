//! Takes the clients and routes of a file of `conf.d/` over into the tree of the main file.

use super::key_path::KeyPath;
use super::node::{Entries, Entry, Node, Value};
use crate::config::error::{Fault, Place};

/// The tables whose named tables may stand in such a file.
const TABLES: [&str; 2] = ["client", "route"];

/// Takes over whole `[client.NAME]` and `[route.NAME]` tables of a file's root. All else is a fault, a name that is
/// known already too: no file adds a key to a table of another.
pub(super) fn take_over(root: &mut Node, part: Node, faults: &mut Vec<Fault>) {
    let (Value::Table(all), Value::Table(entries)) = (&mut root.value, part.value) else { return };
    for (table, entry) in entries {
        if TABLES.contains(&table.as_str()) {
            named_tables(all, &table, entry, faults);
            continue;
        }
        let place = entry.key.unwrap_or(entry.node.place);
        let message = "only [client.NAME] and [route.NAME] may stand in a file of conf.d: move this to the main file";
        faults.push(Fault { place, path: KeyPath::of([table]).to_string(), message: message.to_owned() });
    }
}

fn named_tables(all: &mut Entries, table: &str, entry: Entry, faults: &mut Vec<Fault>) {
    let Entry { key, node: Node { place, value } } = entry;
    let Value::Table(named) = value else {
        let message = format!("is not a table: write `[{table}.NAME]`");
        faults.push(Fault { place, path: KeyPath::of([table]).to_string(), message });
        return;
    };
    let known = all
        .entry(table.to_owned())
        .or_insert_with(|| Entry { key, node: Node { place: place.clone(), value: Value::Table(Entries::new()) } });
    // a main file in which this is no table has a fault of its own
    let Value::Table(known) = &mut known.node.value else { return };
    for (name, entry) in named {
        match known.get(&name) {
            Some(first) => faults.push(twice(&KeyPath::of([table, name.as_str()]), entry, &first.node.place)),
            None => {
                known.insert(name, entry);
            }
        }
    }
}

fn twice(path: &KeyPath, second: Entry, first: &Place) -> Fault {
    let message = format!("stands at {first} already: a table stands in one file, and each needs a name of its own");
    Fault { place: second.key.unwrap_or(second.node.place), path: path.to_string(), message }
}

#[cfg(test)]
mod tests {
    use crate::config::load::parts_faults;

    const MAIN: &str = "[listener.local]\nany_local = true\n[route.main]\nendpoint = \"https://a.example/\"\n\
                        [key.main]\nfile = \"a\"\nidentity_file = \"b\"\n";

    #[test]
    fn a_file_of_the_folder_has_clients_and_routes_and_nothing_else() {
        for table in ["listener.b", "key.b", "admin", "log", "process", "audit", "conf_d.a", "keys.b"] {
            let found = parts_faults(MAIN, &[("conf.d/a.toml", &format!("# a\n[{table}]\n"))]);
            let first = table.split('.').next().unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("conf.d/a.toml:2:2: {first}: only [client.NAME]")), "{found:?}");
        }
        let single = parts_faults(MAIN, &[("conf.d/a.toml", "client = 1\n")]);
        assert_eq!(single, ["conf.d/a.toml:1:10: client: is not a table: write `[client.NAME]`"]);
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_with_both_places() {
        let route = "[route.main.limits]\nbody = \"1 KiB\"\n";
        assert_eq!(
            parts_faults(MAIN, &[("conf.d/a.toml", route)]),
            ["conf.d/a.toml:1:8: route.main: stands at countersign.toml:3:8 already: a table stands in one file, and \
              each needs a name of its own"]
        );
        let client = "[client.a]\nuid = 1\n";
        let found = parts_faults(MAIN, &[("conf.d/a.toml", client), ("conf.d/b.toml", client)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("conf.d/b.toml:1:9: client.a: stands at conf.d/a.toml:1:9 already"), "{found:?}");
    }

    #[test]
    fn a_file_that_is_not_toml_is_reported_in_its_own_name_together_with_the_others() {
        let found = parts_faults("[log\n", &[("conf.d/a.toml", "a = \n"), ("conf.d/b.toml", "b: 1\n")]);
        for start in ["conf.d/a.toml:1:", "conf.d/b.toml:1:", "countersign.toml:1:"] {
            assert!(found.iter().any(|fault| fault.starts_with(start)), "{found:?}");
        }
    }
}
