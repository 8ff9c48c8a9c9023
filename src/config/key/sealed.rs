//! `kind = "sealed"`: an age file, and the identity that opens it.

use super::source;
use crate::config::settings::KeyStore;
use crate::config::table::Table;
use crate::config::value::file;

/// Reads what belongs to the kind.
pub(super) fn read(table: &mut Table<'_>) -> Option<KeyStore> {
    let sealed = table.required("file", "name the file that `countersign keys seal` made", file);
    let identity = source::read(
        table,
        "identity_file",
        "identity_credential",
        "name the file with the age identity that opens the key",
    );
    Some(KeyStore::Sealed { file: sealed?, identity: identity? })
}

#[cfg(test)]
mod tests {
    use crate::config::sample::{LEAST, fault, faults, key, settings};
    use crate::config::settings::{FileSource, KeyStore};

    #[test]
    fn a_key_is_a_sealed_file_and_an_identity_unless_it_says_otherwise() {
        let expected = KeyStore::Sealed {
            file: "/etc/countersign/main.age".into(),
            identity: FileSource::Path("/run/identity".into()),
        };
        assert_eq!(key("").store, expected);
        assert_eq!(key("kind = \"sealed\"").store, expected);
    }

    #[test]
    fn the_file_is_required() {
        let found = faults(&LEAST.replace("file = \"/etc/countersign/main.age\"", ""));
        assert!(found[0].starts_with("f:7:6: key.main.file: missing"), "{found:?}");
    }

    #[test]
    fn there_is_exactly_one_identity() {
        assert!(fault("key.main", "identity_credential = \"identity\"").contains("remove one of them"));
        let found = faults(&LEAST.replace("identity_file = \"/run/identity\"", ""));
        assert!(found[0].starts_with("f:7:6: key.main.identity_file: missing"), "{found:?}");
    }

    #[test]
    fn a_credential_is_a_plain_name() {
        let named = |name: &str| {
            LEAST.replace("identity_file = \"/run/identity\"", &format!("identity_credential = \"{name}\""))
        };
        let read = settings(&named("age-identity"));
        let KeyStore::Sealed { identity, .. } = &read.keys[0].store else { panic!("sealed") };
        assert_eq!(*identity, FileSource::SystemdCredential("age-identity".into()));
        for name in ["../shadow", "/etc/x", "", ".", "..", "a b"] {
            assert!(faults(&named(name))[0].contains("is not the name of a credential"), "{name}");
        }
    }
}
