//! Which files the process has to open again while it serves, and which of them only the capabilities of root open.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use thiserror::Error;

use super::guarded_files;
use crate::config::settings::Settings;
use crate::credentials::WatchedKey;
use crate::telemetry::audit::Target;

/// Files that are opened again, and can be opened now.
#[derive(Debug)]
pub(crate) struct KeptAccess {
    opened: BTreeSet<(PathBuf, Purpose)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    /// At a reload, or when it changes.
    Read,
    /// The audit's file, when it is opened anew.
    Write,
    /// The audit's directory, in which the file is made anew.
    MakeFiles,
}

/// A file that the permissions close to this user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{path} can be {what} only with the capabilities of root, which the process gives up before it serves: chown the \
     file, or the directory that root may not enter, to root; or start countersign as the user they belong to"
)]
pub(crate) struct LostAccess {
    path: String,
    what: &'static str,
}

impl KeptAccess {
    /// What a process that serves `settings` opens again; `file` is the configuration file.
    pub(crate) fn of(settings: &Settings, file: Option<&Path>, keys: &[WatchedKey]) -> Self {
        let read = guarded_files(settings, file, keys).map(|path| (path, Purpose::Read));
        let audit = match &settings.audit.target {
            Some(Target::File(path)) => {
                let directory = path.parent().map(|directory| (directory.to_owned(), Purpose::MakeFiles));
                directory.into_iter().chain([(path.clone(), Purpose::Write)]).collect()
            }
            Some(Target::Stdout | Target::Journald | Target::Syslog) | None => Vec::new(),
        };
        Self { opened: read.chain(audit).filter(|(path, purpose)| is_open(path, *purpose)).collect() }
    }

    /// Those that can be opened no more.
    pub(crate) fn lost(&self) -> Vec<LostAccess> {
        let lost = self.opened.iter().filter(|(path, purpose)| !is_open(path, *purpose));
        let error = |(path, purpose): &(PathBuf, Purpose)| LostAccess {
            path: path.display().to_string(),
            what: match purpose {
                Purpose::Read => "read",
                Purpose::Write | Purpose::MakeFiles => "written to",
            },
        };
        lost.map(error).collect()
    }
}

/// Whether the permissions let this process open it.
fn is_open(path: &Path, purpose: Purpose) -> bool {
    let access = match purpose {
        Purpose::Read => Access::READ_OK,
        Purpose::Write => Access::WRITE_OK,
        Purpose::MakeFiles => Access::WRITE_OK | Access::EXEC_OK,
    };
    accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}
