//! `kind = "process"`: a program that prints the key's JSON, as AWS's `credential_process` does.

use std::time::Duration;

use super::environment;
use crate::config::reading::quantity::duration;
use crate::config::reading::table::Table;
use crate::config::reading::value::shown;
use crate::config::settings::{KeyStore, ProcessStore};

/// Longer than the AWS CLI waits for single sign-on.
const TIMEOUT: Duration = Duration::from_secs(30);
const REFRESH: Duration = Duration::from_secs(3600);
pub(crate) const MOST_ARGUMENTS: usize = 256;

/// Reads what belongs to the kind.
pub(crate) fn read(table: &mut Table<'_>) -> Option<KeyStore> {
    let command = command(table);
    let environment = table.list("environment", Vec::new(), environment::variable);
    let timeout = table.get("timeout", TIMEOUT, duration);
    let refresh = table.get("refresh", REFRESH, duration);
    Some(KeyStore::Process(ProcessStore {
        command: command?,
        environment: environment?,
        timeout: timeout?,
        refresh: refresh?,
    }))
}

fn command(table: &mut Table<'_>) -> Option<Vec<String>> {
    const WRITTEN: &str = "write [\"/path/of/the/program\", \"argument\", ...]; there is no shell";
    let words = table.sequence("command", WRITTEN, |word| {
        if word.contains('\0') {
            Err("has a NUL character, which no argument can".to_owned())
        } else {
            Ok(word.to_owned())
        }
    })?;
    match words.first() {
        None => table.fault("command", format!("is empty: {WRITTEN}")),
        // the program is started without PATH, so a name could not be looked up
        Some(program) if !program.starts_with('/') => {
            table.fault("command", format!("{} is not an absolute path: {WRITTEN}", shown(program)));
        }
        Some(_) if words.len() > MOST_ARGUMENTS => {
            table.fault("command", format!("has more than {MOST_ARGUMENTS} words"));
        }
        Some(_) => return Some(words),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, settings};

    fn with(lines: &str) -> String {
        let least = LEAST.replace("file = \"/etc/countersign/main.age\"\n", "");
        least.replace("identity_file = \"/run/identity\"", &format!("kind = \"process\"\n{lines}"))
    }

    #[test]
    fn a_program_has_arguments_a_clean_environment_and_limits() {
        let store = |lines| settings(&with(lines)).keys.remove(0).store;
        let least = ProcessStore {
            command: vec!["/usr/bin/fetch".into()],
            environment: Vec::new(),
            timeout: TIMEOUT,
            refresh: REFRESH,
        };
        assert_eq!(store("command = [\"/usr/bin/fetch\"]"), KeyStore::Process(least));
        let all = "command = [\"/f\", \"-v\", \"-v\"]\nenvironment = [\"HOME\"]\ntimeout = \"5s\"\nrefresh = \"1m\"";
        let expected = ProcessStore {
            command: ["/f", "-v", "-v"].map(String::from).to_vec(),
            environment: vec!["HOME".into()],
            timeout: Duration::from_secs(5),
            refresh: Duration::from_secs(60),
        };
        assert_eq!(store(all), KeyStore::Process(expected));
    }

    #[test]
    fn a_command_is_a_list_of_words_that_begins_with_a_path() {
        for (lines, part) in [
            ("", "key.main.command: missing"),
            ("command = \"/usr/bin/fetch --now\"", "is not a list: write"),
            ("command = []", "is empty"),
            ("command = [\"fetch\"]", "is not an absolute path"),
            ("command = [\"/a\\u0000b\"]", "NUL"),
            ("command = [\"/f\"]\nenvironment = [\"TOKEN=marker\"]", "write its name alone"),
            ("command = [\"/f\"]\nenvironment = [\"LD_PRELOAD\"]", "is never passed on"),
            ("command = [\"/f\"]\nenvironment = [\"a b\"]", "is not the name of a variable"),
        ] {
            let found = faults(&with(lines));
            assert!(found.len() == 1 && found[0].contains(part), "{lines}: {found:?}");
            assert!(!found[0].contains("marker"));
        }
    }
}
