//! Reads file and environment into [`Settings`], or says everything that is wrong with them.

use std::path::Path;

use crate::config::error::{ConfigError, Fault, Place};
use crate::config::files::{Text, directory_of};
use crate::config::proxy_variables::{ProxyVariables, is_proxy_variable};
use crate::config::reading::report::Report;
use crate::config::reading::stray::{self, StrayVariable, looks_like_ours};
use crate::config::reading::table::Table;
use crate::config::settings::{Client, Name, Places, Settings};
use crate::config::tables::route::AllKeys;
use crate::config::tables::{self, client, conf_d, key, listener, process, route};
use crate::config::tree::key_path::KeyPath;
use crate::config::tree::variables::{is_ours, pick};
use crate::config::tree::{FileText, Tree};
use crate::config::{cross_checks, dialect_checks, scope};
use crate::guarded_file::WritableFiles;

/// Loads the file, when there is one, with those of `conf.d/` beside it, and lays `COUNTERSIGN__...` variables over it
/// (`COUNTERSIGN__LOG__LEVEL` sets `log.level`; lists are separated by commas). Of other variables only those that name
/// a proxy are read, for routes with `egress = "environment"`. The environment alone is enough.
///
/// # Errors
/// [`ConfigError`], with every fault found. When the file cannot be read or is not TOML, only that is reported.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let environment: Vec<_> = environment.into_iter().collect();
    Text::read(file, writable_configuration(&environment))?.settings(environment)
}

impl Text {
    /// As [`load`].
    ///
    /// # Errors
    /// [`ConfigError`], with every fault found.
    pub fn settings(&self, environment: impl IntoIterator<Item = (String, String)>) -> Result<Settings, ConfigError> {
        settings(&self.texts(), environment)
    }

    /// The variables of `environment` that look like ours and set nothing, in order of name.
    #[must_use]
    pub fn strays(&self, environment: &[(String, String)]) -> Vec<StrayVariable> {
        let names: Vec<_> = environment.iter().map(|(name, _)| name.as_str()).collect();
        if !names.iter().any(|name| looks_like_ours(name)) {
            return Vec::new();
        }
        let keys = [asked(&self.texts(), environment.iter().cloned()), catalogue()].concat();
        stray::strays(&names, &keys)
    }
}

/// Like [`load`], of a text that goes by the name `file_name` in messages.
///
/// # Errors
/// [`ConfigError`], with every fault found.
pub fn parse(
    text: &str,
    file_name: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let directory = directory_of(Path::new(file_name));
    settings(&[FileText { text, name: file_name, directory, part: None }], environment)
}

/// The variables of this process that [`load`] looks at, and those that look like them.
///
/// `std::env::vars` would panic on any variable that is not Unicode. Here such bytes become U+FFFD, which no key
/// accepts and which is in the name of no file.
#[must_use]
pub fn process_environment() -> Vec<(String, String)> {
    let lossy = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    lossy.filter(|(name, _)| is_ours(name) || looks_like_ours(name) || is_proxy_variable(name)).collect()
}

/// Whether a configuration file that others can write is read: only where the environment says so. A
/// `danger_writable_files` in the file itself does not count: anyone who can write the file could have added it.
#[must_use]
pub fn writable_configuration(environment: &[(String, String)]) -> WritableFiles {
    const VARIABLE: &str = "COUNTERSIGN__PROCESS__DANGER_WRITABLE_FILES";
    let accepted = environment.iter().any(|(name, value)| name.eq_ignore_ascii_case(VARIABLE) && value == "true");
    if accepted { WritableFiles::DangerAccepted } else { WritableFiles::Refused }
}

