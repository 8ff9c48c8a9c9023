//! How the process ends: exit codes (BSD's sysexits.h, which systemd prints by name) and messages.

use std::error::Error;

use serde::Serialize;

use crate::error_chain::causes;

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// 1: the command worked and its result is negative (`verify`, `health`, `demo --once`, a drain that cut exchanges
    /// off).
    Negative,
    /// 65, EX_DATAERR: what the command was given to work on (a form, a capture, a record, a key to be sealed) cannot
    /// be used.
    Data,
    /// 69, EX_UNAVAILABLE: a key store cannot give its key.
    KeyStoreUnavailable,
    /// 69 as well: an endpoint cannot be reached, or refuses the probe (`check --online`); no countersign answers
    /// (`top`).
    EndpointUnavailable,
    /// 70, EX_SOFTWARE: a bug in countersign.
    Bug,
    /// 71, EX_OSERR: the system refused a resource (a port in use, a file that cannot be written).
    System,
    /// 77, EX_NOPERM: permissions, ours or those of a file that others can read.
    Permissions,
    /// 78, EX_CONFIG: the configuration, or a key, identity or certificate that cannot be used as it is.
    Configuration,
}

impl ExitCode {
    /// The number for the system.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Negative => 1,
            Self::Data => 65,
            Self::KeyStoreUnavailable | Self::EndpointUnavailable => 69,
            Self::Bug => 70,
            Self::System => 71,
            Self::Permissions => 77,
            Self::Configuration => 78,
        }
    }
}

/// A command that did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: ExitCode,
    /// What is printed on standard error, after `countersign: `. Says what is wrong, where, and what to do.
    pub message: String,
    /// The same, fault by fault; empty when the message is about one fault.
    faults: Vec<FaultLine>,
}

/// One fault of several, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultLine {
    /// The file, line and column, or the variable; none when the fault is not in the configuration itself.
    pub place: Option<String>,
    /// The key or table of the configuration that it concerns, as `route.main.endpoint`.
    pub path: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl Failure {
    /// A failure with a message of its own.
    #[must_use]
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), faults: Vec::new() }
    }

    /// A failure whose message is `error` with its causes.
    #[must_use]
    pub fn because(code: ExitCode, error: &dyn Error) -> Self {
        Self { code, message: causes(error), faults: Vec::new() }
    }

    /// The same failure, which `notes` may explain.
    #[must_use]
    pub fn beside(mut self, notes: &[impl std::fmt::Display]) -> Self {
        notes.iter().for_each(|note| self.message.push_str(&format!("\nnote: {note}")));
        self
    }

    /// The same failure, of which these are the faults.
    #[must_use]
    pub fn with(self, faults: Vec<FaultLine>) -> Self {
        Self { faults, ..self }
    }

    /// The faults, one at least.
    #[must_use]
    pub fn lines(&self) -> Vec<FaultLine> {
        if self.faults.is_empty() {
            return vec![FaultLine { place: None, path: None, message: self.message.clone() }];
        }
        self.faults.clone()
    }
}
