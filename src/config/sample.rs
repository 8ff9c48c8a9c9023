//! Configurations for the tests of this module.

use super::{ConfigError, corpus, parse};
use crate::config::settings::{Client, Key, Listener, Route, Settings};

/// The least a configuration can say. Lines 1 to 9.
pub(crate) const LEAST: &str = r#"[listener.local]
any_local = true

[route.ie]
endpoint = "https://importexport.amazonaws.com/"

[key.main]
file = "/etc/countersign/main.age"
identity_file = "/run/identity"
"#;

pub(crate) fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let read = parse(text, "f", variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    if variables.is_empty() {
        corpus::met(text, &read);
    }
    read
}

/// What a text says, or all that is wrong with it.
pub(crate) fn read(text: &str) -> Result<Settings, ConfigError> {
    parse_with(text, &[])
}

pub(crate) fn settings(text: &str) -> Settings {
    parse_with(text, &[]).unwrap_or_else(|error| panic!("{error}\nin\n{text}"))
}

/// The faults of a text, one string each.
pub(crate) fn faults(text: &str) -> Vec<String> {
    faults_with(text, &[])
}

pub(crate) fn faults_with(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    parse_with(text, variables).unwrap_err().faults().iter().map(ToString::to_string).collect()
}

/// `LEAST` with lines put into one of its three tables.
pub(crate) fn with(table: &str, lines: &str) -> String {
    LEAST.replace(&format!("[{table}]\n"), &format!("[{table}]\n{lines}\n"))
}

/// The one fault that lines in a table of `LEAST` cause.
pub(crate) fn fault(table: &str, lines: &str) -> String {
    let faults = faults(&with(table, lines));
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

pub(crate) fn listener(lines: &str) -> Listener {
    settings(&with("listener.local", lines)).listeners.remove(0)
}

pub(crate) fn route(lines: &str) -> Route {
    settings(&with("route.ie", lines)).routes.remove(0)
}

pub(crate) fn key(lines: &str) -> Key {
    settings(&with("key.main", lines)).keys.remove(0)
}

/// `LEAST` with a client of these lines.
pub(crate) fn with_client(lines: &str) -> String {
    format!("{LEAST}[client.a]\n{lines}\n")
}

pub(crate) fn client(lines: &str) -> Client {
    settings(&with_client(lines)).clients.remove(0)
}

/// The one fault of a client with these lines.
pub(crate) fn client_fault(lines: &str) -> String {
    let faults = faults(&with_client(lines));
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}
