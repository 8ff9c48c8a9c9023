//! A process for one time that a store is asked: our own executable, started by the store's agent, which prints the key's JSON or
//! what is the matter, and ends.
//!
//! For what libraries have to be trusted with that do not wipe all they touch, or may hang: what they left in memory is gone with
//! the process, and one that takes too long is killed with all it started.

use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use super::client::{AgentError, OURSELVES};
use crate::credentials::program::{ProcessError, Program};
use crate::credentials::store::{LoadErrorKind, StoreError};
use crate::error_chain::causes;

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
    read(printed)
}

/// What the process prints, for who started it to read: what it was asked for, which may be no key at all, or what is the matter.
/// The first byte says which, so that nothing secret is ever taken for an error, and shown.
pub fn answer(obtained: Result<Zeroizing<Vec<u8>>, impl StoreError>) -> Zeroizing<Vec<u8>> {
    let tagged = |tag: u8, bytes: &[u8]| {
        // reserved once: growing would leave copies
        let mut answer = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_add(1)));
        answer.push(tag);
        answer.extend_from_slice(bytes);
        answer
    };
    match obtained {
        Ok(json) => tagged(KEY, &json),
        Err(error) => tagged(tag(error.kind()), causes(&error).as_bytes()),
    }
}

const KEY: u8 = b'K';

const fn tag(kind: LoadErrorKind) -> u8 {
    match kind {
        LoadErrorKind::Permissions => b'P',
        LoadErrorKind::Unavailable => b'U',
        LoadErrorKind::Invalid => b'I',
    }
}

fn read(mut printed: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, ErrandError> {
    let Some((&first, text)) = printed.split_first() else {
        return Err(ErrandError::System("it answered nothing".to_owned()));
    };
    if first == KEY {
        printed.remove(0);
        return Ok(printed);
    }
    let kinds = [LoadErrorKind::Permissions, LoadErrorKind::Unavailable, LoadErrorKind::Invalid];
    let Some(kind) = kinds.into_iter().find(|kind| tag(*kind) == first) else {
        return Err(ErrandError::System("what it answered is no answer".to_owned()));
    };
    Err(ErrandError::Refused(AgentError::Store { kind, text: String::from_utf8_lossy(text).into_owned() }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::secret_file::GuardError;

    #[test]
    fn a_refusal_keeps_its_text_and_what_to_do_about_it() {
        let path = || Path::new("/run/key").to_owned();
        let cases: [(fn(_) -> GuardError, _); 3] = [
            (GuardError::Missing, LoadErrorKind::Unavailable),
            (|path| GuardError::LooseDirectory { path, mode: 0o777 }, LoadErrorKind::Permissions),
            (GuardError::NotRegular, LoadErrorKind::Invalid),
        ];
        for (error, kind) in cases {
            let Err(ErrandError::Refused(read)) = read(answer(Err(error(path())))) else { panic!("a refusal") };
            assert_eq!((read.kind(), read.to_string()), (kind, error(path()).to_string()));
        }
    }

    #[test]
    fn what_was_asked_for_comes_as_it_is_even_where_it_looks_like_an_error() {
        for text in ["{}", "\n{}", "", "U", "I am no JSON"] {
            let obtained: Result<_, GuardError> = Ok(Zeroizing::new(text.as_bytes().to_vec()));
            assert!(read(answer(obtained)).is_ok_and(|json| *json == text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_not_shown() {
        for printed in ["", "{\"MARKER\":1}", " MARKER"] {
            let Err(ErrandError::System(text)) = read(Zeroizing::new(printed.as_bytes().to_vec())) else {
                panic!("our own fault")
            };
            assert!(!text.contains("MARKER"));
        }
    }
}
