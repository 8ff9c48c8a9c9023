//! `kind = "pkcs11"`: a key in a token (HSM, TPM), which signs with the key and does not reveal it.

use std::time::Duration;

use super::environment;
use super::source;
use crate::config::grammar::token_uri::{self, TokenUri};
use crate::config::reading::quantity::{count, duration, size};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, flag, shown, text};
use crate::config::settings::{KeyStore, Pkcs11Store};
use crate::credentials::{AccessKeyId, FileSource, ReadableSecret};

const SESSIONS: usize = 2;
const QUEUE: usize = 256;
const DEADLINE: Duration = Duration::from_secs(2);
const MAX_MESSAGE: usize = 64 * 1024;

/// A request goes to the agent as one packet, which must fit into a socket's buffer of the default size.
pub(crate) const LONGEST_MESSAGE: usize = 128 * 1024;
pub(crate) const MOST_SESSIONS: usize = 8;
pub(crate) const LONGEST_QUEUE: usize = 4096;

/// Reads what belongs to the kind.
pub(crate) fn read(table: &mut Table<'_>) -> Option<KeyStore> {
    let access_key_id = table.required("access_key_id", "a token knows only the secret of the key", access_key_id);
    let directory = table.directory();
    let module = table.required("module", "name the token's PKCS#11 library (a .so)", |given| directory.file(given));
    let uri = table.required("uri", "say which token and which key: \"pkcs11:token=LABEL;object=LABEL\"", uri);
    let pin = pin(table, uri.as_ref());
    let environment = table.list("environment", Vec::new(), environment::variable);
    let sessions = table.get("sessions", SESSIONS, count(1..=MOST_SESSIONS));
    let queue = table.get("queue", QUEUE, count(1..=LONGEST_QUEUE));
    let deadline = table.get("deadline", DEADLINE, duration);
    let max_message = table.get("max_message", MAX_MESSAGE, size(256..=LONGEST_MESSAGE));
    let readable = table.get("danger_readable_secret", ReadableSecret::Refuse, |given| {
        Ok(if flag(given)? { ReadableSecret::DangerAllow } else { ReadableSecret::Refuse })
    });
    Some(KeyStore::Pkcs11(Box::new(Pkcs11Store {
        access_key_id: access_key_id?,
        module: module?,
        address: uri?.address,
        pin: pin?,
        environment: environment?,
        sessions: sessions?,
        queue: queue?,
        deadline: deadline?,
        max_message: max_message?,
        readable: readable?,
    })))
}

fn uri(given: &Given<'_>) -> Result<TokenUri, String> {
    token_uri::parse(text(given)?)
}

/// The file with the PIN: a line of its own, or in the URI.
fn pin(table: &mut Table<'_>, uri: Option<&TokenUri>) -> Option<FileSource> {
    match uri.and_then(|uri| uri.pin_source.as_ref()) {
        None => source::read(table, "pin_file", "pin_credential", "name the file with the user's PIN"),
        Some(path) => {
            for key in ["pin_file", "pin_credential"] {
                if table.get(key, None, |given| text(given).map(|_| Some(()))) == Some(Some(())) {
                    table.fault(key, "the URI has a pin-source too, and there is one PIN: remove one of them");
                }
            }
            Some(FileSource::Path(path.clone()))
        }
    }
}

fn access_key_id(given: &Given<'_>) -> Result<AccessKeyId, String> {
    let id = text(given)?;
    AccessKeyId::parse(id).ok_or_else(|| {
        let longest = AccessKeyId::MAX_LENGTH;
        format!("{} is not 1 to {longest} bytes of text without control characters", shown(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, settings};

    const NEEDED: &str = "access_key_id = \"AKIAIOSFODNN7EXAMPLE\"\nmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\n\
                          uri = \"pkcs11:token=countersign;object=main\"\n";

    fn with(lines: &str) -> String {
        let least = LEAST.replace("file = \"/etc/countersign/main.age\"\n", "");
        least.replace("identity_file = \"/run/identity\"", &format!("kind = \"pkcs11\"\n{lines}"))
    }

    fn store(lines: &str) -> Pkcs11Store {
        let KeyStore::Pkcs11(store) = settings(&with(lines)).keys.remove(0).store else { panic!("a token") };
        *store
    }

    #[test]
    fn a_key_in_a_token_has_a_library_a_uri_a_pin_and_an_id() {
        let least = store(&format!("{NEEDED}pin_file = \"/etc/pin\""));
        assert_eq!(least.pin, FileSource::Path("/etc/pin".into()));
        assert_eq!((least.sessions, least.queue, least.max_message), (2, 256, 65536));
        assert_eq!((least.deadline, least.readable), (DEADLINE, ReadableSecret::Refuse));
        let all = store(&format!(
            "{NEEDED}pin_credential = \"pin\"\nenvironment = [\"SOFTHSM2_CONF\"]\nsessions = 1\nqueue = 8\n\
             deadline = \"500ms\"\nmax_message = \"1 KiB\"\ndanger_readable_secret = true"
        ));
        assert_eq!((all.sessions, all.queue, all.max_message), (1, 8, 1024));
        assert_eq!(all.pin, FileSource::SystemdCredential("pin".into()));
        assert_eq!((all.environment, all.readable), (vec!["SOFTHSM2_CONF".into()], ReadableSecret::DangerAllow));
    }

    #[test]
    fn the_pin_may_stand_in_the_uri_as_a_file() {
        let lines = NEEDED.replace("object=main", "object=main?pin-source=file:/etc/pin");
        assert_eq!(store(&lines).pin, FileSource::Path("/etc/pin".into()));
        let found = faults(&with(&format!("{lines}pin_file = \"/etc/other\"")));
        assert!(found.len() == 1 && found[0].contains("remove one of them"), "{found:?}");
    }

    #[test]
    fn whatever_is_missing_or_wrong_is_named() {
        let complete = format!("{NEEDED}pin_file = \"/etc/pin\"");
        for (lines, part) in [
            (NEEDED.to_owned(), "key.main.pin_file: missing"),
            (complete.replace("access_key_id", "#"), "key.main.access_key_id: missing"),
            (complete.replace("module", "#"), "key.main.module: missing"),
            (complete.replace("uri", "#"), "key.main.uri: missing"),
            (complete.replace(";object=main", ""), "which key"),
            (format!("{complete}\nsessions = 9"), "`9` is not between 1 and 8"),
            (format!("{complete}\nmax_message = \"1 MiB\""), "is not between 256 B and"),
            (format!("{complete}\nfile = \"/a\""), "key.main.file: unknown key"),
            (format!("{complete}\npin = \"marker\""), "key.main.pin: unknown key"),
        ] {
            let found = faults(&with(&lines));
            assert!(found.len() == 1 && found[0].contains(part), "{lines}: {found:?}");
            assert!(!found[0].contains("marker"));
        }
    }
}
