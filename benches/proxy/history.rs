//! How runs are stored: a whole run in a file of its own (`--json`), and its ratios as one line of `history.jsonl`
//! (`--keep`).

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::report::{Report, Stored};

/// A whole run.
#[derive(Serialize, Deserialize)]
pub struct Run {
    pub commit: String,
    pub date: String,
    pub machine: String,
    pub figures: Vec<Stored>,
}

/// A line of the history: the medians of the ratios by figure and peer.
#[derive(Serialize, Deserialize)]
pub struct Line {
    commit: String,
    date: String,
    machine: String,
    ratios: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Run {
    /// A run of the current commit on this machine.
    pub fn of(report: &Report) -> Self {
        let git = Command::new("git").args(["describe", "--always", "--dirty", "--exclude=*"]).output().unwrap();
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let count = processors.lines().filter(|line| line.starts_with("processor")).count();
        Self {
            commit: String::from_utf8(git.stdout).unwrap().trim().to_owned(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            machine: format!("{}, {count} processors", model.trim_start_matches([' ', '\t', ':'])),
            figures: report.stored(),
        }
    }

    pub fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Writes it with one figure a line.
    pub fn write(&self, file: &Path) {
        let text = serde_json::to_string(self).unwrap();
        fs::write(file, text.replace("{\"what\"", "\n{\"what\"") + "\n").unwrap();
    }

    /// Appends it to a history.
    pub fn append(&self, file: &Path) {
        let mut ratios = BTreeMap::<_, BTreeMap<_, _>>::new();
        for figure in self.figures.iter().filter(|figure| figure.peer != figure.beside) {
            if let Some(ratio) = figure.ratio {
                let rounded = (ratio.median * 1000.0).round() / 1000.0;
                ratios.entry(figure.what.clone()).or_default().insert(figure.peer.clone(), rounded);
            }
        }
        let [commit, date, machine] = [&self.commit, &self.date, &self.machine].map(Clone::clone);
        let line = serde_json::to_string(&Line { commit, date, machine, ratios }).unwrap();
        let mut history = fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(history, "{line}").unwrap();
    }

    /// What became worse since `before`: the median of each run is outside the range of the other run's rounds. Towards
    /// the other run, a range has at least two percent: figures with one round would have none.
    pub fn worse_than(&self, before: &Self) -> Vec<String> {
        assert_eq!(self.machine, before.machine, "ratios of two machines cannot be compared");
        let pairs = self.figures.iter().filter_map(|now| {
            let then = before.figures.iter().find(|then| then.what == now.what && then.peer == now.peer)?;
            Some((now, now.ratio?, then.ratio?))
        });
        let worse = pairs.filter(|(figure, now, then)| {
            // a smaller rate is worse; all other figures are worse when they are larger
            let [now, then] =
                [now, then].map(|ratio| if figure.unit.ends_with("/s") { ratio.inverse() } else { *ratio });
            now.median > then.most.max(then.median * 1.02) && then.median < now.least.min(now.median / 1.02)
        });
        worse.map(|(figure, now, then)| format!("{}, {}: {now}, and {then} before", figure.what, figure.peer)).collect()
    }
}

/// The ratios of one figure of a peer, from the first line to the last.
pub fn trend(file: &Path, what: &str, peer: &str) -> Vec<f64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    lines.filter_map(|line| line.ratios.get(what)?.get(peer).copied()).collect()
}
