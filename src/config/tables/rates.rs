//! `[rates]`.

use std::path::PathBuf;
use std::time::Duration;

use super::endpoint_tls;
use crate::config::grammar::address;
use crate::config::reading::path::Bounds;
use crate::config::reading::quantity::{count, duration};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, flag, shown, text};
use crate::config::settings::{Endpoint, Rates, Transport};
use crate::rates::{SharingSettings, WhenUnavailable};
use crate::signing::authority::Authority;
use crate::trust::{ClientTlsSettings, IdentityFiles, Roots};
use crate::upstream::NextHop;

/// The port of Valkey and Redis.
const PORT: u16 = 6379;
const LEASE: Duration = Duration::from_millis(100);
/// A shorter lease is a question to the store for nearly every call; a longer one keeps tokens from other replicas.
const LEASES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(2)];
/// Servers have 16 unless they are configured otherwise.
pub(crate) const LAST_DATABASE: usize = 9999;
pub(crate) const LONGEST_WORD: usize = 255;

/// What is said of the connection to a store.
struct StoreUrl {
    next_hop: NextHop,
    is_tls: bool,
}

/// What is said of TLS towards a store.
struct StoreTls {
    ca_file: Option<PathBuf>,
    server_name: Option<String>,
    identity: Option<IdentityFiles>,
}

/// The keys that mean something only with TLS.
pub(crate) const OF_TLS: [&str; 4] = ["ca_file", "server_name", "client_certificate", "client_key"];

/// Reads `[rates]`: `None` when a fault was reported, `Some(None)` when the table is absent.
pub(crate) fn read_if_there(root: &mut Table<'_>) -> Option<Option<Rates>> {
    let there = root.has("rates");
    let table = root.section("rates");
    if there { read(table).map(Some) } else { Some(None) }
}

fn read(mut table: Table<'_>) -> Option<Rates> {
    const WHY: &str = "say where the replicas' store is, e.g. \"valkeys://valkey.example:6379\", or remove the table";
    let directory = table.directory();
    let store = table.required("store", WHY, |given| store(given, directory.bounds));
    let when_unavailable = table.get("when_unavailable", WhenUnavailable::Local, choice(&WhenUnavailable::WORDS));
    let namespace = table.get("namespace", "countersign".to_owned(), |given| word(given, "a namespace"));
    let ca_file = table.get("ca_file", None, |given| directory.file(given).map(Some));
    let server_name = table.get("server_name", None, |given| server_name(given).map(Some));
    let identity = endpoint_tls::identity(&mut table);
    let user = table.get("user", None, |given| word(given, "a user").map(Some));
    let password_file = table.get("password_file", None, |given| directory.file(given).map(Some));
    let database = table.get("database", 0, |given| count(0..=LAST_DATABASE)(given));
    let danger = table.get("danger_plaintext", false, flag);
    let lease = table.get("lease", LEASE, lease);
    let hints = table.get("hints", false, flag);
    let fits = table.has("password_file") || !table.has("user");
    if !fits {
        table.fault("user", "has no password: add `password_file`, or remove this line");
    }
    let tls = || Some(StoreTls { ca_file: ca_file?, server_name: server_name?, identity: identity? });
    let endpoint = store.zip(tls()).and_then(|(store, tls)| endpoint(&table, store, tls, danger?));
    table.finish();
    let (namespace, when_unavailable) = (namespace?, when_unavailable?);
    let sharing = SharingSettings { namespace, ahead: lease?, when_unavailable, hints: hints? };
    fits.then_some(Rates {
        endpoint: endpoint?,
        user: user?,
        password_file: password_file?,
        database: u16::try_from(database?).ok()?,
        sharing,
    })
}

fn endpoint(table: &Table<'_>, store: StoreUrl, tls: StoreTls, danger: bool) -> Option<Endpoint> {
    if !cfg!(feature = "valkey") {
        table.fault("store", "needs a build with the feature `valkey`, which this is not");
        return None;
    }
    let StoreUrl { next_hop, is_tls } = store;
    if !is_tls {
        if let Some(key) = OF_TLS.into_iter().find(|key| table.has(key)) {
            table.fault(key, "is for a store with TLS: write valkeys:// or rediss://, or remove this line");
            return None;
        }
        if !next_hop.is_on_this_machine() && !danger {
            table.fault(
                "store",
                format!(
                    "`{next_hop}` is not this machine, and without TLS everyone on the way could read the password \
                     and change the rates: write valkeys:// or rediss://, or set `danger_plaintext = true` in [rates]"
                ),
            );
            return None;
        }
    }
    let StoreTls { ca_file, server_name, identity } = tls;
    let (host, port) = match &next_hop {
        NextHop::Tcp { host, port } => (server_name.unwrap_or_else(|| host.clone()), *port),
        NextHop::Unix(_) => ("localhost".to_owned(), PORT),
    };
    let trust = ca_file.map_or(Roots::Platform, Roots::File);
    let client = ClientTlsSettings { identity, ..ClientTlsSettings::PLAIN };
    let transport = if is_tls { Transport::Tls { trust, client } } else { Transport::Plaintext };
    Some(Endpoint { transport, host, port, path: String::new(), next_hop })
}

