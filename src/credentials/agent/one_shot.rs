//! A process for a single load: our own executable, started by the store's agent, which prints the key's JSON or an
//! error, and ends.
//!
//! It is for libraries that do not wipe all memory that held secrets, or may hang: the memory is gone with the process,
//! and a process that takes too long is killed together with all that it started.

use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use super::client::{AgentError, OURSELVES};
use crate::credentials::program::{ProcessError, Program};
use crate::credentials::store::{LoadErrorKind, StoreError};
use crate::error_chain::causes;

/// Why a one-shot process returns no key.
pub(in crate::credentials) enum OneShotError {
    /// It took too long, and was killed. Holds `: ` and the redacted last line of its standard error, or nothing.
    Timeout(String),
    /// It printed more than any access key has.
    TooMuch,
    /// The process itself failed; holds the reason.
    System(String),
    /// The store's error, as the process reports it.
    Refused(AgentError),
}

/// Runs `command` of this executable with `order` as its argument, and returns what was asked for.
pub(in crate::credentials) fn run(
    command: &str,
    order: &impl Serialize,
    timeout: Duration,
) -> Result<Zeroizing<Vec<u8>>, OneShotError> {
    let order = serde_json::to_string(order).map_err(|error| OneShotError::System(error.to_string()))?;
    let program = Program {
        path: OURSELVES.to_owned(),
        arguments: vec![command.to_owned(), order],
        timeout,
        // never used: it runs once
        refresh: timeout,
    };
    let printed = program.run().map_err(|error| match error {
        ProcessError::Timeout { told, .. } => OneShotError::Timeout(told),
        ProcessError::TooMuch { .. } => OneShotError::TooMuch,
        ProcessError::Start { source, .. } | ProcessError::System { source, .. } => {
            OneShotError::System(source.to_string())
        }
        ProcessError::Failed { status, told, .. } => OneShotError::System(format!("{status}{told}")),
    })?;
    read(printed)
}

/// What the process prints for its parent: the result or an error. The first byte says which, so that a secret is never
/// taken for an error and shown.
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

fn read(mut printed: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, OneShotError> {
    let Some((&first, text)) = printed.split_first() else {
        return Err(OneShotError::System("it answered nothing".to_owned()));
    };
    if first == KEY {
        printed.remove(0);
        return Ok(printed);
    }
    let kinds = [LoadErrorKind::Permissions, LoadErrorKind::Unavailable, LoadErrorKind::Invalid];
    let Some(kind) = kinds.into_iter().find(|kind| tag(*kind) == first) else {
        return Err(OneShotError::System("its answer is malformed".to_owned()));
    };
    Err(OneShotError::Refused(AgentError::Store { kind, text: String::from_utf8_lossy(text).into_owned() }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::guarded_file::GuardError;

    #[test]
    fn a_refusal_keeps_its_text_and_what_to_do_about_it() {
        let path = || Path::new("/run/key").to_owned();
        let cases: [(fn(_) -> GuardError, _); 3] = [
            (GuardError::Missing, LoadErrorKind::Unavailable),
            (|path| GuardError::LooseDirectory { path, mode: 0o777 }, LoadErrorKind::Permissions),
            (GuardError::NotRegular, LoadErrorKind::Invalid),
        ];
        for (error, kind) in cases {
            let Err(OneShotError::Refused(read)) = read(answer(Err(error(path())))) else { panic!("a refusal") };
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
            let Err(OneShotError::System(text)) = read(Zeroizing::new(printed.as_bytes().to_vec())) else {
                panic!("our own fault")
            };
            assert!(!text.contains("MARKER"));
        }
    }
}
