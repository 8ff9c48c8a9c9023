//! The rules of the house: who may use whom, how large a file may grow, what must not appear. Fails when the sources break one.

#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module, and what of this crate it may use. `app`, `cli` and `main` see everything: they put it together.
const MAY_USE: &[(&str, &[&str])] = &[
    ("admin", &["downstream", "telemetry"]),
    ("authorize", &["query"]),
    ("clock", &[]),
    ("config", &["authorize", "credentials", "downstream", "query", "signing", "telemetry", "trust"]),
    ("confine", &[]),
    ("credentials", &["directories", "error_chain", "fetch", "secret_file", "trust"]),
    ("directories", &["secret_file"]),
    ("downstream", &["clock", "http1", "secret_file"]),
    ("error_chain", &[]),
    ("faults", &["http1", "query"]),
    ("fetch", &["secret_file", "trust"]),
    ("http1", &[]),
    (
        "proxy",
        &[
            "authorize",
            "clock",
            "credentials",
            "downstream",
            "error_chain",
            "faults",
            "http1",
            "query",
            "signing",
            "telemetry",
            "upstream",
        ],
    ),
    ("query", &[]),
    ("sandbox", &["clock", "credentials", "faults", "http1", "query", "signing"]),
    ("secret_memory", &[]),
    ("secret_file", &[]),
    ("signing", &["authorize", "credentials", "query"]),
    ("telemetry", &["faults"]),
    ("trust", &[]),
    ("upstream", &["clock", "http1", "signing", "trust"]),
];
const SEES_EVERYTHING: &[&str] = &["app", "cli", "lib", "main"];

/// Modules that compute and nothing else: no IO, no clock, no runtime, no log.
const PURE: &[&str] = &["authorize", "query", "signing"];
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "http",
    "rustls",
    "tracing",
    "std::fs",
    "std::env",
    "TcpStream",
    "TcpListener",
    "SystemTime",
    "Instant",
];

const LONGEST_FILE: usize = 400;
const SAYS_NOTHING: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "types", "manager", "constants"];

struct Source {
    path: PathBuf,
    /// `proxy` for `src/proxy/head.rs`, `app` for `src/app.rs`.
    module: String,
    text: String,
}

impl Source {
    /// The text up to its unit tests, without comments.
    fn code(&self) -> String {
        let code = self.text.split("\n#[cfg(test)]\nmod ").next().unwrap();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    fn is_tests(&self) -> bool {
        self.path.file_name().is_some_and(|name| name == "tests.rs")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the sources are in {}", root.display());
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
            Source { module: first.trim_end_matches(".rs").to_owned(), text: fs::read_to_string(&path).unwrap(), path }
        })
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The names behind `crate::` in a piece of code, those in braces included.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let (_, rest) = code.split_at(at);
        let rest = rest.strip_prefix("crate::").unwrap();
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap();
                used.extend(group.split(',').map(|name| word(name.trim())));
            }
            None => {
                used.insert(word(rest));
            }
        }
    }
    used.remove("");
    used
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn every_module_uses_only_what_its_row_allows() {
    for source in sources().iter().filter(|source| !source.is_tests()) {
        if SEES_EVERYTHING.contains(&source.module.as_str()) {
            continue;
        }
        let row = MAY_USE.iter().find(|(module, _)| *module == source.module);
        let Some((_, allowed)) = row else {
            panic!("{} has no row in MAY_USE: say what it may use", source.module);
        };
        for used in used_modules(&source.code()) {
            let own = used == source.module;
            assert!(own || allowed.contains(&used.as_str()), "{} must not use `{used}`", source.path.display());
        }
    }
}

#[test]
fn every_row_stands_for_a_module() {
    let modules: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    for module in MAY_USE.iter().map(|(module, _)| module).chain(SEES_EVERYTHING) {
        assert!(modules.contains(*module), "there is no module `{module}` any more");
    }
}

#[test]
fn pure_modules_stay_pure() {
    for source in sources().iter().filter(|source| PURE.contains(&source.module.as_str()) && !source.is_tests()) {
        let code = source.code();
        let words: BTreeSet<&str> = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).collect();
        for impure in IMPURE {
            // a crate or module shows by its `::`, a type by its name alone
            let is_type = impure.starts_with(char::is_uppercase);
            let path = format!("{impure}::");
            let found = words.iter().find(|word| {
                word.starts_with(&path) || word.contains(&format!("::{path}")) || (is_type && word.ends_with(impure))
            });
            assert!(found.is_none(), "{} uses {found:?}", source.path.display());
        }
    }
}

#[test]
fn the_clock_is_read_in_one_place() {
    for source in sources().iter().filter(|source| source.module != "clock" && !source.is_tests()) {
        for reading in ["SystemTime::now", "Timestamp::now", "Zoned::now"] {
            assert!(!source.code().contains(reading), "{} reads the clock: ask crate::clock", source.path.display());
        }
    }
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "{} does not begin with a `//!` sentence", source.path.display());
    }
}

#[test]
fn files_stay_small() {
    for source in sources() {
        let lines = source.text.split("\n#[cfg(test)]\nmod ").next().unwrap().lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines before its tests", source.path.display());
    }
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    for source in sources() {
        let stem = source.path.file_stem().unwrap().to_str().unwrap();
        assert!(!SAYS_NOTHING.contains(&stem), "{}: name it after what it does", source.path.display());
    }
}

#[test]
fn only_authorization_makes_an_authorized_form_and_only_signing_a_signed_request() {
    for (maker, made) in [("authorize", "Authorized {"), ("signing", "SignedRequest {"), ("signing", "Unsealed {")] {
        for source in sources().iter().filter(|source| source.module != maker) {
            assert!(!source.code().contains(made), "{} makes an `{made}`", source.path.display());
        }
    }
}

#[test]
fn unsafe_code_is_in_one_package_and_says_each_time_why_it_is_sound() {
    let unsafe_block = ["unsafe", "{"].join(" ");
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(&unsafe_block)) {
            assert_eq!(source.module, "secret_memory", "{}: {line}", source.path.display());
            let comment = lines[..at].iter().rev().take_while(|line| line.trim_start().starts_with("//"));
            let said = comment.into_iter().any(|line| line.contains("// SAFETY: "));
            assert!(said, "{}: no `// SAFETY:` before {line}", source.path.display());
        }
    }
}

#[test]
fn http2_is_not_compiled_in() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    for banned in ["h2", "h3", "openssl", "native-tls"] {
        assert!(!lock.contains(&format!("\nname = \"{banned}\"\n")), "{banned} is in Cargo.lock");
    }
}

#[test]
fn every_dependency_has_its_reason_beside_it() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let (mut in_dependencies, mut before) = (false, "");
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        } else if in_dependencies && line.contains(" = ") {
            assert!(before.starts_with('#') || line.contains(" # "), "no reason beside `{line}` in Cargo.toml");
        }
        before = line;
    }
}
