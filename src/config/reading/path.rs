//! The paths of files: a relative one begins in the directory of the configuration file that it stands in.
//!
//! It does not begin in the working directory, because a service manager, a shell and a pipeline start the same program
//! in different ones.

use std::path::{Component, Path, PathBuf};

use crate::config::reading::value::{Given, shown, text};
use crate::config::settings::Name;

/// Where relative paths begin, and where paths may lead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directory<'t> {
    /// The directory of the file; `None` without a file.
    pub(crate) beside: Option<&'t Path>,
    pub(crate) bounds: Bounds<'t>,
}

/// Where the files lie that a table may name: one of `conf.d/` could otherwise name the secrets of another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bounds<'t> {
    Anywhere,
    /// In these directories, as `[conf_d.PART]` says.
    Of {
        part: &'t Name,
        directories: &'t [PathBuf],
    },
}

impl Bounds<'_> {
    /// The path of a file or socket, if the table may name it.
    pub(crate) fn check(self, path: PathBuf) -> Result<PathBuf, String> {
        let Self::Of { part, directories } = self else { return Ok(path) };
        let climbs = path.components().any(|component| component == Component::ParentDir);
        if !climbs && directories.iter().any(|directory| path.starts_with(directory)) {
            return Ok(path);
        }
        let (shown_path, directory) = (shown(&path.display().to_string()), path.parent().unwrap_or(&path).display());
        let why = if climbs { "has `..` in it" } else { "lies in none of the directories that this file may use" };
        Err(format!(
            "{shown_path} {why}: the main file says which with `files` of [conf_d.{part}], e.g. files = \
             [\"{directory}\"]"
        ))
    }
}

impl Directory<'_> {
    /// The path of a file.
    pub(crate) fn file(self, given: &Given<'_>) -> Result<PathBuf, String> {
        let path = text(given)?;
        if path.to_ascii_uppercase().contains("AGE-SECRET-KEY-") {
            return Err("this is an age identity, not the path of a file that holds one; secrets never go into the \
                        configuration: write it to a file that only countersign can read, and name the file here"
                .to_owned());
        }
        if path.is_empty() || path.contains('\0') {
            return Err("is not the path of a file".to_owned());
        }
        if Path::new(path).is_absolute() {
            return self.bounds.check(PathBuf::from(path));
        }
        match (given, self.beside) {
            (Given::Text(_), Some(directory)) => self.bounds.check(directory.join(path)),
            (
                Given::Variable(_)
                | Given::Text(_)
                | Given::Flag(_)
                | Given::Integer(_)
                | Given::Fraction(_)
                | Given::List(_)
                | Given::Table(_),
                _,
            ) => Err(format!(
                "{} is a relative path, which only the configuration file may have: write an absolute path",
                shown(path)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Directory<'static> {
        Directory { beside: Some(Path::new("/etc/countersign")), bounds: Bounds::Anywhere }
    }

    #[test]
    fn a_file_has_a_path() {
        assert_eq!(here().file(&Given::Text("/k")), Ok(PathBuf::from("/k")));
        assert!(here().file(&Given::Text("")).is_err());
        assert!(here().file(&Given::Text("a\0b")).is_err());
        assert!(here().file(&Given::Integer(1)).is_err());
    }

    #[test]
    fn a_relative_path_begins_in_the_directory_of_the_configuration_file() {
        assert_eq!(here().file(&Given::Text("k")), Ok(PathBuf::from("/etc/countersign/k")));
        assert_eq!(here().file(&Given::Text("../k")), Ok(PathBuf::from("/etc/countersign/../k")));
    }

    #[test]
    fn a_relative_path_in_a_variable_is_refused() {
        assert_eq!(here().file(&Given::Variable("/k")), Ok(PathBuf::from("/k")));
        for directory in [here(), Directory { beside: None, bounds: Bounds::Anywhere }] {
            let message = directory.file(&Given::Variable("k.pem")).unwrap_err();
            assert!(message.starts_with("`k.pem` is a relative path") && message.contains("absolute"), "{message}");
        }
    }

    #[test]
    fn an_identity_in_place_of_its_path_is_refused_and_not_shown() {
        let message = here().file(&Given::Variable("AGE-SECRET-KEY-1MARKER")).unwrap_err();
        assert!(message.contains("not the path") && !message.contains("MARKER"));
    }
}
