//! The sample configurations in `config/` load, agree with each other, and state true defaults.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use countersign::config::settings::Settings;
use countersign::config::{load, parse};
use countersign::credentials::{Identities, StoreKind};

use crate::harness::plugin::{IDENTITY, Plugin};
use crate::harness::{ID, Outcome, SECRET, document, program};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(sample(name)).unwrap()
}

fn loaded(name: &str) -> Settings {
    loaded_from(&sample(name))
}

/// By its text: a checkout may belong to another user, whose files are not trusted.
fn loaded_from(path: &Path) -> Settings {
    let text = std::fs::read_to_string(path).unwrap();
    parse(&text, &path.display().to_string(), []).unwrap_or_else(|error| panic!("{error}"))
}

/// The reference with every default (`#key = value`) set by a line of its own.
fn reference_with_defaults() -> String {
    let set = |line: &str| match line.strip_prefix('#') {
        Some(line) if line.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{line}\n"),
        Some(_) | None => format!("{line}\n"),
    };
    text("reference.toml").lines().map(set).collect()
}

/// The keys that the reference names, as paths: `log.level`.
fn keys_of_the_reference() -> Vec<String> {
    let mut table = String::new();
    let mut keys = Vec::new();
    for line in text("reference.toml").lines() {
        let line = line.strip_prefix("# e.g. ").or(line.strip_prefix('#')).unwrap_or(line);
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).to_owned();
            keys.push(table.clone());
        }
        if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' ')) {
            keys.push(format!("{table}.{key}"));
        }
    }
    keys
}

#[test]
fn every_sample_loads() {
    for entry in std::fs::read_dir(sample("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            loaded_from(&path);
        }
    }
}

#[test]
fn every_sample_of_a_place_for_a_key_loads() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/keys");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(samples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            loaded_from(&path);
            names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    names.sort();
    assert_eq!(names, ["docker", "kubernetes", "systemd", "vault", "vault-injector"]);
}

/// A page of the manual, below `docs`.
fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The pages of the manual, in order.
fn pages() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut folders = vec![docs.clone()];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(&docs).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    pages.sort();
    pages
}

/// The configurations that a page shows, whole ones and parts.
fn configurations(page: &str) -> Vec<String> {
    page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_configuration_in_the_manual_loads() {
    let mut found = 0;
    for name in pages() {
        for snippet in configurations(&page(&name)) {
            let text = whole(&snippet);
            parse(&text, &name, []).unwrap_or_else(|error| panic!("{error}\n{text}"));
            found += 1;
        }
    }
    assert!(found >= 15, "{found}");
}

#[test]
fn the_configuration_of_a_page_about_a_cloud_is_a_sample() {
    for name in ["alibaba", "aws-v4", "cloudstack", "nifcloud", "openstack", "other-clouds"] {
        let sample = text(&format!("{name}.toml"));
        let (comment, configuration) = sample.split_once("\n\n").unwrap();
        assert!(comment.contains(&format!("docs/how-to/{name}.md")), "{comment}");
        assert_eq!(configurations(&page(&format!("how-to/{name}.md"))), [configuration]);
    }
}

/// A configuration around the part that a page shows.
fn whole(snippet: &str) -> String {
    let mut text = snippet.to_owned();
    let is_a = |kind: &str, line: &str| {
        let name = line.strip_prefix(kind).and_then(|rest| rest.strip_suffix(']'));
        name.is_some_and(|name| !name.contains('.'))
    };
    // a part may be a table of a listener or route alone
    let named = |kind: &str, usual: &str| {
        let name = |line: &str| Some(line.strip_prefix(kind)?.split_once('.')?.0.to_owned());
        snippet.lines().find_map(name).unwrap_or_else(|| usual.to_owned())
    };
    if !text.lines().any(|line| is_a("[listener.", line)) {
        let methods = if text.contains("service_account]") {
            "authenticate = [\"service-account\"]"
        } else if text.contains("\nspiffe = ") {
            "authenticate = [\"mtls\"]\n[listener.local.tls]\ncertificate = \"/run/svid/svid.pem\"\n\
             private_key = \"/run/svid/svid_key.pem\"\nclient_ca = \"/run/svid/svid_bundle.pem\""
        } else if text.contains("[client.") {
            "authenticate = [\"token\"]"
        } else {
            "any_local = true"
        };
        let name = named("[listener.", "local");
        text = format!("[listener.{name}]\n{methods}\n{text}");
    }
    if text.contains("service-account") && !text.contains("[client.") {
        text += "[client.reporting]\nservice_account = \"default/reporting\"\nallow = [\"*:Get*\"]\n";
    }
    if !text.lines().any(|line| is_a("[route.", line)) {
        let name = named("[route.", "importexport");
        text = format!("{text}[route.{name}]\nendpoint = \"https://importexport.amazonaws.com/\"\n");
    }
    if !text.contains("[key.") {
        text += "[key.main]\nfile = \"/etc/countersign/main.age\"\nidentity_file = \"/etc/countersign/identity\"\n";
    }
    text
}

/// A directory with everything that the keys of [`PAGES_OF_KEYS`] name, in place of the directories there.
struct Place {
    directory: tempfile::TempDir,
    plugin: Plugin,
}

impl Place {
    fn with(opener: &str) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap(), plugin: Plugin::new() };
        let key = document(ID, SECRET, "");
        place.put("identity", opener, 0o600);
        place.put("key.json", &key, 0o600);
        let fetch = format!("#!/bin/sh\n[ \"$*\" = \"--role countersign\" ] && cat {:?}\n", place.path("key.json"));
        place.put("fetch-key", &fetch, 0o700);
        place.put("key-from-vault", &format!("#!/bin/sh\ncat {:?}\n", place.path("key.json")), 0o700);
        let sealed = place.keys(&["seal", "--identity", "identity", "--out", "main.age"], &key);
        assert_eq!(sealed.code, 0, "{sealed:?}");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, contents: &str, mode: u32) {
        std::fs::write(self.path(name), contents).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Runs `countersign keys`, with the plugin in its PATH.
    fn keys(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = program();
        command.arg("keys").args(arguments).current_dir(self.directory.path());
        Outcome::of(self.plugin.beside(&mut command), input)
    }
}

