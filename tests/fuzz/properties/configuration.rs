//! Configurations: every text is read, or refused with a place for every fault.

use countersign::config::{ConfigError, Place, parse};

/// A configuration is read, the same each time, or refused with faults that each say where and what. What stands behind
/// the first NUL are variables, `NAME=value`, separated by NULs.
pub fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (text, variables) = text.split_once('\0').unwrap_or((&text, ""));
    let variables: Vec<(String, String)> = variables
        .split('\0')
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, value)| (format!("COUNTERSIGN__{name}"), value.to_owned()))
        .collect();
    let read = parse(text, "f", variables.clone());
    assert_eq!(read, parse(text, "f", variables.clone()));
    match read {
        Ok(settings) => {
            assert!(!settings.listeners.is_empty() && !settings.routes.is_empty() && !settings.keys.is_empty());
        }
        Err(error) => check_faults(&error, text, &variables),
    }
}

fn check_faults(error: &ConfigError, text: &str, variables: &[(String, String)]) {
    let faults = error.faults();
    assert!(!faults.is_empty(), "a refusal has a reason");
    for fault in faults {
        assert!(!fault.message.is_empty(), "{fault:?}");
        match &fault.place {
            Place::Text { name, line, column } => {
                assert_eq!(name, "f");
                // the end of a text may be a line of its own, behind its last line feed
                let lines: Vec<&str> = text.split('\n').collect();
                assert!((1..=lines.len()).contains(line), "{fault:?}");
                let length = lines[line - 1].chars().count();
                assert!((1..=length + 1).contains(column), "{fault:?}, and the line has {length} characters");
            }
            Place::File { name } => assert_eq!(name, "f"),
            Place::Variable { name } => assert!(variables.iter().any(|(set, _)| set == name), "{fault:?}"),
            Place::Environment => assert!(!variables.is_empty(), "{fault:?}"),
        }
    }
    let lines = faults.len() + usize::from(faults.len() > 1);
    assert_eq!(error.to_string().split('\n').count(), lines, "one line per fault: {error}");
}