fn settings(
    files: &[FileText<'_>],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let mut faults = Vec::new();
    let environment: Vec<_> = environment.into_iter().collect();
    let proxies = ProxyVariables::of(&environment);
    let variables = pick(environment, &mut faults);
    let tree = Tree::build(files, variables, &mut faults).map_err(ConfigError::new)?;
    let report = Report::new(&tree, faults);
    let settings = read(&report, &proxies);
    let (mut faults, asked) = report.into_parts();
    say_what_was_meant(&mut faults, asked);
    match settings {
        Some(settings) if faults.is_empty() => Ok(settings),
        Some(_) | None => Err(ConfigError::new(faults)),
    }
}

/// Names the variable that was meant where one with a single `_` between two parts made a key that there is not.
fn say_what_was_meant(faults: &mut [Fault], asked: Vec<KeyPath>) {
    let is_slip = |fault: &Fault| {
        matches!(fault.place, Place::Variable { .. })
            && (fault.message.starts_with("unknown key") || fault.message.starts_with("is a single value"))
    };
    if !faults.iter().any(is_slip) {
        return;
    }
    let keys = [asked, catalogue()].concat();
    for fault in faults.iter_mut().filter(|fault| is_slip(fault)) {
        if let Place::Variable { name } = &fault.place
            && let Some(meant) = stray::meant(name, &keys)
        {
            fault.message = format!("unknown key: did you mean {meant}?");
        }
    }
}

/// Every key that there is, as far as a variable can set it, in tables whose names stand for any other.
pub(crate) fn catalogue() -> Vec<KeyPath> {
    const ONE_OF_EACH: &str = "[conf_d.a]\n[listener.a]\n[client.a]\n[route.a]\n[admin]\n[rates]\n[trace]\n[key.a]\n\
                               [key.b]\n\
                               kind = \"file\"\n[key.c]\nkind = \"process\"\n[key.d]\nkind = \"aws\"\n[key.e]\n\
                               kind = \"pkcs11\"\n[listener.a.tls]\n[listener.a.service_account]\n";
    asked(&[FileText { text: ONE_OF_EACH, name: "", directory: Path::new(""), part: None }], [])
}

/// The keys that the readers ask for.
fn asked(files: &[FileText<'_>], environment: impl IntoIterator<Item = (String, String)>) -> Vec<KeyPath> {
    let Ok(tree) = Tree::build(files, pick(environment, &mut Vec::new()), &mut Vec::new()) else { return Vec::new() };
    let report = Report::new(&tree, Vec::new());
    // whatever is wrong is told elsewhere
    drop(read(&report, &ProxyVariables::default()));
    report.into_parts().1
}

fn read(report: &Report<'_>, proxies: &ProxyVariables) -> Option<Settings> {
    let mut root = Table::root(report);
    let listeners = root.named(
        "listener",
        "say where clients connect with `[listener.NAME]`, e.g. `[listener.local]` and `any_local = true`, or the \
         variable COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL=true",
    );
    let clients = root.named_if_any("client");
    let routes = root.named(
        "route",
        "say which endpoint may be called with `[route.NAME]` and `endpoint = \"https://...\"`, or the variable \
         COUNTERSIGN__ROUTE__MAIN__ENDPOINT",
    );
    let keys = root.named(
        "key",
        "say which key signs with `[key.NAME]`, `file` and `identity_file`, or the variables \
         COUNTERSIGN__KEY__MAIN__FILE and COUNTERSIGN__KEY__MAIN__IDENTITY_FILE",
    );
    let grants = root.named_if_any("conf_d");
    // a table with faults still has a name: a reference to it is not another fault
    let (route_names, key_names) = (names(&routes), names(&keys));
    let counts = (listeners.len(), clients.len(), routes.len(), keys.len());
    let admin = tables::admin::read_if_there(&mut root);
    let audit = process::audit(root.section("audit"));
    let log = process::log(root.section("log"));
    let rates = tables::rates::read_if_there(&mut root);
    let trace = tables::trace::read_if_there(&mut root);
    let process = process::process(root.section("process"));
    root.finish();
    // before all tables: they say which files the tables of conf.d may name
    let grants = grants.into_iter().filter_map(|(name, table)| conf_d::read(name, table, &route_names, &key_names));
    let grants = report.grant(grants.collect());
    let keys: Vec<_> = keys.into_iter().filter_map(|(name, table)| key::read(name, table)).collect();
    // before the routes: a key that a client has is not one that a route signs with unasked
    let clients: Vec<_> =
        clients.into_iter().filter_map(|(name, table)| client::read(name, table, &route_names, &key_names)).collect();
    let all_keys = AllKeys { names: &key_names, issued: issued(&clients) };
    let routes: Vec<_> =
        routes.into_iter().filter_map(|(name, table)| route::read(name, table, &all_keys, proxies)).collect();
    let listeners: Vec<_> =
        listeners.into_iter().filter_map(|(name, table)| listener::read(name, table, &route_names)).collect();
    let complete = (listeners.len(), clients.len(), routes.len(), keys.len()) == counts;
    let all_clients = (clients.len() == counts.1).then_some(clients.as_slice());
    cross_checks::check(report, &listeners, all_clients, &routes, &keys, admin.as_ref().and_then(Option::as_ref));
    dialect_checks::check(report, &clients, &routes);
    scope::check(report, grants, &clients, &routes);
    cross_checks::forwarded_traces(report, &routes, trace.as_ref().and_then(Option::as_ref));
    if let Some(process) = &process {
        cross_checks::bodies(report, &routes, process);
    }
    complete.then_some(())?;
    Some(Settings {
        listeners,
        clients,
        routes,
        keys,
        admin: admin?,
        audit: audit?,
        log: log?,
        rates: rates?,
        trace: trace?,
        process: process?,
        places: Places::new(report.tree.places()),
    })
}

/// The faults of a main file and the files of its folder, each with its name.
#[cfg(test)]
pub(crate) fn parts_faults(main: &str, parts: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = [("countersign.toml", main)].into_iter().chain(parts.iter().copied()).collect();
    match Text::of(&files).settings([]) {
        Ok(_) => Vec::new(),
        Err(error) => error.faults().iter().map(ToString::to_string).collect(),
    }
}

/// The names of the keys that clients have.
fn issued(clients: &[Client]) -> Vec<&str> {
    clients.iter().flat_map(|client| &client.identifiers.issued_keys).map(String::as_str).collect()
}

fn names(tables: &[(Option<Name>, Table<'_>)]) -> Vec<Name> {
    tables.iter().filter_map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::sample::{LEAST, faults, faults_with, parse_with, settings as read_all};

    const SIDECAR: [(&str, &str); 4] = [
        ("COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL", "true"),
        ("COUNTERSIGN__ROUTE__IE__ENDPOINT", "https://importexport.amazonaws.com/"),
        ("COUNTERSIGN__KEY__MAIN__FILE", "/etc/countersign/main.age"),
        ("COUNTERSIGN__KEY__MAIN__IDENTITY_FILE", "/run/identity"),
    ];

    fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_alone_is_enough() {
        assert_eq!(load(None, environment(&SIDECAR)), Ok(read_all(LEAST)));
    }

    #[test]
    fn a_variable_goes_before_the_file() {
        let read = parse_with(LEAST, &[("COUNTERSIGN__LISTENER__LOCAL__ADDRESS", "127.0.0.1:9")]).unwrap();
        assert_eq!(read.listeners[0].shown_addresses(), "127.0.0.1:9");
        assert_eq!(read.listeners[0].callers, crate::authorize::Admission::AnyLocal);
    }

    #[test]
    fn values_of_the_environment_are_read_as_strictly_as_those_of_the_file() {
        let mut variables = SIDECAR;
        variables[0].1 = "yes";
        let error = load(None, environment(&variables)).unwrap_err().to_string();
        let expected =
            "COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL: listener.local.any_local: `yes` is neither true nor false";
        assert_eq!(error, expected);
    }

    #[test]
    fn nothing_at_all_is_answered_with_what_is_needed() {
        let error = load(None, []).unwrap_err();
        let paths: Vec<_> = error.faults().iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["key", "listener", "route"]);
        assert!(error.faults().iter().all(|fault| fault.place == Place::Environment));
        assert!(faults("").iter().all(|fault| fault.starts_with("f: ")));
    }

    #[test]
    fn what_is_missing_in_the_environment_is_named_as_a_variable() {
        let error = load(None, environment(&SIDECAR[..3])).unwrap_err().to_string();
        let expected =
            "environment: key.main.identity_file: missing (variable COUNTERSIGN__KEY__MAIN__IDENTITY_FILE): ";
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn all_faults_are_reported_in_order_of_line() {
        let text = "[listener.local]\nadress = \"x\"\n[route.ie]\nendpoint = \"ftp://x\"\nkey = \"other\"\n\
                    [route.ie.timeouts]\nconnect = 5\n[key.main]\nfile = 1\n[log]\nlevel = \"inof\"\ncolour = 1";
        let found = faults_with(text, &[("COUNTERSIGN__PROCESS__WORKERS", "0")]);
        let places: Vec<_> =
            found.iter().map(|fault| fault.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            places,
            [
                "f:1:11 listener.local.any_local",
                "f:2:1 listener.local.adress",
                "f:4:12 route.ie.endpoint",
                "f:5:7 route.ie.key",
                "f:7:11 route.ie.timeouts.connect",
                "f:8:6 key.main.identity_file",
                "f:9:8 key.main.file",
                "f:11:9 log.level",
                "f:12:1 log.colour",
                "COUNTERSIGN__PROCESS__WORKERS process.workers",
            ]
        );
    }

    #[test]
    fn an_unknown_key_is_reported_with_its_line_and_without_its_value() {
        let found = faults(&format!("{LEAST}[log]\nlevle = \"marker\""));
        assert_eq!(found, ["f:11:1: log.levle: unknown key: did you mean `level`?"]);
    }

    #[test]
    fn an_unknown_variable_is_reported_by_its_name_and_without_its_value() {
        let found = faults_with(LEAST, &[("COUNTERSIGN__LGO__LEVEL", "marker"), ("COUNTERSIGN__LGO__X", "marker")]);
        assert_eq!(
            found,
            [
                "COUNTERSIGN__LGO__LEVEL: lgo: unknown key: did you mean `log`?",
                "COUNTERSIGN__LGO__X: lgo: unknown key: did you mean `log`?"
            ]
        );
    }

    #[test]
    fn a_variable_with_one_underscore_between_two_parts_is_told_with_the_one_that_was_meant() {
        for (name, path, meant) in [
            ("COUNTERSIGN__LOG_LEVEL", "log_level", "COUNTERSIGN__LOG__LEVEL"),
            ("COUNTERSIGN__ROUTE__IE_PATH", "route.ie_path", "COUNTERSIGN__ROUTE__IE__PATH"),
            ("COUNTERSIGN__ROUTE__IE__LIMITS_BODY", "route.ie.limits_body", "COUNTERSIGN__ROUTE__IE__LIMITS__BODY"),
        ] {
            let found = faults_with(LEAST, &[(name, "marker")]);
            assert_eq!(found, [format!("{name}: {path}: unknown key: did you mean {meant}?")]);
        }
    }

    #[test]
    fn a_variable_that_looks_like_one_of_ours_is_a_stray_and_not_a_fault() {
        let variables = environment(&[("COUNTERSIGN_LOG_LEVEL", "marker"), ("HOME", "/")]);
        assert!(parse(LEAST, "f", variables.clone()).is_ok());
        let strays: Vec<_> = Text::of(&[("f", LEAST)]).strays(&variables).iter().map(ToString::to_string).collect();
        assert_eq!(strays, ["COUNTERSIGN_LOG_LEVEL is set, but has no effect: did you mean COUNTERSIGN__LOG__LEVEL?"]);
        assert_eq!(Text::default().strays(&environment(&SIDECAR)), []);
    }

    #[test]
    fn a_relative_path_begins_beside_the_file_for_every_kind_of_file() {
        let all = "[listener.local]\nauthenticate = [\"mtls\", \"service-account\"]\n\
                   tls = {certificate = \"1\", private_key = \"2\", client_ca = \"3\", crl = [\"4\", \"5\"]}\n\
                   service_account = {issuer = \"i\", audience = \"a\", algorithm = \"RS256\", jwks_file = \"6\"}\n\
                   [client.a]\ndns = [\"a\"]\n[route.ie]\nendpoint = \"https://a\"\nca_file = \"7\"\nkey = \"s\"\n\
                   [key.s]\nfile = \"8\"\nidentity_file = \"9\"\n[key.f]\nkind = \"file\"\nfile = \"10\"\n\
                   [key.p]\nkind = \"pkcs11\"\nmodule = \"11\"\npin_file = \"12\"\naccess_key_id = \"A\"\n\
                   uri = \"pkcs11:token=t;object=o\"";
        let text = |settings: &Settings| format!("{settings:?}");
        let (here, there) = (parse(all, "f", []).unwrap(), parse(all, "/etc/countersign/f", []).unwrap());
        for number in 1..=12 {
            assert!(text(&here).contains(&format!("\"{number}\"")), "{number}");
            assert!(text(&there).contains(&format!("\"/etc/countersign/{number}\"")), "{number}");
        }
    }

    #[test]
    fn keys_in_capitals_are_unknown() {
        let found = faults(&LEAST.replace("any_local", "Any_Local"));
        assert!(found.contains(&"f:2:1: listener.local.Any_Local: unknown key: did you mean `any_local`?".to_owned()));
        assert!(
            faults(&LEAST.replace("[route.ie]", "[Route.ie]")).iter().any(|f| f.starts_with("f:4:2: Route: unknown"))
        );
        assert!(faults(&LEAST.replace("route.ie", "route.IE"))[0].contains("`IE` is not a name"));
    }

    #[test]
    fn a_table_with_a_bad_name_is_read_for_its_faults() {
        let found = faults(&LEAST.replace("[key.main]", "[key.Main]\nkind = 1"));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_value_or_list_in_place_of_a_table_is_refused_and_not_shown() {
        let found = faults(&LEAST.replace("[key.main]", "[key]\nmain = \"marker\"\n[log]"));
        assert!(found.iter().any(|f| f == "f:8:8: key.main: is a single value: write it as a table, `[key.main]`"));
        assert!(!found.concat().contains("marker"));
        let list = faults(&LEAST.replace("[listener.local]", "[[listener]]"));
        assert!(list[0].contains("`[listener.NAME]` with single brackets"), "{list:?}");
        assert!(faults(&format!("log = \"info\"\n{LEAST}"))[0].contains("`[log]`"));
        assert!(!faults_with(LEAST, &[("COUNTERSIGN__KEY", "marker")]).concat().contains("marker"));
    }

    #[test]
    fn a_value_in_the_file_that_variables_turn_into_a_table_is_refused() {
        let found = faults_with(&format!("log = \"info\"\n{LEAST}"), &[("COUNTERSIGN__LOG__LEVEL", "info")]);
        assert!(found[0].starts_with("f:1:7: log: variables take this for a table"), "{found:?}");
    }

    #[test]
    fn an_unreadable_file_is_a_fault_with_the_reason() {
        let path = Path::new("/nonexistent/countersign.toml");
        let error = load(Some(path), environment(&SIDECAR)).unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/countersign.toml: cannot be read: No such file"), "{error}");
        let endless = load(Some(Path::new("/dev/zero")), []).unwrap_err().to_string();
        assert_eq!(endless, "/dev/zero: cannot be read: longer than 1 MiB");
        assert_eq!(load(Some(Path::new("/")), []).unwrap_err().faults().len(), 1);
    }

    #[test]
    fn a_deep_file_does_not_exhaust_the_stack() {
        assert!(parse(&"a.".repeat(100_000), "f", []).is_err());
        assert!(parse(&format!("a = {}", "[".repeat(100_000)), "f", []).is_err());
        assert!(parse(&format!("[{}a]", "a.".repeat(100_000)), "f", []).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_refused_without_a_panic(
            text in any::<String>(), name in any::<String>(), value in any::<String>()
        ) {
            let variables = [(format!("COUNTERSIGN__{name}"), value)];
            prop_assert!(parse(&text, "f", variables).is_err());
        }

        #[test]
        fn text_that_is_nearly_toml_does_not_panic(
            text in concat!(
                r#"(\[\[?(listener|route|key|log)(\.[a-z"]{1,3})?\]\]?|[a-z_]{1,9}|endpoint|any_local|=|"|"#,
                r"\{|\}|\[|\]|,|\.|'|#|[0-9]{1,3}|true|\n| ){0,40}"
            )
        ) {
            prop_assert!(parse(&text, "f", []).is_err());
        }

        #[test]
        fn arbitrary_values_do_not_panic(value in any::<String>(), number in any::<i64>()) {
            for (name, _) in SIDECAR {
                let _ = parse_with(LEAST, &[(name, &value)]);
            }
            for key in ["LISTENER__LOCAL__ADDRESS", "LISTENER__LOCAL__HOSTS", "ROUTE__IE__LIMITS__BODY",
                        "ROUTE__IE__TIMEOUTS__IDLE", "ROUTE__IE__PATH", "LOG__LEVEL", "PROCESS__WORKERS"] {
                let name = format!("COUNTERSIGN__{key}");
                let _ = parse_with(LEAST, &[(&name, &value)]);
                let _ = parse_with(LEAST, &[(&name, &number.to_string())]);
            }
        }
    }
}
