//! The key store that asks a program: AWS's `credential_process` convention, without a shell.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>: the program prints the JSON of
//! [`crate::credentials::document`] and exits with 0. It gets no input, the environment of the agent it runs in (what the configuration
//! lists), a group of its own, and a time after which the group is killed. What it prints on standard error may be anything, a
//! secret among it: of a program that failed the last line is told, words hidden that are as long as an access key's id.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::credentials::agent::{Fetch, ORDER};
use crate::credentials::document::MAX_DOCUMENT;
use crate::credentials::store::{LoadError, LoadErrorKind, StoreError};

/// With `plugin` in it, age and its plugins print the keys of files.
pub(in crate::credentials) const AGEDEBUG: &str = "AGEDEBUG";

/// How much of standard error is kept, in bytes: the last of it.
const KEPT: usize = 4096;

/// The longest line that is told, in characters.
const LONGEST_TOLD: usize = 200;

/// An AWS access key id has 20 characters, everything secret has more.
const SHORTEST_HIDDEN: usize = 20;

/// A program that prints an access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its absolute path.
    pub path: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How often it is asked again at least.
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
        /// As of one that failed: it may say what it waits for.
        told: String,
    },
    /// It printed more than an access key.
    #[error("{program} was killed: it printed more than {MAX_DOCUMENT} bytes, and no access key has as many")]
    TooMuch {
        /// Its path.
        program: String,
    },
    /// It said that it failed.
    #[error("{program} failed ({status}){told}")]
    Failed {
        /// Its path.
        program: String,
        /// Its exit status, or the signal that ended it.
        status: String,
        /// `: ` and the last line on its standard error, fit to be seen; or nothing.
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
    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("what {} prints", self.path)
    }

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
                let told = told(&printed.errors);
                return Err(ProcessError::Timeout { program: program(), limit: self.timeout, told });
            }
            Ok(End::TooMuch) => return Err(ProcessError::TooMuch { program: program() }),
            Err(source) => return Err(ProcessError::System { program: program(), source }),
        }
        let status = running.end().map_err(|source| ProcessError::System { program: program(), source })?;
        if status.success() {
            Ok(printed.output)
        } else {
            let told = told(&printed.errors);
            Err(ProcessError::Failed { program: program(), status: status.to_string(), told })
        }
    }
}

impl Fetch for Program {
    fn fetch(&mut self) -> Result<Zeroizing<Vec<u8>>, LoadError> {
        Ok(self.run()?)
    }
}

/// A program that is killed, with all it started and that stayed in its group, and waited for.
struct Running(Child);

impl Running {
    fn end(&mut self) -> io::Result<std::process::ExitStatus> {
        // before it is waited for: until then nobody else can have its number
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

/// How watching a program ended.
enum End {
    Exited,
    TimedOut,
    TooMuch,
}

/// What a program has printed. Both buffers are as long as they may ever get from the start: growing would leave copies.
struct Printed {
    output: Zeroizing<Vec<u8>>,
    errors: Zeroizing<Vec<u8>>,
}

impl Printed {
    fn new() -> Self {
        Self {
            output: Zeroizing::new(Vec::with_capacity(MAX_DOCUMENT.saturating_add(KEPT))),
            errors: Zeroizing::new(Vec::with_capacity(KEPT.saturating_mul(2))),
        }
    }

    /// Reads both streams until the program has exited. One that something else holds open is not waited for.
    fn collect(&mut self, child: &mut Child, limit: Duration) -> io::Result<End> {
        let begun = Instant::now();
        let exit = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let exit = exit.ok_or_else(|| io::Error::other("a process without a number"))?;
        let exit = pidfd_open(exit, PidfdFlags::empty())?;
        let (mut output, mut errors) = (Stream::new(child.stdout.take())?, Stream::new(child.stderr.take())?);
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(End::TimedOut);
            }
            let exited = {
                let exit = PollFd::new(&exit, PollFlags::IN);
                let mut waited: Vec<PollFd<'_>> =
                    [output.waited(), errors.waited()].into_iter().flatten().chain([exit]).collect();
                let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
                match poll(&mut waited, Some(&timeout)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                waited.last().is_some_and(|exit| exit.revents().contains(PollFlags::IN))
            };
            output.read_into(&mut self.output, MAX_DOCUMENT.saturating_add(1))?;
            errors.read_into(&mut self.errors, usize::MAX)?;
            if self.output.len() > MAX_DOCUMENT {
                return Ok(End::TooMuch);
            }
            if exited {
                return Ok(End::Exited);
            }
        }
    }
}

/// A stream of a program, until its end.
struct Stream<R>(Option<R>);

impl<R: Read + AsFd> Stream<R> {
    fn new(stream: Option<R>) -> io::Result<Self> {
        if let Some(stream) = &stream {
            fcntl_setfl(stream, fcntl_getfl(stream)? | OFlags::NONBLOCK)?;
        }
        Ok(Self(stream))
    }

    fn waited(&self) -> Option<PollFd<'_>> {
        let descriptor: BorrowedFd<'_> = self.0.as_ref()?.as_fd();
        Some(PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
    }

    /// Reads what is there. `kept` holds at most `limit` bytes, and at most what was reserved for it: older ones go.
    fn read_into(&mut self, kept: &mut Zeroizing<Vec<u8>>, limit: usize) -> io::Result<()> {
        let mut piece = Zeroizing::new([0; KEPT]);
        while let Some(stream) = self.0.as_mut().filter(|_| kept.len() < limit) {
            match stream.read(piece.as_mut_slice()) {
                Ok(0) => self.0 = None,
                Ok(count) => {
                    let excess = kept.len().saturating_add(count).saturating_sub(kept.capacity());
                    let oldest = excess.min(kept.len());
                    kept.drain(..oldest);
                    kept.extend_from_slice(piece.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// `: ` and the last line that is not empty, fit to be seen; or nothing.
fn told(errors: &[u8]) -> String {
    let line = errors.split(|byte| *byte == b'\n').rev().find(|line| !line.trim_ascii().is_empty());
    line.map_or_else(String::new, |line| format!(": {}", fit_to_be_seen(&String::from_utf8_lossy(line.trim_ascii()))))
}

/// What another program says, in one line, without what could be a secret.
pub(in crate::credentials) fn fit_to_be_seen(text: &str) -> String {
    hide(text).chars().take(LONGEST_TOLD).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Puts something else in place of every run of characters that could be an id, a secret or a token.
pub(in crate::credentials) fn hide(line: &str) -> String {
    let may_be_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let (run, after) = rest.split_at(rest.find(|c| !may_be_part(c)).unwrap_or(rest.len()));
        shown.push_str(if run.len() >= SHORTEST_HIDDEN { "[hidden]" } else { run });
        let (between, after) = after.split_at(after.find(may_be_part).unwrap_or(after.len()));
        shown.push_str(between);
        rest = after;
    }
    shown
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
