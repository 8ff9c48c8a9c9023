//! The rules of the house: who may use whom, how large a file may grow, what must not appear. Fails when the sources
//! break one.
//!
//! Who may use whom is a table in `src/lib.rs`, which these tests read.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
// a test fails by panicking

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use syn::visit::{self, Visit};

/// Rooms that compute and nothing else: no IO, no clock, no runtime, no log.
const PURE: &[&str] = &["authorize", "faults", "http1", "query", "signing", "status"];
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
const LONGEST_LINE: usize = 120;
/// Where people write lines: these folders and the files beside them.
const WRITTEN: &[&str] = &["src", "tests", "benches", "config", "deploy", "packaging", ".ci", ".github"];
/// What has lines that people write, beside programs that begin with `#!`.
const WITH_LINES: &[&str] = &["rs", "py", "toml", "yaml", "yml", "sh", "c", "hcl", "service", "socket", "ini"];
/// Each program of tests or benchmarks is a tree of modules of its own. The harness is a part of three.
const TEST_TREES: &[&str] =
    &["tests/behaviour", "tests/cli", "tests/library", "tests/harness", "tests/fuzz/properties", "benches/proxy"];
const SAYS_NOTHING: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "types", "manager", "constants"];

/// A path from the root of the crate: `proxy::head::admit`.
type ModulePath = Vec<String>;

struct Source {
    path: PathBuf,
    text: String,
    /// Where the file stands in the tree of modules: `proxy::head` for `src/proxy/head.rs`.
    name: ModulePath,
    /// What it names of this crate, its unit tests apart.
    uses: BTreeSet<ModulePath>,
    /// What it exports under its own name, and where that comes from.
    exports: BTreeMap<String, ModulePath>,
}

impl Source {
    fn read(root: &Path, path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let mut name: ModulePath = path
            .strip_prefix(root)
            .unwrap()
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_str().unwrap().to_owned())
            .collect();
        // `lib.rs` is the crate itself, but its room in the table is called `lib`
        if name.last().unwrap() == "mod" || (name.len() > 1 && name.last().unwrap() == "lib") {
            name.pop();
        }
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = UseReader { name: &name, uses: BTreeSet::new(), exports: BTreeMap::new() };
        reader.visit_file(&file);
        let UseReader { uses, exports, .. } = reader;
        Self { path, text, name, uses, exports }
    }

    /// The first folder below `src`, or the file that stands in its place.
    fn room(&self) -> &str {
        &self.name[0]
    }

    /// The text up to its unit tests, without comments.
    fn code(&self) -> String {
        let lines = self.before_tests().lines();
        lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    fn before_tests(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod ").next().unwrap()
    }

    fn is_tests(&self) -> bool {
        self.path.file_name().is_some_and(|name| name == "tests.rs")
    }
}

/// Collects what a file names of this crate: `use` trees however deep, paths in code, and paths in the arguments of
/// macros.
struct UseReader<'s> {
    name: &'s [String],
    uses: BTreeSet<ModulePath>,
    exports: BTreeMap<String, ModulePath>,
}

impl UseReader<'_> {
    /// The path from the root of the crate that `segments` stand for here, if they begin with `crate`, `self` or
    /// `super`.
    fn absolute(&self, segments: &[String]) -> Option<ModulePath> {
        let mut path = match segments.first()?.as_str() {
            // a package of its own inside the tree
            "crate" if self.name.starts_with(&["secret_memory".to_owned()]) => vec!["secret_memory".to_owned()],
            "crate" => Vec::new(),
            "self" | "super" => self.name.to_vec(),
            _ => return None,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => drop(path.pop()),
                name => path.push(name.to_owned()),
            }
        }
        Some(path)
    }

    fn leaves(tree: &syn::UseTree, mut before: Vec<String>, leaves: &mut Vec<(Vec<String>, String)>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                Self::leaves(&path.tree, before, leaves);
            }
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                let called = if name == "self" { before.last().unwrap().clone() } else { name.clone() };
                before.push(name);
                leaves.push((before, called));
            }
            syn::UseTree::Rename(rename) => {
                before.push(rename.ident.to_string());
                leaves.push((before, rename.rename.to_string()));
            }
            syn::UseTree::Glob(_) => leaves.push((before, "*".to_owned())),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| Self::leaves(item, before.clone(), leaves));
            }
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

