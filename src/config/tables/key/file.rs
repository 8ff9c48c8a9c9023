//! `kind = "file"`: the key's JSON as it stands, in a file that something else keeps safe.

use super::source;
use crate::config::reading::table::Table;
use crate::config::settings::KeyStore;

/// Reads what belongs to the kind.
pub(crate) fn read(table: &mut Table<'_>) -> Option<KeyStore> {
    let why = "name the file with the JSON that a credential_process would print";
    Some(KeyStore::File(source::read(table, "file", "credential", why)?))
}

#[cfg(test)]
mod tests {
    use crate::config::sample::{LEAST, faults, settings};
    use crate::config::settings::KeyStore;
    use crate::credentials::FileSource;

    fn with(lines: &str) -> String {
        let least = LEAST.replace("file = \"/etc/countersign/main.age\"\n", "");
        least.replace("identity_file = \"/run/identity\"", &format!("kind = \"file\"\n{lines}"))
    }

    #[test]
    fn a_plain_key_is_a_path_or_a_credential() {
        let store = |lines| settings(&with(lines)).keys.remove(0).store;
        let path = FileSource::Path("/run/secrets/key.json".into());
        assert_eq!(store("file = \"/run/secrets/key.json\""), KeyStore::File(path));
        let credential = FileSource::SystemdCredential("key".into());
        assert_eq!(store("credential = \"key\""), KeyStore::File(credential));
    }

    #[test]
    fn one_of_the_two_and_nothing_of_other_kinds() {
        for (lines, part) in [
            ("", "key.main.file: missing"),
            ("file = \"/a\"\ncredential = \"a\"", "remove one of them"),
            ("file = \"/a\"\nidentity_file = \"/b\"", "key.main.identity_file: unknown key"),
        ] {
            let found = faults(&with(lines));
            assert!(found.len() == 1 && found[0].contains(part), "{lines}: {found:?}");
        }
    }
}
