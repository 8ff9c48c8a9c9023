//! A process for one time that a store is asked: our own executable, started by the store's agent, which prints the key's JSON or
//! what is the matter, and ends.
//!
//! For what libraries have to be trusted with that do not wipe all they touch, or may hang: what they left in memory is gone with
//! the process, and one that takes too long is killed with all it started.

use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use super::client::{AgentError, OURSELVES};
use crate::credentials::process::{ProcessError, Program};
use crate::credentials::store::{LoadErrorKind, StoreError, in_one_line};

/// Why an errand brings no key.
pub(in crate::credentials) enum ErrandError {
    /// It took too long, and was killed. With `: ` and the last line on its standard error, fit to be seen; or nothing.
    Timeout(String),
    /// It printed more than an access key.
    TooMuch,
    /// It could not do its work: why.
    System(String),
    /// What it says is the matter.
    Refused(AgentError),
}

/// Has `command` of this executable do what `order` says.
pub(in crate::credentials) fn run(
    command: &str,
    order: &impl Serialize,
    timeout: Duration,
) -> Result<Zeroizing<Vec<u8>>, ErrandError> {
    let order = serde_json::to_string(order).map_err(|error| ErrandError::System(error.to_string()))?;
    let program = Program {
        path: OURSELVES.to_owned(),
        arguments: vec![command.to_owned(), order],
        timeout,
        // it is run once
        refresh: timeout,
    };
    let printed = program.run().map_err(|error| match error {
        ProcessError::Timeout { told, .. } => ErrandError::Timeout(told),
        ProcessError::TooMuch { .. } => ErrandError::TooMuch,
        ProcessError::Start { source, .. } | ProcessError::System { source, .. } => {
            ErrandError::System(source.to_string())
        }
        ProcessError::Failed { status, told, .. } => ErrandError::System(format!("{status}{told}")),
    })?;
    match printed.first() {
        Some(b'{') => Ok(printed),
        Some(_) | None => Err(ErrandError::Refused(refusal(&printed))),
    }
}

/// What the process prints when there is no key, for who started it to read.
#[must_use]
pub fn refuse(error: &impl StoreError) -> Vec<u8> {
    let kind = match error.kind() {
        LoadErrorKind::Permissions => b'P',
        LoadErrorKind::Unavailable => b'U',
        LoadErrorKind::Invalid => b'I',
    };
    [&[kind], in_one_line(error).as_bytes()].concat()
}

fn refusal(printed: &[u8]) -> AgentError {
    let (kind, text) = printed.split_first().unwrap_or((&b'U', b"nothing was answered"));
    let kind = match kind {
        b'P' => LoadErrorKind::Permissions,
        b'I' => LoadErrorKind::Invalid,
        _ => LoadErrorKind::Unavailable,
    };
    AgentError::Store { kind, text: String::from_utf8_lossy(text).into_owned() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::secret_file::GuardError;

    #[test]
    fn a_refusal_keeps_its_text_and_what_to_do_about_it() {
        let path = || Path::new("/run/key").to_owned();
        let cases = [
            (GuardError::Missing(path()), LoadErrorKind::Unavailable),
            (GuardError::LooseDirectory { path: path(), mode: 0o777 }, LoadErrorKind::Permissions),
            (GuardError::NotRegular(path()), LoadErrorKind::Invalid),
        ];
        for (error, kind) in cases {
            let read = refusal(&refuse(&error));
            assert_eq!((read.kind(), read.to_string()), (kind, error.to_string()));
        }
        assert_eq!(refusal(b"").kind(), LoadErrorKind::Unavailable);
    }
}
