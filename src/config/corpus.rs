//! The configurations that the tests of this room read, in a file: what `check` says of each, and whether a schema can
//! say the same. The schema, taplo and tombi are held to it by `tests/outside/configuration`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::config::ConfigError;
use crate::config::settings::Settings;

/// One JSON object a line, in the order of the texts.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/configurations.jsonl");

/// What a schema cannot say, by what the message of the fault says, and the class of such faults. The reason of each
/// class is in `docs/reference/json.md`.
const UNSAYABLE: &[(&str, &str)] = &[
    ("listener: missing", "another-file"),
    ("route: missing", "another-file"),
    ("key: missing: say which key signs", "another-file"),
    ("names no key: ", "several-tables"),
    ("names no route: did you mean", "several-tables"),
    ("names no route: known are", "several-tables"),
    ("names no route: there is none", "several-tables"),
    ("missing: there are several keys", "several-tables"),
    ("missing: every key is issued", "several-tables"),
    ("is the address of `", "several-tables"),
    ("overlap: each needs", "several-tables"),
    ("identifies client `", "several-tables"),
    ("cannot be told apart on listener", "several-tables"),
    ("is issued to client `", "several-tables"),
    ("is an endpoint of this route already", "several-tables"),
    ("no request can choose this route", "several-tables"),
    ("nobody could call: no client can be identified", "several-tables"),
    ("serves this route to whoever can connect", "several-tables"),
    ("B that `process.bodies` lets all forms", "several-tables"),
    ("is beyond loopback", "loopback"),
    ("is not this machine", "loopback"),
    ("needs a loopback address: who owns", "loopback"),
    ("has bits beyond its first", "networks"),
    ("is chosen by `actions`", "names-in-dialects"),
    ("belongs to the signature", "names-in-dialects"),
    ("could be taken for", "names-in-dialects"),
    ("may take for the same parameter", "names-in-dialects"),
    ("without a look at the signature", "names-in-dialects"),
    ("that no parameter of this dialect may have", "names-in-dialects"),
    ("has a path of", "names-in-dialects"),
    ("a probe may only read", "names-in-dialects"),
    ("is an empty range", "ranges"),
    ("does not say which key", "token-uri"),
    ("does not say which token", "token-uri"),
];

/// The corpus as it was read or, with `COUNTERSIGN_WRITE_PAGES` set, as it is written.
static CORPUS: Mutex<Option<BTreeMap<String, Value>>> = Mutex::new(None);

/// Finds a configuration in the corpus, with what was read from it.
///
/// # Panics
/// It is not there, or what is said there is not what was found.
pub(crate) fn met(text: &str, read: &Result<Settings, ConfigError>) {
    let verdict = match read {
        Ok(_) => json!({"check": "accepts", "schema": "accepts"}),
        Err(error) => {
            let classes: Vec<_> = error.faults().iter().map(|fault| class(&fault.to_string())).collect();
            match classes.iter().all(Option::is_some).then(|| classes.first().copied().flatten()).flatten() {
                Some(class) => json!({"check": "refuses", "schema": "accepts", "because": class}),
                None => json!({"check": "refuses", "schema": "refuses"}),
            }
        }
    };
    let mut corpus = CORPUS.lock().unwrap_or_else(PoisonError::into_inner);
    let rows = corpus.get_or_insert_with(rows);
    if std::env::var_os("COUNTERSIGN_WRITE_PAGES").is_some() {
        if rows.insert(text.to_owned(), verdict.clone()) != Some(verdict) {
            write(rows);
        }
        return;
    }
    let listed = rows.get(text).cloned();
    drop(corpus);
    assert!(
        listed == Some(verdict),
        "{FILE} is stale: run COUNTERSIGN_WRITE_PAGES=1 cargo test --all-features --lib config::\n{text}"
    );
}

fn class(fault: &str) -> Option<&'static str> {
    UNSAYABLE.iter().find(|(says, _)| fault.contains(says)).map(|(_, class)| *class)
}

fn rows() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(FILE).unwrap_or_default();
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        let text = row.as_object_mut().unwrap().remove("text").unwrap();
        (text.as_str().unwrap().to_owned(), row)
    };
    text.lines().map(row).collect()
}

fn write(rows: &BTreeMap<String, Value>) {
    let line = |(text, row): (&String, &Value)| {
        let mut row = row.clone();
        row.as_object_mut().unwrap().insert("text".to_owned(), json!(text));
        format!("{row}\n")
    };
    std::fs::write(FILE, rows.iter().map(line).collect::<String>()).unwrap();
}
