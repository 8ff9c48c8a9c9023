//! Tells `src/build_info.rs` the commit of a package: cargo writes it into every `.crate`, where no repository is.

use std::io::{self, Write as _};
use std::{env, fs};

/// Where `cargo package` says which commit it packed. A checkout has no such file.
const PACKED: &str = ".cargo_vcs_info.json";

fn main() -> io::Result<()> {
    let mut cargo = io::stdout();
    writeln!(cargo, "cargo::rerun-if-changed=build.rs")?;
    writeln!(cargo, "cargo::rerun-if-env-changed=COUNTERSIGN_COMMIT")?;
    let told = env::var_os("COUNTERSIGN_COMMIT").is_some_and(|commit| !commit.is_empty());
    if !told && let Some(commit) = fs::read_to_string(PACKED).ok().and_then(|text| commit(&text)) {
        writeln!(cargo, "cargo::rustc-env=COUNTERSIGN_COMMIT={commit}")?;
    }
    Ok(())
}

/// The commit in cargo's file, in the words of `git describe --dirty`. A parser of JSON would be one more crate.
fn commit(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"sha1\": \"")?;
    let (commit, rest) = rest.split_once('"')?;
    let whole = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let dirty = if rest.contains("\"dirty\": true") { "-dirty" } else { "" };
    whole.then(|| format!("{commit}{dirty}"))
}
