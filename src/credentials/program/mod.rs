//! Runs another program with limits: a time, a number of bytes, and nothing left running afterwards.
//!
//! The program gets no input, the environment of the process that starts it, and a process group of its own, which is
//! killed when its time is over. Its standard error may contain secrets: if it fails, only the last line is reported,
//! and words as long as an access key id are hidden ([`redaction`]).

mod output;
pub(in crate::credentials) mod redaction;

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use self::output::{End, Printed};
use self::redaction::last_line;
use super::agent::order::ORDER;
use super::document::MAX_DOCUMENT;
use super::store::{LoadErrorKind, StoreError};

/// A variable that makes age and its plugins print the keys of files, if it contains `plugin`.
pub(in crate::credentials) const AGEDEBUG: &str = "AGEDEBUG";

/// A program that prints an access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its absolute path.
    pub path: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How often it is run again at least.
    pub refresh: Duration,
}

/// Why a program gives no key.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// It cannot be started.
    #[error("{program} cannot be started")]
    Start {
        /// Its path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long.
    #[error("{program} was killed: it had not ended after {limit:?} (timeout){told}")]
    Timeout {
        /// Its path.
        program: String,
        /// The limit.
        limit: Duration,
        /// `: ` and the redacted last line on its standard error, which may say what it waits for, or nothing.
        told: String,
    },
    /// It printed more than any access key has.
    #[error("{program} was killed: it printed more than {MAX_DOCUMENT} bytes, and no access key has as many")]
    TooMuch {
        /// Its path.
        program: String,
    },
    /// It exited with an error.
    #[error("{program} failed ({status}){told}")]
    Failed {
        /// Its path.
        program: String,
        /// Its exit status, or the signal that ended it.
        status: String,
        /// `: ` and the redacted last line on its standard error, or nothing.
        told: String,
    },
    /// Watching it failed.
    #[error("{program} cannot be watched")]
    System {
        /// Its path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError for ProcessError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                LoadErrorKind::Permissions
            }
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => LoadErrorKind::Invalid,
            Self::TooMuch { .. } => LoadErrorKind::Invalid,
            Self::Start { .. } | Self::Timeout { .. } | Self::Failed { .. } | Self::System { .. } => {
                LoadErrorKind::Unavailable
            }
        }
    }
}

impl Program {
    /// Runs it to its end, and gives what it printed.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub(in crate::credentials) fn run(&self) -> Result<Zeroizing<Vec<u8>>, ProcessError> {
        let program = || self.path.clone();
        let started = Command::new(&self.path)
            .args(&self.arguments)
            .env_remove(ORDER)
            .env_remove(AGEDEBUG)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut running = Running(started.map_err(|source| ProcessError::Start { program: program(), source })?);
        let mut printed = Printed::new();
        match printed.collect(&mut running.0, self.timeout) {
            Ok(End::Exited) => {}
            Ok(End::TimedOut) => {
                let told = last_line(&printed.errors);
                return Err(ProcessError::Timeout { program: program(), limit: self.timeout, told });
            }
            Ok(End::TooMuch) => return Err(ProcessError::TooMuch { program: program() }),
            Err(source) => return Err(ProcessError::System { program: program(), source }),
        }
        let status = running.end().map_err(|source| ProcessError::System { program: program(), source })?;
        if status.success() {
            Ok(printed.output)
        } else {
            let told = last_line(&printed.errors);
            Err(ProcessError::Failed { program: program(), status: status.to_string(), told })
        }
    }
}

/// A running program. Dropping it kills its process group and waits for it.
struct Running(Child);

impl Running {
    fn end(&mut self) -> io::Result<std::process::ExitStatus> {
        // before waiting for it: until then its number cannot be reused
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _none_left = kill_process_group(group, Signal::KILL);
        }
        self.0.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program {
            path: "/bin/sh".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            timeout: Duration::from_secs(60),
            refresh: Duration::from_secs(3600),
        }
    }

    fn error(script: &str) -> ProcessError {
        shell(script).run().err().unwrap()
    }

    #[test]
    fn what_a_program_prints_is_taken_whole() {
        let printed = shell("printf '{\"Version\":'; printf noise >&2; printf 1}").run().unwrap();
        assert_eq!(*printed, br#"{"Version":1}"#);
        let longest = shell(&format!("head -c {MAX_DOCUMENT} /dev/zero")).run().unwrap();
        assert_eq!(longest.len(), MAX_DOCUMENT);
    }

    #[test]
    fn a_program_gets_no_input_and_not_the_order() {
        let read = shell("cat; printf end").run().unwrap();
        assert_eq!(*read, b"end");
    }

    #[test]
    fn a_program_that_fails_is_told_with_its_status_and_its_last_line() {
        let message = error("echo first >&2; echo 'the session has ended' >&2; echo >&2; exit 3").to_string();
        assert_eq!(message, "/bin/sh failed (exit status: 3): the session has ended");
        assert_eq!(error("kill -9 $$").to_string(), "/bin/sh failed (signal: 9 (SIGKILL))");
    }

    #[test]
    fn what_looks_like_a_secret_on_standard_error_is_hidden() {
        let message =
            error("echo 'refused wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY of AKIAIOSFODNN7EXAMPLE: 403' >&2; exit 1")
                .to_string();
        assert!(message.ends_with(": refused [hidden] of [hidden]: 403"), "{message}");
        let message =
            error("head -c 100000 /dev/zero | tr '\\0' 'x' >&2; printf ' \\033[1mend' >&2; exit 1").to_string();
        assert!(message.ends_with(": [hidden] \u{fffd}[1mend"), "{message}");
    }

    #[test]
    fn a_program_that_prints_too_much_is_killed() {
        let error = error("cat /dev/zero");
        assert!(matches!(error, ProcessError::TooMuch { .. }));
        assert_eq!(error.kind(), LoadErrorKind::Invalid);
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_all_it_started() {
        let mut program = shell("sleep 3600 & echo $! >&2; wait");
        program.timeout = Duration::from_millis(200);
        let error = program.run().err().unwrap();
        assert!(matches!(error, ProcessError::Timeout { .. }), "{error}");
        assert_eq!(error.kind(), LoadErrorKind::Unavailable);
    }

    #[test]
    fn what_outlives_the_program_in_its_group_is_not_waited_for() {
        let printed = shell("sleep 3600 & printf done").run().unwrap();
        assert_eq!(*printed, b"done");
    }

    #[test]
    fn a_program_that_is_not_there_or_may_not_be_run_is_said_to_be() {
        let mut program = shell("");
        program.path = "/nonexistent/fetch".to_owned();
        assert_eq!(program.run().err().unwrap().kind(), LoadErrorKind::Invalid);
        program.path = "/etc/passwd".to_owned();
        assert_eq!(program.run().err().unwrap().kind(), LoadErrorKind::Permissions);
    }
}
