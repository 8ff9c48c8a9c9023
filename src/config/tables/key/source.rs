//! A file that holds a secret: by its path, or by the name of a systemd credential.

use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, shown, text};
use crate::credentials::FileSource;

/// Reads the path or the credential, of which exactly one must be given; `why` completes the message when neither is.
pub(crate) fn read(
    table: &mut Table<'_>,
    path_key: &'static str,
    credential_key: &'static str,
    why: &str,
) -> Option<FileSource> {
    let directory = table.directory();
    let path = table.get(path_key, None, |given| directory.file(given).map(Some));
    let credential = table.get(credential_key, None, |given| self::credential(given).map(Some));
    match (path?, credential?) {
        (Some(path), None) => Some(FileSource::Path(path)),
        (None, Some(credential)) => Some(credential),
        (Some(_), Some(_)) => {
            table
                .fault(credential_key, format!("`{path_key}` is given too, and there is one file: remove one of them"));
            None
        }
        (None, None) => {
            table.missing(path_key, &format!("{why}, or, under systemd, its credential with `{credential_key}`"));
            None
        }
    }
}

fn credential(given: &Given<'_>) -> Result<FileSource, String> {
    let name = text(given)?;
    FileSource::systemd_credential(name).ok_or_else(|| {
        format!(
            "{} is not the name of a credential: write the part before the `:` in LoadCredential=, without `/`",
            shown(name)
        )
    })
}