impl<'ast> Visit<'ast> for UseReader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut leaves = Vec::new();
        Self::leaves(&item.tree, Vec::new(), &mut leaves);
        for (path, called) in leaves {
            // `pub use part::Thing` in the parent of `part`
            let here = [vec!["self".to_owned()], path.clone()].concat();
            let is_local = self.absolute(&path).is_none();
            let is_exported = !matches!(item.vis, syn::Visibility::Inherited);
            if is_exported && let Some(from) = self.absolute(if is_local { &here } else { &path }) {
                self.exports.insert(called, from);
            }
            self.uses.extend(self.absolute(&path));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.uses.extend(self.absolute(&segments));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let words: Vec<String> = call.tokens.to_string().split_whitespace().map(str::to_owned).collect();
        for (at, word) in words.iter().enumerate().filter(|(_, word)| *word == "crate") {
            let mut path = vec![word.clone()];
            let mut rest = words[at + 1..].chunks_exact(2);
            while let Some([colons, name]) = rest.next()
                && colons == "::"
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
            {
                path.push(name.clone());
            }
            self.uses.extend(self.absolute(&path));
        }
        visit::visit_macro(self, call);
    }
}

/// Every file below `src`, read once for all tests.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_sources);
    &SOURCES
}

fn read_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = read_tree(&root);
    assert!(sources.len() > 50, "the sources are in {}", root.display());
    sources
}

/// The Rust files below `root`, whose names begin there.
fn read_tree(root: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    collect(root, &|path| path.extension().is_some_and(|extension| extension == "rs"), &mut files);
    files.into_iter().map(|path| Source::read(root, path)).collect()
}

fn collect(directory: &Path, is_wanted: &dyn Fn(&Path) -> bool, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        // what programs have made, and files of earlier versions
        let is_made = ["target", "golden", "fixtures", "node_modules"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !path.is_symlink() && !is_made {
            collect(&path, is_wanted, files);
        } else if path.is_file() && is_wanted(&path) {
            files.push(path);
        }
    }
}

/// What a room may use of this crate.
#[derive(Debug)]
enum MayUse {
    Everything,
    Only(BTreeSet<String>),
}

/// The table in `src/lib.rs`, and its two files that put everything together.
fn table() -> BTreeMap<String, MayUse> {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix('|'));
    let mut table: BTreeMap<String, MayUse> = rows.filter_map(row).collect();
    for file in ["lib", "main"] {
        table.insert(file.to_owned(), MayUse::Everything);
    }
    table
}

/// A row of the table; none for its head.
fn row(line: &str) -> Option<(String, MayUse)> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [room, _, uses] = cells[..] else { panic!("not three cells: {line}") };
    let room = room.trim_start_matches('[').trim_end_matches(']');
    let name = room.strip_prefix('`')?.strip_suffix('`')?;
    let uses = match uses {
        "everything" => MayUse::Everything,
        uses => {
            let names = uses.split(',').map(str::trim).filter(|name| !name.is_empty());
            let bare = |name: &str| name.strip_prefix('`').and_then(|name| name.strip_suffix('`')).map(str::to_owned);
            MayUse::Only(names.map(|name| bare(name).unwrap_or_else(|| panic!("{name} in {line}"))).collect())
        }
    };
    Some((name.to_owned(), uses))
}