/// The pages whose keys need no device and no service.
const PAGES_OF_KEYS: [&str; 4] = ["guide/keys.md", "how-to/age-plugin.md", "how-to/rotate-a-key.md", "how-to/vault.md"];

#[test]
fn every_key_in_the_manual_that_needs_no_device_and_no_service_signs() {
    let mut tested = Vec::new();
    let snippets = PAGES_OF_KEYS.iter().flat_map(|name| configurations(&page(name)));
    for snippet in snippets.filter(|snippet| snippet.contains("[key.")) {
        let kind = match snippet.split_once("kind = \"").and_then(|(_, rest)| rest.split_once('"')) {
            Some((kind, _)) => kind.to_owned(),
            None if snippet.contains("AGE-PLUGIN-") => "plugin".to_owned(),
            None => "sealed".to_owned(),
        };
        let native = Identities::generate().to_file(countersign::clock::now());
        let opener = if kind == "plugin" { IDENTITY } else { std::str::from_utf8(&native).unwrap() };
        let place = Place::with(opener);
        let here = format!("\"{}/", place.directory.path().display());
        let directories =
            ["\"/etc/countersign/", "\"/run/secrets/countersign/", "\"/run/countersign-key/", "\"/usr/local/bin/"];
        let text = directories.iter().fold(whole(&snippet), |text, directory| text.replace(directory, &here));
        place.put("countersign.toml", &text, 0o600);
        let Outcome { code, stdout, stderr } = place.keys(&["test", "--config", "countersign.toml"], "");
        assert_eq!(code, 0, "{stderr}\n{text}");
        assert!(stdout.contains(ID) && stdout.contains("signed with HmacSHA256"), "{stdout}");
        tested.push(kind);
    }
    assert_eq!(tested, ["sealed", "file", "process", "plugin", "sealed", "file", "process"]);
}

#[test]
fn every_kind_of_key_store_is_in_the_reference_and_in_the_guide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["config/reference.toml", "docs/guide/keys.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        for kind in StoreKind::ALL {
            assert!(text.contains(&format!("\"{kind}\"")), "{page} does not mention the kind {kind}");
        }
    }
}

#[test]
fn the_sidecar_is_one_listener_one_route_one_key() {
    let sidecar = loaded("sidecar.toml");
    assert_eq!((sidecar.listeners.len(), sidecar.routes.len(), sidecar.keys.len()), (1, 1, 1));
}

#[test]
fn the_sidecar_in_the_environment_is_the_sidecar_in_the_file() {
    let lines = text("sidecar.env");
    let variables = lines.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    assert_eq!(load(None, variables), Ok(loaded("sidecar.toml")));
}

