//! The figures of all rounds, and their ratios to what each is compared with, as a table and for storing.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::peers::Peer;
use super::works::Beside;

/// One figure of one peer, as it is stored.
#[derive(Serialize, Deserialize)]
pub struct Stored {
    pub what: String,
    pub unit: String,
    pub peer: String,
    pub beside: String,
    pub rounds: Vec<f64>,
    pub ratio: Option<Spread>,
}

/// What a figure measures, for all peers.
pub struct Figure {
    /// What is measured, such as "CPU per request", of the work `work`, such as "32 KB".
    pub measured: &'static str,
    pub work: &'static str,
    pub unit: &'static str,
    pub beside: Beside,
}

/// The values of one figure of one peer, round by round.
struct Series {
    figure: Figure,
    peer: String,
    rounds: Vec<f64>,
}

/// The median, the smallest and the largest of some values.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

/// All figures.
pub struct Report {
    peers: Vec<Peer>,
    series: Vec<Series>,
}

impl Figure {
    /// A figure that belongs to no work, compared with nginx.
    pub const fn of(measured: &'static str, unit: &'static str) -> Self {
        Self { measured, work: "", unit, beside: Beside::Nginx }
    }

    pub fn name(&self) -> String {
        if self.work.is_empty() { self.measured.to_owned() } else { format!("{}: {}", self.measured, self.work) }
    }
}

impl Report {
    pub fn new(peers: &[Peer]) -> Self {
        Self { peers: peers.to_vec(), series: Vec::new() }
    }

    pub fn add(&mut self, figure: Figure, peer: &Peer, value: f64) {
        let known = self.series.iter_mut().find(|known| known.is(figure.measured, figure.work, peer.label()));
        match known {
            Some(series) => series.rounds.push(value),
            None => self.series.push(Series { figure, peer: peer.label().to_owned(), rounds: vec![value] }),
        }
    }

    /// Adds figures of what each additional KB costs, from one size of forms to the next. They are equal if the cost
    /// grows in proportion to the form.
    pub fn growth(&mut self, of: &str, measured: &'static str, growths: &[(&'static str, [&str; 2], f64)]) {
        for (work, [small, large], added) in growths {
            for peer in self.peers.clone() {
                let [small, large] = [small, large].map(|work| self.rounds(of, work, peer.label()).to_vec());
                for (small, large) in small.iter().zip(large) {
                    let figure = Figure { measured, work, unit: "ns", beside: Beside::Nginx };
                    self.add(figure, &peer, (large - small) / added * 1e3);
                }
            }
        }
    }

    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// Each figure once, in the order in which they were measured first.
    pub fn figures(&self) -> Vec<&Figure> {
        let mut figures: Vec<&Figure> = Vec::new();
        for Series { figure, .. } in &self.series {
            if !figures.iter().any(|known| known.measured == figure.measured && known.work == figure.work) {
                figures.push(figure);
            }
        }
        figures
    }

    fn rounds(&self, measured: &str, work: &str, peer: &str) -> &[f64] {
        self.series.iter().find(|series| series.is(measured, work, peer)).map_or(&[], |series| &series.rounds)
    }

    /// The ratios to what the figure is compared with, each to the value of the same round.
    pub fn ratio(&self, figure: &Figure, peer: &Peer) -> Option<Spread> {
        let (work, yardstick) = match figure.beside {
            Beside::Nginx | Beside::Haproxy => (figure.work, figure.beside.name()),
            Beside::Own(work) => (work, peer.label()),
            Beside::Nothing => return Spread::of(self.rounds(figure.measured, figure.work, peer.label())),
        };
        let yardstick = self.rounds(figure.measured, work, yardstick);
        let own = self.rounds(figure.measured, figure.work, peer.label());
        Spread::of(&own.iter().zip(yardstick).map(|(a, b)| a / b).collect::<Vec<_>>())
    }

    /// A table for people, in Markdown: medians, and in brackets the ratio with its smallest and largest round.
    pub fn table(&self) -> String {
        let mut text = String::from("| what | unit | beside |");
        for peer in &self.peers {
            write!(text, " {} |", peer.name()).unwrap();
        }
        writeln!(text, "\n|---|---|---|{}", "---|".repeat(self.peers.len())).unwrap();
        for figure in self.figures() {
            write!(text, "| {} | {} | {} |", figure.name(), figure.unit, figure.beside.name()).unwrap();
            for peer in &self.peers {
                let value = Spread::of(self.rounds(figure.measured, figure.work, peer.label()));
                match (value, self.ratio(figure, peer)) {
                    (Some(spread), _) if figure.beside == Beside::Nothing => write!(text, " {spread} |"),
                    (Some(value), Some(ratio)) if peer.label() != figure.beside.name() => {
                        let Spread { median, least, most } = ratio;
                        write!(text, " {} ({median:.2}; {least:.2}–{most:.2}) |", shown(value.median))
                    }
                    (Some(value), _) => write!(text, " {} |", shown(value.median)),
                    (None, _) => write!(text, " |"),
                }
                .unwrap();
            }
            text.push('\n');
        }
        text
    }

    /// All figures of all peers, for a file.
    pub fn stored(&self) -> Vec<Stored> {
        let stored = |Series { figure, peer, rounds }: &Series| Stored {
            what: figure.name(),
            unit: figure.unit.to_owned(),
            peer: peer.clone(),
            beside: figure.beside.name().to_owned(),
            rounds: rounds.clone(),
            ratio: self.peers.iter().find(|known| known.label() == peer).and_then(|peer| self.ratio(figure, peer)),
        };
        self.series.iter().map(stored).collect()
    }
}

impl Series {
    fn is(&self, measured: &str, work: &str, peer: &str) -> bool {
        self.figure.measured == measured && self.figure.work == work && self.peer == peer
    }
}

impl Spread {
    /// `None` without values. The median of an even number of values is the mean of the two in the middle.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
        Some(Self { median: f64::midpoint(*low, *high), least: *sorted.first()?, most: *sorted.last()? })
    }
}

impl Spread {
    /// The spread of the reciprocals.
    pub const fn inverse(self) -> Self {
        Self { median: 1.0 / self.median, least: 1.0 / self.most, most: 1.0 / self.least }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.least, self.most)
    }
}

fn shown(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