#[test]
fn every_room_uses_only_what_its_row_allows() {
    let table = table();
    for source in sources().iter().filter(|source| !source.is_tests()) {
        let Some(row) = table.get(source.room()) else {
            panic!("{} has no row in the table of src/lib.rs: say what it may use", source.path.display());
        };
        let MayUse::Only(allowed) = row else { continue };
        for used in source.uses.iter().filter_map(|path| path.first()) {
            let is_own = used == source.room();
            assert!(is_own || allowed.contains(used), "{} must not use `{used}`", source.path.display());
        }
    }
}

#[test]
fn every_row_stands_for_a_room() {
    let rooms: BTreeSet<String> = sources().iter().map(|source| source.room().to_owned()).collect();
    for (room, uses) in table() {
        assert!(rooms.contains(&room), "there is no room `{room}` any more");
        if let MayUse::Only(uses) = uses {
            let unknown: Vec<_> = uses.difference(&rooms).collect();
            assert!(unknown.is_empty(), "`{room}` may use {unknown:?}, which is not there");
        }
    }
}

/// The file that defines what `path` leads to, through however many exports.
fn definition(path: &[String], files: &BTreeMap<&[String], &Source>, depth: usize) -> Option<ModulePath> {
    let length = (0..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
    let file = files[&path[..length]];
    let exported = path.get(length).and_then(|item| file.exports.get(item)).filter(|_| depth > 0);
    match exported {
        Some(from) => definition(from, files, depth - 1),
        None => Some(file.name.clone()),
    }
}

/// The files that lead to one another, each such group sorted. A parent and its parts are one thing.
fn circles(sources: &[Source]) -> Vec<Vec<String>> {
    let sources: Vec<&Source> = sources.iter().filter(|source| !source.is_tests()).collect();
    let files: BTreeMap<&[String], &Source> = sources.iter().map(|source| (&source.name[..], *source)).collect();
    let is_parent = |one: &[String], other: &[String]| other.starts_with(one) || one.starts_with(other);
    let mut arrows: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
    for source in &sources {
        let targets = source.uses.iter().filter_map(|path| definition(path, &files, 8));
        let targets = targets.filter(|target| !is_parent(target, &source.name));
        arrows.insert(source.name.clone(), targets.collect());
    }
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        arrows.keys().map(|file| (file, reach(file, &arrows))).collect();
    let mut found = BTreeSet::new();
    for (file, reachable) in &reached {
        let back = reachable.iter().filter(|other| reached[*other].contains(file));
        let circle: BTreeSet<String> = back.map(|other| other.join("::")).collect();
        if circle.len() > 1 {
            found.insert(circle.into_iter().collect::<Vec<_>>());
        }
    }
    found.into_iter().collect()
}

fn reach<'a>(from: &ModulePath, arrows: &'a BTreeMap<ModulePath, BTreeSet<ModulePath>>) -> BTreeSet<&'a ModulePath> {
    let mut reached = BTreeSet::new();
    let mut ahead: Vec<&ModulePath> = arrows[from].iter().collect();
    while let Some(file) = ahead.pop() {
        if reached.insert(file) {
            ahead.extend(&arrows[file]);
        }
    }
    reached
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = circles(sources());
    assert!(circles.is_empty(), "these import each other: {circles:#?}");
}

#[test]
fn no_files_of_tests_or_benchmarks_import_each_other_in_a_circle() {
    for tree in TEST_TREES {
        let sources = read_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join(tree));
        assert!(sources.len() > 5, "there are few files in {tree}");
        let circles = circles(&sources);
        assert!(circles.is_empty(), "these of {tree} import each other: {circles:#?}");
    }
}

fn has_lines(path: &Path) -> bool {
    match path.extension() {
        Some(extension) => WITH_LINES.iter().any(|wanted| extension == *wanted),
        None => fs::read(path).unwrap().starts_with(b"#!"),
    }
}

