//! The program under test, run to its end: its exit code and what it printed.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::running::spawn_when_free;

/// The program under test: cargo's own build, or the one that is to be released.
pub static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::var_os("RELEASED_COUNTERSIGN").unwrap_or(env!("CARGO_BIN_EXE_countersign").into()).into()
});

/// The program without the variables of whoever runs the tests.
pub fn program() -> Command {
    let mut command = Command::new(&*PROGRAM);
    let ours =
        std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("COUNTERSIGN"));
    for name in ours {
        command.env_remove(name);
    }
    command.env_remove("CREDENTIALS_DIRECTORY").env_remove("NOTIFY_SOCKET");
    // a resolver that does not answer is given up at once
    command.env("RES_OPTIONS", "timeout:1 attempts:1");
    command
}

/// Has `command` started by another program, with the same environment.
pub fn started_by<'c>(command: &'c mut Command, starter: &str, arguments: &[&str]) -> &'c mut Command {
    let mut started = Command::new(starter);
    started.args(arguments).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => started.env(name, value),
            None => started.env_remove(name),
        };
    }
    *command = started;
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end, with this input.
    #[track_caller]
    pub fn of(command: &mut Command, input: impl AsRef<[u8]>) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        Self::try_of(command, input.as_ref()).unwrap_or_else(|error| {
            panic!("{name} cannot be run: {error}; tests/run installs the Debian packages that the tests need")
        })
    }

    fn try_of(command: &mut Command, input: &[u8]) -> io::Result<Self> {
        let mut child = spawn_when_free(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        // a program that refuses its arguments ends before it reads
        let _unread = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output()?;
        let outcome = Self {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for text in [&outcome.stdout, &outcome.stderr] {
            assert!(!text.contains("panicked"), "{text}");
        }
        Ok(outcome)
    }

    /// Asserts success without a message, and returns what was printed.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }

    /// Asserts this exit code, this message, and nothing on standard output.
    #[track_caller]
    pub fn failed(self, code: i32, message: &str) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(self.stderr.contains(message), "{}", self.stderr);
        assert_eq!(self.stdout, "");
    }

    /// Asserts that none of these texts was printed.
    #[track_caller]
    pub fn shows_none_of(&self, hidden: &[&str]) {
        for text in [&self.stdout, &self.stderr] {
            for hidden in hidden {
                assert!(!text.contains(hidden), "{hidden} was printed: {text}");
            }
        }
    }
}
