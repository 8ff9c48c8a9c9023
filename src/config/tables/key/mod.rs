//! `[key.NAME]`: which kind of store keeps the key; what belongs to a kind is read in the file of its name.

mod aws;
mod environment;
mod file;
pub(crate) mod pkcs11;
pub(crate) mod process;
mod sealed;
mod source;

use crate::config::reading::table::Table;
use crate::config::reading::value::choice;
use crate::config::settings::{Key, Name};
use crate::credentials::StoreKind;

/// Reads a key.
pub(crate) fn read(called: Option<Name>, mut table: Table<'_>) -> Option<Key> {
    // when the kind is wrong, it is not known which of the other keys are right
    let kinds = StoreKind::ALL.map(|kind| (kind.as_str(), kind));
    let store = match table.get("kind", StoreKind::Sealed, choice(&kinds))? {
        StoreKind::Sealed => sealed::read(&mut table),
        StoreKind::File => file::read(&mut table),
        StoreKind::Process => process::read(&mut table),
        StoreKind::Aws => aws::read(&mut table),
        StoreKind::Pkcs11 => pkcs11::read(&mut table),
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
