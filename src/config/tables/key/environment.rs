//! `environment`: the variables that the process of a key store gets, of those countersign was started with.

use crate::config::reading::value::shown;

/// The name of a variable that is passed on.
pub(crate) fn variable(name: &str) -> Result<String, String> {
    let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if name.contains('=') {
        return Err("names the variable and its value: write its name alone, and set it where countersign is started"
            .to_owned());
    }
    if name.is_empty() || !named {
        return Err(format!("{} is not the name of a variable", shown(name)));
    }
    // they change what every started program does, and countersign itself
    if name.starts_with("LD_") || name.starts_with("COUNTERSIGN_") {
        return Err(format!("{} is never passed on: set it in a script that starts the program", shown(name)));
    }
    if name == "AGEDEBUG" {
        return Err(format!("{} is never passed on: with it age and its plugins show the keys of files", shown(name)));
    }
    Ok(name.to_owned())
}
