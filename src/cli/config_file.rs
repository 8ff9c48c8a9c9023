//! How a command finds the configuration file: `--config`, then `COUNTERSIGN_CONFIG`, then the default path.

use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{ExitCode, Failure};
use crate::config::FILE_VARIABLE;

/// The file that is read when nothing names one, where it exists.
const DEFAULT: &str = "/etc/countersign/countersign.toml";

/// The option of every command that takes a configuration.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigFile {
    /// Configuration file. Without it: the one that `COUNTERSIGN_CONFIG` names; else
    /// /etc/countersign/countersign.toml, where it exists; else none, and `COUNTERSIGN__...` variables are the
    /// configuration
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The file to read, and why it is this one.
    ///
    /// # Errors
    /// 78: the variable names a relative path.
    pub(crate) fn find(&self) -> Result<Found, Failure> {
        let variable = std::env::var_os(FILE_VARIABLE);
        find(self.config.as_deref(), variable.as_deref(), Path::new(DEFAULT))
    }
}

/// The configuration file that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// None: `COUNTERSIGN__...` variables are the whole configuration.
    pub(crate) file: Option<PathBuf>,
    pub(crate) because: Because,
}

/// Why a file was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    Argument,
    Variable,
    Default,
    /// Nothing names a file, and there is none at the default path.
    NoFile,
}

impl Found {
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What a message about the configuration adds; nothing where the user has just written the name of the file.
    pub(crate) fn hint(&self) -> String {
        match self.because {
            Because::Argument => String::new(),
            Because::Variable | Because::Default | Because::NoFile => format!(" ({})", self.because),
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("named by --config"),
            Self::Variable => write!(f, "named by the variable {FILE_VARIABLE}"),
            Self::Default => write!(
                f,
                "the default file, because neither --config nor {FILE_VARIABLE} names one; with `--config /dev/null` \
                 no file is read"
            ),
            Self::NoFile => write!(
                f,
                "no file is read: neither --config nor {FILE_VARIABLE} names one, and {DEFAULT} does not exist"
            ),
        }
    }
}

fn find(argument: Option<&Path>, variable: Option<&OsStr>, default: &Path) -> Result<Found, Failure> {
    let found = |file: &Path, because| Found { file: Some(file.to_owned()), because };
    if let Some(file) = argument {
        return Ok(found(file, Because::Argument));
    }
    // an empty variable counts as not set: that is how compose files and units take one back
    if let Some(file) = variable.map(Path::new).filter(|file| !file.as_os_str().is_empty()) {
        return if file.is_absolute() { Ok(found(file, Because::Variable)) } else { Err(relative(file)) };
    }
    Ok(if is_there(default) {
        found(default, Because::Default)
    } else {
        Found { file: None, because: Because::NoFile }
    })
}

/// A file that this user may not look at is there: to pass over it would be to serve another configuration.
fn is_there(file: &Path) -> bool {
    match file.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// As for every path in a variable: nobody knows from where a process with these variables will be started.
fn relative(file: &Path) -> Failure {
    let message = format!(
        "the variable {FILE_VARIABLE} holds the relative path {:?}: write an absolute path, or name the file with \
         --config, which may be relative to the working directory",
        file.display().to_string()
    );
    Failure::new(ExitCode::Configuration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(argument: Option<&str>, variable: Option<&str>, default: &Path) -> (Option<String>, Because) {
        let found = find(argument.map(Path::new), variable.map(OsStr::new), default).unwrap();
        (found.file.map(|file| file.display().to_string()), found.because)
    }

    #[test]
    fn the_argument_goes_before_the_variable_and_the_variable_before_the_default() {
        let there = tempfile::NamedTempFile::new().unwrap();
        let (default, missing) = (there.path(), Path::new("/nonexistent/countersign.toml"));
        let file = |name: &str| Some(name.to_owned());
        assert_eq!(chosen(Some("a"), Some("/b"), default), (file("a"), Because::Argument));
        assert_eq!(chosen(None, Some("/b"), default), (file("/b"), Because::Variable));
        assert_eq!(chosen(None, None, default), (file(default.to_str().unwrap()), Because::Default));
        assert_eq!(chosen(None, Some(""), default).1, Because::Default);
        assert_eq!(chosen(None, None, missing), (None, Because::NoFile));
        assert_eq!(chosen(None, Some("/b"), missing), (file("/b"), Because::Variable));
    }

    #[test]
    fn a_relative_path_in_the_variable_is_refused_unless_the_argument_goes_before_it() {
        let refused = find(None, Some(OsStr::new("countersign.toml")), Path::new("/nonexistent")).unwrap_err();
        assert_eq!(refused.code, ExitCode::Configuration);
        assert!(refused.message.contains("COUNTERSIGN_CONFIG holds the relative path \"countersign.toml\""));
        assert_eq!(chosen(Some("a"), Some("b"), Path::new("/nonexistent")).1, Because::Argument);
    }

    #[test]
    fn a_default_that_is_a_broken_link_or_cannot_be_looked_at_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("countersign.toml");
        std::os::unix::fs::symlink("missing", &link).unwrap();
        assert_eq!(chosen(None, None, &link).1, Because::Default);
        // the name is longer than any file system takes: an error that is not "not found"
        assert_eq!(chosen(None, None, &directory.path().join("a".repeat(5000))).1, Because::Default);
        assert_eq!(chosen(None, None, &link.join("below")).1, Because::NoFile);
    }
}
