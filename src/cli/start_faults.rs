//! Everything that keeps `run` from starting, in the order of the configuration. `check` says the same.

use super::exit::{ExitCode, Failure, FaultLine};
use super::live;
use crate::app::serve::rehearsal::rehearse;
use crate::app::serve::remedy::Remedy;
use crate::app::{BuildError, Graph, StartError};
use crate::config::settings::{Places, Settings};
use crate::credentials::{LoadErrorKind, WatchedKey};
use crate::error_chain::causes;

/// Loads keys and certificates. When one of them cannot be used, the addresses and the audit are tried too, so that
/// all faults are told at once.
///
/// # Errors
/// Everything that is wrong, with the exit code of the most severe fault: 77 permissions, 78 what only an operator can
/// mend (the configuration, a key that is not valid), 69 a key that may come by itself.
pub(super) fn startable_graph(settings: Settings) -> Result<(Graph, Vec<WatchedKey>), Failure> {
    let kept = settings.clone();
    Graph::build(settings, live::credentials_directory().as_deref())
        .map_err(|errors| failure(&kept.places, &errors, rehearse(&kept).err().as_ref()))
}

/// These errors as one failure.
pub(super) fn failure(places: &Places, build: &[BuildError], start: Option<&StartError>) -> Failure {
    let any = |kind| build.iter().any(|error| error.kind() == kind);
    let remedy = start.map(StartError::remedy);
    let code = if any(LoadErrorKind::Permissions) || remedy == Some(Remedy::Permit) {
        ExitCode::Permissions
    } else if any(LoadErrorKind::Invalid) || remedy == Some(Remedy::Configure) {
        ExitCode::Configuration // a restart mends nothing
    } else if build.is_empty() {
        ExitCode::System
    } else {
        ExitCode::KeyStoreUnavailable
    };
    let of_start = start.into_iter().flat_map(StartError::each);
    let of_start = of_start.map(|error| FaultLine { place: None, path: error.path(), message: causes(error) });
    let mut lines: Vec<_> = build.iter().map(|error| line(causes(error))).chain(of_start).collect();
    // a stable sort: what stands at the same place stays in the order in which it was found
    lines.sort_by_key(|line| line.path.as_deref().and_then(|path| places.of(path)).cloned());
    for line in &mut lines {
        line.place = line.path.as_deref().and_then(|path| places.of(path)).map(ToString::to_string);
    }
    let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
    Failure::new(code, messages.join("\n")).with(lines)
}

/// Messages begin with the table or key that they are about.
fn line(message: String) -> FaultLine {
    const TABLES: [&str; 3] = ["listener.", "route.", "key."];
    let path = message
        .split(':')
        .next()
        .filter(|path| TABLES.iter().any(|table| path.starts_with(table)) && !path.contains(char::is_whitespace));
    FaultLine { place: None, path: path.map(str::to_owned), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_begins_with_its_table_is_about_it() {
        let path = |message: &str| line(message.to_owned()).path;
        assert_eq!(path("key.main: cannot read /k").as_deref(), Some("key.main"));
        assert_eq!(path("the audit: cannot be written"), None);
        assert_eq!(path("route.a is wrong: because"), None);
    }
}