#[test]
fn the_gateway_shows_what_a_gateway_needs() {
    let gateway = loaded("gateway.toml");
    assert_eq!((gateway.listeners.len(), gateway.routes.len(), gateway.keys.len()), (2, 3, 2));
    let stacks = gateway.routes.iter().find(|route| route.name.as_str() == "stacks").unwrap();
    assert_eq!(stacks.endpoint.authority(), "heat.example.internal:8000");
    assert_eq!(stacks.endpoint.path, "/v1/");
    // a name below localhost resolves in few clients
    assert!(gateway.routes.iter().all(|route| route.hosts.is_empty()));
    let paths: Vec<_> = gateway.routes.iter().map(|route| route.path.as_str()).collect();
    assert_eq!(paths, ["/", "/sdb", "/stacks"]);
}

#[test]
fn the_defaults_in_the_reference_are_the_defaults() {
    let written = reference_with_defaults();
    let settings = parse(&written, "reference.toml", []).unwrap_or_else(|error| panic!("{error}"));
    // otherwise nothing was uncommented and the comparison says nothing
    assert!(written.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).count() > 25);
    assert_eq!(settings, loaded("reference.toml"));
    assert_eq!(settings, loaded("sidecar.toml"));
}

#[test]
fn the_reference_names_every_key() {
    let named = keys_of_the_reference();
    let tables = [
        "listener.local",
        "listener.local.limits",
        "route.importexport",
        "route.importexport.profile",
        "route.importexport.limits",
        "route.importexport.timeouts",
        "key.main",
        "admin",
        "audit",
        "log",
        "process",
    ];
    for table in tables {
        // what is answered to an unknown key lists the known ones
        let header = format!("[{table}]\n");
        let wrong = text("reference.toml").replace(&header, &format!("{header}nothing-like-it = 1\n"));
        let error = parse(&wrong, "f", []).unwrap_err();
        let (_, known) = error.faults()[0].message.split_once("known here are ").unwrap();
        for key in known.split(", ").map(|key| key.trim_matches('`')) {
            assert!(named.contains(&format!("{table}.{key}")), "{table}.{key} is not in the reference");
        }
    }
}

