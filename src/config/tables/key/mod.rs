//! `[key.NAME]`: which kind of store keeps the key; what belongs to a kind is read in the file of its name.

mod aws;
mod environment;
mod file;
mod pkcs11;
mod process;
mod sealed;
mod source;

use crate::config::reading::table::Table;
use crate::config::reading::value::choice;
use crate::config::settings::{Key, Name};

/// The values of `kind`.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Sealed,
    File,
    Process,
    Pkcs11,
    Aws,
}

const KINDS: &[(&str, Kind)] = &[
    ("sealed", Kind::Sealed),
    ("file", Kind::File),
    ("process", Kind::Process),
    ("aws", Kind::Aws),
    ("pkcs11", Kind::Pkcs11),
];

/// Reads a key.
pub(crate) fn read(called: Option<Name>, mut table: Table<'_>) -> Option<Key> {
    // when the kind is wrong, it is not known which of the other keys are right
    let store = match table.get("kind", Kind::Sealed, choice(KINDS))? {
        Kind::Sealed => sealed::read(&mut table),
        Kind::File => file::read(&mut table),
        Kind::Process => process::read(&mut table),
        Kind::Aws => aws::read(&mut table),
        Kind::Pkcs11 => pkcs11::read(&mut table),
    };
    table.finish();
    Some(Key { name: called?, store: store? })
}

#[cfg(test)]
mod tests {
    use crate::config::sample::fault;

    #[test]
    fn another_kind_is_refused() {
        let fault = fault("key.main", "kind = \"environment\"");
        assert!(
            fault.starts_with("f:8:8: key.main.kind: `environment` is not known here: write \"sealed\""),
            "{fault}"
        );
    }

    #[test]
    fn a_secret_in_the_configuration_is_refused_and_not_shown() {
        let fault = fault("key.main", "secret_access_key = \"marker\"");
        assert!(fault.starts_with("f:8:1: key.main.secret_access_key: unknown key; secrets never go"), "{fault}");
        assert!(!fault.contains("marker"));
    }
}
