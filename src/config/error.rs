//! What is wrong with a configuration: every fault, where it stands, and what to write instead.

use std::fmt::{self, Write as _};

use crate::error_chain::causes;
use crate::guarded_file::GuardError;

/// A configuration that cannot be used. It prints one line per fault, and their number when there are several.
///
/// Messages may show values, but never the value of an unknown key: it may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    faults: Vec<Fault>,
    remedy: Remedy,
}

/// What has to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// The text, or the environment.
    Values,
    /// The permissions or the owner of the file, or of a directory on the way to it.
    Permissions,
}

impl ConfigError {
    pub(crate) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort();
        faults.dedup();
        Self { faults, remedy: Remedy::Values }
    }

    /// The file was not read, because others can write or replace it.
    pub(crate) fn guarded(name: String, error: &GuardError) -> Self {
        Self::denied(name, causes(error))
    }

    /// This process may not read the file.
    pub(crate) fn denied(name: String, message: String) -> Self {
        let fault = Fault { place: Place::File { name }, path: String::new(), message };
        Self { faults: vec![fault], remedy: Remedy::Permissions }
    }

    /// Whether somebody has to change an owner or permissions.
    #[must_use]
    pub fn is_permissions(&self) -> bool {
        self.remedy == Remedy::Permissions
    }

    /// The faults: those of the file in order of line, then those of the environment in order of name. At least one.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.faults.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        if self.faults.len() > 1 {
            write!(f, "\n{} faults in the configuration", self.faults.len())?;
        }
        Ok(())
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// The key it concerns, as `route.importexport.timeouts.connect`; empty when it concerns no key in particular.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Where a fault stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole: it cannot be read, or lacks a table.
    File {
        /// The file's name as the caller gave it.
        name: String,
    },
    /// A character of the file.
    Text {
        /// The file's name as the caller gave it.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
    },
    /// The environment as a whole: no variable sets what is needed.
    Environment,
    /// One environment variable.
    Variable {
        /// Its name as it was set.
        name: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name } | Self::Variable { name } => write_name(f, name),
            Self::Text { name, line, column } => {
                write_name(f, name)?;
                write!(f, ":{line}:{column}")
            }
            Self::Environment => f.write_str("environment"),
        }
    }
}

/// Files and variables may be called anything: a line break in a name must not break the line of a message.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    for character in name.chars() {
        if character.is_control() {
            write!(f, "{}", character.escape_default())?;
        } else {
            f.write_char(character)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: usize) -> Fault {
        let place = Place::Text { name: "countersign.toml".into(), line, column: 8 };
        Fault { place, path: "log.level".into(), message: "wrong".into() }
    }

    #[test]
    fn one_fault_is_one_line() {
        assert_eq!(ConfigError::new(vec![fault(12)]).to_string(), "countersign.toml:12:8: log.level: wrong");
    }

    #[test]
    fn a_line_break_in_the_name_of_a_file_or_variable_does_not_break_the_line() {
        let variable = Place::Variable { name: "COUNTERSIGN__A\nB".into() };
        assert_eq!(variable.to_string(), "COUNTERSIGN__A\\nB");
        assert_eq!(Place::File { name: "it's é\r\u{1b}[2J".into() }.to_string(), "it's é\\r\\u{1b}[2J");
        assert_eq!(Place::Text { name: "\n".into(), line: 1, column: 2 }.to_string(), "\\n:1:2");
    }

    #[test]
    fn several_faults_come_in_order_of_line_and_are_counted() {
        let variable =
            Fault { place: Place::Variable { name: "A".into() }, path: String::new(), message: "bad".into() };
        let text = ConfigError::new(vec![variable, fault(3), fault(2)]).to_string();
        assert_eq!(
            text,
            "countersign.toml:2:8: log.level: wrong\ncountersign.toml:3:8: log.level: wrong\nA: bad\n\
             3 faults in the configuration"
        );
    }
}
