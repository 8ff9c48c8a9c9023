//! The command line of the benchmark, and the builds it measures.

use std::path::{Path, PathBuf};

use clap::Parser;

/// countersign beside nginx and HAProxy: `cargo bench --bench proxy -- [OPTIONS]`
#[derive(Parser)]
#[command(name = "proxy")]
pub struct Arguments {
    /// Measure this program too, or instead of the build with this label (`plain`, `profile-guided`); repeatable
    #[arg(long, value_name = "LABEL=FILE", value_parser = build)]
    pub binary: Vec<Build>,
    /// Leave out a build by its label, or `nginx` or `HAProxy`; repeatable
    #[arg(long, value_name = "LABEL")]
    pub without: Vec<String>,
    /// Measure only figures whose name contains this text; repeatable
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// How many rounds; in each of them, every peer is measured in turn
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// One short round, to see that everything works
    #[arg(long)]
    pub quick: bool,
    /// Write all rounds of all figures to this file, with commit, date and machine
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Print the figures that became worse since the run in this file, which `--json` wrote on the same machine
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Append the ratios to benches/proxy/history.jsonl
    #[arg(long)]
    pub keep: bool,
    /// Draw the ratios as bars, and their trend over the history, in this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// A program file of countersign that is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Build {
    pub label: String,
    pub file: PathBuf,
}

impl Arguments {
    /// `None` under `cargo test`, which only wants to know that the benchmark builds.
    pub fn of_bench() -> Option<Self> {
        std::env::args().any(|argument| argument == "--bench").then(Self::parse)
    }

    /// Whether one of these figures is to be measured.
    pub fn wants(&self, figures: &[&str]) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| figures.iter().any(|figure| figure.contains(text)))
    }

    /// cargo's own build and the one of `packaging/build-release`, and those of the command line.
    pub fn builds(&self, plain: &Path) -> Vec<Build> {
        let profile_guided = plain.ancestors().nth(2).unwrap_or(plain).join("profile-guided/countersign");
        let named = |label: &str, file: &Path| Build { label: label.to_owned(), file: file.to_owned() };
        let mut builds = vec![named("plain", plain), named("profile-guided", &profile_guided)];
        for given in &self.binary {
            match builds.iter_mut().find(|build| build.label == given.label) {
                Some(build) => build.clone_from(given),
                None => builds.push(given.clone()),
            }
        }
        builds.retain(|build| !self.without.contains(&build.label));
        builds.retain(|build| {
            let there = build.file.is_file();
            let is_default = build.file == profile_guided;
            assert!(there || is_default, "{}: {} is not a file", build.label, build.file.display());
            if !there {
                let file = build.file.display();
                eprintln!("profile-guided: not measured: {file} is missing; packaging/build-release makes it");
            }
            there
        });
        builds
    }
}

fn build(text: &str) -> Result<Build, String> {
    let (label, file) = text.split_once('=').ok_or("write LABEL=FILE")?;
    // the label is also the name of a directory
    if label.is_empty() || !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err(format!("label {label:?}: letters, digits, `-`, `_` and `.` are allowed"));
    }
    Ok(Build { label: label.to_owned(), file: PathBuf::from(file) })
}