#[test]
fn every_key_in_the_reference_has_a_comment_of_its_own() {
    let reference = text("reference.toml");
    let is_key = |line: &str| {
        let line = line.strip_prefix("# e.g. ").or(line.strip_prefix('#')).unwrap_or(line);
        line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    for (before, line) in reference.lines().zip(reference.lines().skip(1)).filter(|(_, line)| is_key(line)) {
        assert!(before.starts_with("# ") && !before.starts_with("# e.g. "), "no comment says what this is: {line}");
    }
}

#[test]
fn the_examples_in_the_reference_are_keys() {
    let reference = text("reference.toml");
    let (default_tables, _) = reference.split_once("# TLS towards clients").unwrap();
    let (_, rest) = reference.split_once("# ---- The endpoints").unwrap();
    let (routes, rest) = rest.split_once("# \"file\": the JSON").unwrap();
    let (routes, fallback) = routes.split_once("# A further endpoint for calls").unwrap();
    let (_, keys) = fallback.split_once("# ---- The access keys").unwrap();
    let (_, rest) = rest.split_once("# ---- Health, metrics and status").unwrap();
    // between them stand tables that are absent by default
    let (others, rest) = rest.split_once("# ---- Rates of several replicas").unwrap();
    let (_, rest) = rest.split_once("# ---- Traces").unwrap();
    let (_, process) = rest.split_once("[process]\n").unwrap();
    let sections = [default_tables, routes, keys, others, process];
    let outside = sections.concat();
    for example in outside.lines().filter(|line| line.starts_with("# e.g. ")) {
        let line = example.trim_start_matches("# e.g. ");
        // not in the tables between the sections, which may have a key of the same name
        let take = |text: String, section: &&str| text.replace(*section, &section.replace(example, line));
        let faults = match parse(&sections.iter().fold(reference.clone(), take), "f", []) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        // the only ones that may fault: of the two identities there is one, and so of the two ways to say who may call;
        // a mode and group are for Unix sockets, `only_v6` is for `[::]`, load balancers need clients that
        // authenticate, the files of a proxy are for one that `egress` names, a certificate belongs to its key, a
        // region to a dialect that signs for one, and a scope to clients that sign
        let of_others = [
            "identity_credential",
            "authenticate",
            "mode",
            "group",
            "only_v6",
            "proxy_protocol_from",
            "egress_ca_file",
            "egress_credentials_file",
            "client_certificate",
            "client_key",
            "region",
            "scope",
        ];
        let alone = of_others.iter().any(|key| line.starts_with(key));
        assert!(faults.is_empty() || alone, "{line}: {faults}");
        assert!(!faults.contains("unknown key"), "{line}: {faults}");
    }
}

/// The reference, with every example of the listener and the clients taken.
fn reference_with_clients() -> String {
    let written = text("reference.toml");
    let (before, after) = written.split_once("# ---- The endpoints").unwrap();
    let before = before
        .replace("any_local = true", "")
        .replace("# e.g. mode = \"0660\"", "")
        .replace("# e.g. group = \"countersign\"", "")
        .replace("# e.g. only_v6 = false", "")
        .replace(
            "# e.g. authenticate = [\"unix-peer\", \"token\"]",
            "authenticate = [\"mtls\", \"token\", \"service-account\", \"issued-key\"]",
        )
        .replace("# e.g. jwks_file", "#jwks_file") // `jwks_url` stands below it: one of the two
        .replace("# e.g. ", "");
    // the route signs with another key than the client
    let issued = "[key.reporting-2026]\nkind = \"file\"\nfile = \"/etc/countersign/reporting.json\"\n";
    format!("{before}# ---- The endpoints{after}\n{issued}")
}

#[test]
fn the_examples_of_listeners_and_clients_make_one_configuration() {
    let settings = parse(&reference_with_clients(), "f", []).unwrap_or_else(|error| panic!("{error}"));
    let [client] = settings.clients.as_slice() else { panic!("one client") };
    assert_eq!((client.allow.len(), client.deny.len(), client.rules.len()), (2, 1, 1));
    assert_eq!(client.rules.first().unwrap().conditions.len(), 2);
    assert!(settings.listeners.first().unwrap().tls.is_some());
}

#[test]
fn the_examples_of_keys_make_one_configuration() {
    let written = text("reference.toml");
    let (before, rest) = written.split_once("# \"file\": the JSON").unwrap();
    let (keys, after) = rest.split_once("# ---- Clients and routes of other owners").unwrap();
    // of two lines that say where a file is there is one
    let keys =
        keys.replace("# e.g. credential = ", "# ").replace("# e.g. pin_credential = ", "# ").replace("# e.g. ", "");
    let before = before.replace("# e.g. key = ", "key = ");
    let settings = parse(&format!("{before}#{keys}#{after}"), "f", []).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = settings.keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["cloud", "main", "mounted", "printed", "token"]);
}

#[test]
fn the_reference_names_every_key_of_tables_that_are_not_there_by_default() {
    let named = keys_of_the_reference();
    for (header, path) in [
        ("[conf_d.zz]", "conf_d.team-a"),
        ("[client.zz]", "client.reporting"),
        ("[[client.zz.rule]]", "client.reporting.rule"),
        ("[listener.zz.tls]", "listener.local.tls"),
        ("[listener.zz.service_account]", "listener.local.service_account"),
        ("[[route.importexport.fallback]]", "route.importexport.fallback"),
        ("[key.zz]\nkind = \"file\"", "key.mounted"),
        ("[key.zz]\nkind = \"process\"", "key.printed"),
        ("[key.zz]\nkind = \"aws\"", "key.cloud"),
        ("[key.zz]\nkind = \"pkcs11\"", "key.token"),
        ("[trace]", "trace"),
        ("[rates]", "rates"),
    ] {
        let error =
            parse(&format!("{}\n{header}\nnothing-like-it = 1\n", text("reference.toml")), "f", []).unwrap_err();
        let unknown = error.faults().iter().find(|fault| fault.path.ends_with("nothing-like-it")).unwrap();
        let (_, known) = unknown.message.split_once("known here are ").unwrap();
        for key in known.split(", ").map(|key| key.trim_matches('`')) {
            assert!(named.contains(&format!("{path}.{key}")), "{path}.{key} is not in the reference");
        }
    }
}

#[test]
fn the_clients_sample_names_clients_with_rules() {
    let clients = loaded("clients.toml").clients;
    assert_eq!(
        clients.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(),
        ["migration", "planner", "reporting"]
    );
}