/// `valkey://host:port`, `valkeys://`, `redis://`, `rediss://` or `unix:/path`. Messages show no more than the host,
/// because the rest may be a password.
fn store(given: &Given<'_>, bounds: Bounds<'_>) -> Result<StoreUrl, String> {
    let text = text(given)?;
    if let Some(path) = address::unix_path(text)? {
        return bounds.check(path).map(|path| StoreUrl { next_hop: NextHop::Unix(path), is_tls: false });
    }
    let wrong = |why: &str| format!("{why}: write \"valkeys://valkey.example:6379\", \"valkey://\" or \"unix:/path\"");
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("is not the URL of a store"))?;
    let is_tls = match scheme.to_ascii_lowercase().as_str() {
        "valkeys" | "rediss" => true,
        "valkey" | "redis" => false,
        _ => return Err(wrong("begins with a scheme other than valkeys, valkey, rediss or redis")),
    };
    if rest.contains('@') {
        return Err("has a user or a password in it: write `user = \"...\"`, and the password into a file that is \
                    named by `password_file`"
            .to_owned());
    }
    let (authority, path) =
        rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or((rest, ""));
    if !matches!(path, "" | "/") {
        return Err("has something behind its host: write the number of the database as `database = 1`".to_owned());
    }
    let lower = authority.to_ascii_lowercase();
    let Authority { host, port } = Authority::parse(&lower).map_err(|error| wrong(&error.to_string()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(StoreUrl { next_hop: NextHop::Tcp { host, port: port.unwrap_or(PORT) }, is_tls })
}

/// A DNS name or an address.
fn server_name(given: &Given<'_>) -> Result<String, String> {
    let text = text(given)?.to_ascii_lowercase();
    let wrong = || format!("{} is not a name that a certificate can be for", shown(&text));
    match Authority::parse(&text) {
        Ok(Authority { host, port: None }) => Ok(host.to_owned()),
        Ok(_) | Err(_) => Err(wrong()),
    }
}

fn word(given: &Given<'_>, what: &str) -> Result<String, String> {
    let text = text(given)?;
    let is_word = (1..=LONGEST_WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_word.then(|| text.to_owned()).ok_or_else(|| {
        format!("{} is not {what}: write 1 to {LONGEST_WORD} visible characters without spaces", shown(text))
    })
}

fn lease(given: &Given<'_>) -> Result<Duration, String> {
    let [shortest, longest] = LEASES;
    let lease = duration(given)?;
    let fits = (shortest..=longest).contains(&lease);
    fits.then_some(lease).ok_or_else(|| format!("{} is not between 20ms and 2s", given.shown()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, parse_with, settings};

    fn read_rates(lines: &str) -> Rates {
        settings(&format!("{LEAST}[rates]\n{lines}")).rates.unwrap()
    }

    fn fault(lines: &str) -> String {
        let found = faults(&format!("{LEAST}[rates]\n{lines}"));
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        found[0].clone()
    }

    #[test]
    fn nothing_is_shared_unless_the_table_is_there() {
        assert_eq!(settings(LEAST).rates, None);
        assert!(fault("").contains("rates.store: missing: say where the replicas' store is"));
    }

    #[test]
    fn a_store_has_the_documented_defaults() {
        let read = read_rates("store = \"valkey://127.0.0.1\"");
        let sharing = SharingSettings {
            namespace: "countersign".to_owned(),
            ahead: Duration::from_millis(100),
            when_unavailable: WhenUnavailable::Local,
            hints: false,
        };
        assert_eq!((read.url().as_str(), &read.sharing), ("valkey://127.0.0.1:6379", &sharing));
        assert_eq!((read.user, read.password_file, read.database), (None, None, 0));
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let read = read_rates(
            "store = \"rediss://10.0.0.1:6380/\"\nwhen_unavailable = \"refuse\"\nnamespace = \"team-a\"\n\
             ca_file = \"/ca.pem\"\nserver_name = \"Valkey.example\"\nuser = \"gateway\"\n\
             client_certificate = \"/c.pem\"\nclient_key = \"/c.key\"\n\
             password_file = \"/password\"\ndatabase = 3\nlease = \"50ms\"\nhints = true",
        );
        let Transport::Tls { trust, client } = &read.endpoint.transport else { panic!() };
        let identity = IdentityFiles { certificate: "/c.pem".into(), key: "/c.key".into() };
        assert_eq!(client, &ClientTlsSettings { identity: Some(identity), ..ClientTlsSettings::PLAIN });
        assert_eq!((trust, read.endpoint.host.as_str()), (&Roots::File("/ca.pem".into()), "valkey.example"));
        assert_eq!((read.url().as_str(), read.user.as_deref()), ("valkeys://10.0.0.1:6380", Some("gateway")));
        assert_eq!((read.password_file, read.database), (Some("/password".into()), 3));
        let SharingSettings { namespace, ahead, when_unavailable, hints } = read.sharing;
        assert_eq!((namespace.as_str(), ahead.as_millis(), hints), ("team-a", 50, true));
        assert_eq!(when_unavailable, WhenUnavailable::Refuse);
        let variable = [("COUNTERSIGN__RATES__STORE", "unix:/run/valkey/valkey.sock")];
        let by_variable = parse_with(LEAST, &variable).unwrap().rates.unwrap();
        assert_eq!(by_variable.url(), "unix:/run/valkey/valkey.sock");
    }

    #[test]
    fn plaintext_beyond_this_machine_needs_the_danger_line() {
        let told = fault("store = \"valkey://valkey.example\"");
        assert!(told.contains("rates.store: `valkey.example:6379` is not this machine"), "{told}");
        assert!(told.contains("danger_plaintext = true"), "{told}");
        let read = read_rates("store = \"redis://valkey.example\"\ndanger_plaintext = true");
        assert!(!read.endpoint.is_authentic());
        for store in ["valkey://[::1]:7000", "redis://localhost", "unix:/run/v.sock"] {
            assert!(read_rates(&format!("store = \"{store}\"")).endpoint.is_authentic(), "{store}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_shown() {
        for url in ["valkeys://:marker@h", "valkeys://user:marker@h:1/", "valkey://h/0?x=marker@"] {
            let told = fault(&format!("store = \"{url}\""));
            assert!(told.contains("`password_file`") && !told.contains("marker"), "{told}");
        }
    }

    #[test]
    fn bad_values_and_lines_without_effect_are_refused() {
        const STORE: &str = "store = \"valkey://127.0.0.1\"\n";
        for (lines, why) in [
            ("lease = \"10ms\"", "is not between 20ms and 2s"),
            ("lease = \"3s\"", "is not between 20ms and 2s"),
            ("database = 10000", "is not between 0 and 9999"),
            ("namespace = \"\"", "is not a namespace"),
            ("user = \"a b\"\npassword_file = \"/p\"", "is not a user"),
            ("user = \"a\"", "has no password"),
            ("ca_file = \"/ca.pem\"", "is for a store with TLS"),
            ("server_name = \"a.example\"", "is for a store with TLS"),
            ("client_certificate = \"/c.pem\"\nclient_key = \"/c.key\"", "is for a store with TLS"),
            ("client_certificate = \"/c.pem\"", "client_key: missing"),
            ("client_key = \"/c.key\"", "means nothing without `client_certificate`"),
            ("when_unavailable = \"allow\"", "rates.when_unavailable"),
            ("password = \"x\"", "unknown key"),
        ] {
            let told = fault(&format!("{STORE}{lines}"));
            assert!(told.contains(why), "{lines}: {told}");
        }
        for (store, why) in [
            ("127.0.0.1:6379", "is not the URL of a store"),
            ("http://127.0.0.1", "begins with a scheme other than"),
            ("valkey://127.0.0.1/1", "`database = 1`"),
            ("valkey://127.0.0.1?db=1", "`database = 1`"),
            ("valkey://", "no valid host name"),
            ("unix:v.sock", "is not a Unix socket"),
        ] {
            let told = fault(&format!("store = \"{store}\""));
            assert!(told.contains(why), "{store}: {told}");
        }
    }
}
