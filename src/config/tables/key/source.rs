//! A file that holds a secret: by its path, or by the name of a systemd credential.

use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, file, shown, text};
use crate::credentials::FileSource;

/// Reads the path or the credential, of which exactly one must be given; `why` completes the message when neither is.
pub(crate) fn read(
    table: &mut Table<'_>,
    path_key: &'static str,
    credential_key: &'static str,
    why: &str,
) -> Option<FileSource> {
    let path = table.get(path_key, None, |given| file(given).map(Some));
    let name = table.get(credential_key, None, |given| credential(given).map(Some));
    match (path?, name?) {
        (Some(path), None) => Some(FileSource::Path(path)),
        (None, Some(name)) => Some(FileSource::SystemdCredential(name)),
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

/// The name of a systemd credential: the name of one file, so that it cannot lead out of the credentials directory.
fn credential(given: &Given<'_>) -> Result<String, String> {
    let name = text(given)?;
    let plain = name.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if plain && !matches!(name, "" | "." | "..") && name.len() <= 255 {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "{} is not the name of a credential: write the part before the `:` in LoadCredential=, without `/`",
            shown(name)
        ))
    }
}
