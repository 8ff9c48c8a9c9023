//! `--identity` and `--identity-credential`: the place of the identity that opens sealed keys.

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::{ExitCode, Failure};
use crate::cli::live;
use crate::credentials::FileSource;

/// The two options. Whether one of them is required depends on the command.
#[derive(Debug, Args)]
pub(in crate::cli) struct IdentityOption {
    /// The identity's file
    #[arg(short, long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The identity's name in systemd's $CREDENTIALS_DIRECTORY
    #[arg(long, value_name = "NAME", conflicts_with = "identity")]
    identity_credential: Option<String>,
}

impl IdentityOption {
    /// The ids of both options, for clap's groups.
    pub(in crate::cli) const NAMES: [&'static str; 2] = ["identity", "identity_credential"];

    /// The identity's path, when one of the options was given.
    ///
    /// # Errors
    /// 78: systemd did not pass this credential to us.
    pub(in crate::cli) fn path(&self) -> Result<Option<PathBuf>, Failure> {
        let source = match (&self.identity, &self.identity_credential) {
            (Some(path), _) => FileSource::Path(path.clone()),
            (None, Some(name)) => FileSource::SystemdCredential(name.clone()),
            (None, None) => return Ok(None),
        };
        Ok(Some(source.locate_given(live::credentials_directory().as_deref())?))
    }

    /// The identity's path, for commands that need it.
    ///
    /// # Errors
    /// As for [`Self::path`]; and when neither option was given, which clap refuses before.
    pub(in crate::cli) fn required_path(&self) -> Result<PathBuf, Failure> {
        self.path()?.ok_or_else(|| {
            Failure::new(ExitCode::Data, "give the identity: --identity FILE or --identity-credential NAME")
        })
    }
}