#[test]
fn lines_stay_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && has_lines(path));
    for folder in WRITTEN.iter().map(|folder| root.join(folder)).filter(|folder| folder.exists()) {
        collect(&folder, &has_lines, &mut files);
    }
    // a template of Helm has expressions and messages that cannot be wrapped, and its values are written likewise
    files.retain(|path| !path.starts_with(root.join("deploy/helm")));
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        // neither a row of a table nor a dependency with its features can be wrapped
        let is_manifest = path.ends_with("Cargo.toml");
        let can_be_wrapped = |line: &str| !line.starts_with("//! |") && (!is_manifest || line.starts_with('#'));
        for (at, line) in text.lines().enumerate().filter(|(_, line)| can_be_wrapped(line)) {
            let columns = line.chars().count();
            assert!(columns <= LONGEST_LINE, "{}:{}: {columns} columns", path.display(), at + 1);
        }
    }
}

#[test]
fn a_use_tree_is_read_whole_however_deep() {
    let name = ["proxy".to_owned(), "head".to_owned()];
    let mut reader = UseReader { name: &name, uses: BTreeSet::new(), exports: BTreeMap::new() };
    let file = "use crate::{a::{b, c::{D, self}}, e};\n\
        pub use super::f::G as H;\n\
        #[cfg(test)]\nmod tests { use crate::hidden::I; }\n\
        fn j() { crate::k::l(); log!(\"{}\", crate::m::N::o()); }";
    reader.visit_file(&syn::parse_file(file).unwrap());
    let uses: Vec<String> = reader.uses.iter().map(|path| path.join("::")).collect();
    assert_eq!(uses, ["a::b", "a::c", "a::c::D", "e", "k::l", "m::N::o", "proxy::f::G"]);
    assert_eq!(reader.exports["H"].join("::"), "proxy::f::G");
}

#[test]
fn pure_rooms_stay_pure() {
    for source in sources().iter().filter(|source| PURE.contains(&source.room()) && !source.is_tests()) {
        let code = source.code();
        let words: BTreeSet<&str> = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).collect();
        for impure in IMPURE {
            // a crate or module shows by its `::`, a type by its name alone
            let is_type = impure.starts_with(char::is_uppercase);
            // http1 uses the vocabulary of the crate `http`, which does nothing by itself
            if *impure == "http" && source.room() == "http1" {
                continue;
            }
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
    for source in sources().iter().filter(|source| source.room() != "clock" && !source.is_tests()) {
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
        let lines = source.before_tests().lines().count();
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
        for source in sources().iter().filter(|source| source.room() != maker) {
            assert!(!source.code().contains(made), "{} makes an `{made}`", source.path.display());
        }
    }
}

#[test]
fn the_verifiers_share_nothing_with_the_signer() {
    let verifiers = |source: &&Source| source.name.starts_with(&["signing".to_owned(), "verify".to_owned()]);
    let mut count = 0;
    // the claim of Signature Version 2 is where diagnosis starts from
    for source in sources().iter().filter(verifiers).filter(|source| source.name.last().unwrap() != "claim") {
        count += 1;
        for used in &source.uses {
            let used = used.join("::");
            let is_own = used == "signing" || used.starts_with("signing::verify");
            // which dialect it is, how a name is shown, and what a key consists of
            let allowed = ["signing::dialect::Dialect", "query::ShownName", "credentials::"];
            let signs = ["credentials::SigningKey", "credentials::HeldKey", "credentials::KeyUse"].contains(&&*used);
            let is_allowed = allowed.iter().any(|allowed| used.starts_with(allowed)) && !signs;
            assert!(is_own || is_allowed, "{} uses {used}, as the signer does", source.path.display());
        }
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn unsafe_code_is_in_one_package_and_says_each_time_why_it_is_sound() {
    let unsafe_block = ["unsafe", "{"].join(" ");
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(&unsafe_block)) {
            assert_eq!(source.room(), "secret_memory", "{}: {line}", source.path.display());
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
