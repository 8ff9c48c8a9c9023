//! `[key.NAME]`.

use super::settings::{IdentitySource, Key, KeyStore, Name};
use super::table::Table;
use super::value::{Given, choice, file, shown, text};

/// The one value of `kind` so far.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Sealed,
}

/// Reads a key.
pub(super) fn read(called: Option<Name>, mut table: Table<'_>) -> Option<Key> {
    let kind = table.get("kind", Kind::Sealed, choice(&[("sealed", Kind::Sealed)]));
    let sealed = table.required("file", "name the file that `countersign keys seal` made", file);
    let identity = identity(&mut table);
    table.finish();
    let store = match kind? {
        Kind::Sealed => KeyStore::Sealed { file: sealed?, identity: identity? },
    };
    Some(Key { name: called?, store })
}

fn identity(table: &mut Table<'_>) -> Option<IdentitySource> {
    let path = table.get("identity_file", None, |given| file(given).map(Some));
    let credential = table.get("identity_credential", None, |given| credential(given).map(Some));
    match (path?, credential?) {
        (Some(path), None) => Some(IdentitySource::File(path)),
        (None, Some(name)) => Some(IdentitySource::SystemdCredential(name)),
        (Some(_), Some(_)) => {
            table.fault(
                "identity_credential",
                "`identity_file` is given too, and there is one identity: remove one of them",
            );
            None
        }
        (None, None) => {
            table.missing(
                "identity_file",
                "name the file with the age identity that opens the key, or, under systemd, its credential with \
                 `identity_credential`",
            );
            None
        }
    }
}

/// The name of a systemd credential: a plain file name, so that it cannot lead out of the credentials directory.
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

#[cfg(test)]
mod tests {
    use super::super::sample::{LEAST, fault, faults, key};
    use super::*;

    #[test]
    fn a_key_is_a_sealed_file_and_an_identity() {
        let expected = KeyStore::Sealed {
            file: "/etc/countersign/main.age".into(),
            identity: IdentitySource::File("/run/identity".into()),
        };
        assert_eq!(key("").store, expected);
        assert_eq!(key("kind = \"sealed\"").store, expected);
    }

    #[test]
    fn another_kind_is_refused() {
        let fault = fault("key.main", "kind = \"environment\"");
        assert_eq!(fault, "f:8:8: key.main.kind: `environment` is not known here: write \"sealed\"");
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
        let read = super::super::sample::settings(&named("age-identity"));
        let KeyStore::Sealed { identity, .. } = &read.keys[0].store;
        assert_eq!(*identity, IdentitySource::SystemdCredential("age-identity".into()));
        for name in ["../shadow", "/etc/x", "", ".", "..", "a b"] {
            assert!(faults(&named(name))[0].contains("is not the name of a credential"), "{name}");
        }
    }

    #[test]
    fn a_secret_in_the_configuration_is_refused_and_not_shown() {
        let fault = fault("key.main", "secret_access_key = \"marker\"");
        assert!(fault.starts_with("f:8:1: key.main.secret_access_key: unknown key; secrets never go"), "{fault}");
        assert!(!fault.contains("marker"));
    }
}
