//! `kind = "sealed"`: an age file, and the identity that opens it.

use std::time::Duration;

use super::{environment, source};
use crate::config::reading::quantity::duration;
use crate::config::reading::table::Table;
use crate::config::settings::KeyStore;

/// Hardware answers within a second or two, but may wait for a touch.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads what belongs to the kind.
pub(crate) fn read(table: &mut Table<'_>) -> Option<KeyStore> {
    let directory = table.directory();
    let sealed =
        table.required("file", "name the file that `countersign keys seal` made", |given| directory.file(given));
    let identity = source::read(
        table,
        "identity_file",
        "identity_credential",
        "name the file with the age identity that opens the key",
    );
    // only the identity file says whether there is a plugin, and it is not read here
    let environment = table.list("environment", Vec::new(), environment::variable);
    let timeout = table.get("timeout", TIMEOUT, duration);
    Some(KeyStore::Sealed { file: sealed?, identity: identity?, environment: environment?, timeout: timeout? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, fault, faults, key, settings};
    use crate::credentials::FileSource;

    #[test]
    fn a_key_is_a_sealed_file_and_an_identity_unless_it_says_otherwise() {
        let expected = KeyStore::Sealed {
            file: "/etc/countersign/main.age".into(),
            identity: FileSource::Path("/run/identity".into()),
            environment: Vec::new(),
            timeout: TIMEOUT,
        };
        assert_eq!(key("").store, expected);
        assert_eq!(key("kind = \"sealed\"").store, expected);
    }

    #[test]
    fn an_age_plugin_has_a_clean_environment_and_a_time_limit() {
        let store = key("environment = [\"PATH\"]\ntimeout = \"5s\"").store;
        let KeyStore::Sealed { environment, timeout, .. } = store else { panic!("sealed") };
        assert_eq!((environment, timeout), (vec!["PATH".to_owned()], Duration::from_secs(5)));
        assert!(fault("key.main", "environment = [\"LD_PRELOAD\"]").contains("is never passed on"));
        assert!(fault("key.main", "environment = [\"AGEDEBUG\"]").contains("is never passed on"));
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
