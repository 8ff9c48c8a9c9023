//! Medians, ratios to nginx in the same round, and the ways they are shown: a table, JSON, a plot.

use std::fmt::Write as _;

use super::peers::{PEERS, Peer};

/// One figure of one peer, over the rounds.
pub struct Figure {
    pub what: String,
    pub unit: &'static str,
    pub peer: Peer,
    pub rounds: Vec<f64>,
}

/// All figures.
#[derive(Default)]
pub struct Report(pub Vec<Figure>);

impl Report {
    pub fn add(&mut self, what: &str, unit: &'static str, peer: Peer, value: f64) {
        match self.0.iter_mut().find(|figure| figure.what == what && figure.peer == peer) {
            Some(figure) => figure.rounds.push(value),
            None => self.0.push(Figure { what: what.to_owned(), unit, peer, rounds: vec![value] }),
        }
    }

    fn names(&self) -> Vec<(&str, &'static str)> {
        let mut names: Vec<(&str, &'static str)> = Vec::new();
        for figure in &self.0 {
            if !names.iter().any(|(name, _)| *name == figure.what) {
                names.push((&figure.what, figure.unit));
            }
        }
        names
    }

    fn rounds(&self, what: &str, peer: Peer) -> &[f64] {
        self.0.iter().find(|figure| figure.what == what && figure.peer == peer).map_or(&[], |figure| &figure.rounds)
    }

    /// The median over rounds of the ratio to nginx in the same round.
    fn ratio(&self, what: &str, peer: Peer) -> Option<f64> {
        let yardstick = self.rounds(what, Peer::Nginx).iter();
        let ratios: Vec<f64> = self.rounds(what, peer).iter().zip(yardstick).map(|(a, b)| a / b).collect();
        median(&ratios)
    }

    /// A table for people, in Markdown.
    pub fn table(&self) -> String {
        let mut text = String::from("| what | unit |");
        for peer in PEERS {
            write!(text, " {} |", peer.name()).unwrap();
        }
        writeln!(text, "\n|---|---|{}", "---|".repeat(PEERS.len())).unwrap();
        for (what, unit) in self.names() {
            write!(text, "| {what} | {unit} |").unwrap();
            for peer in PEERS {
                match (median(self.rounds(what, peer)), self.ratio(what, peer)) {
                    (Some(value), Some(ratio)) if peer != Peer::Nginx => {
                        write!(text, " {} ({ratio:.2}) |", shown(value))
                    }
                    (Some(value), _) => write!(text, " {} |", shown(value)),
                    (None, _) => write!(text, " |"),
                }
                .unwrap();
            }
            text.push('\n');
        }
        text
    }

    /// Everything, for machines.
    pub fn json(&self) -> String {
        let figures: Vec<serde_json::Value> = self
            .0
            .iter()
            .map(|figure| {
                serde_json::json!({"what": figure.what, "unit": figure.unit, "peer": figure.peer.name(),
                    "rounds": figure.rounds, "median": median(&figure.rounds),
                    "ratio_to_nginx": self.ratio(&figure.what, figure.peer)})
            })
            .collect();
        serde_json::to_string_pretty(&figures).unwrap()
    }

    /// The ratios to nginx as bars.
    pub fn svg(&self) -> String {
        const ROW: usize = 22;
        const LEFT: usize = 400;
        const ONE: f64 = 180.0; // the width of nginx's bar
        let mut bars = String::new();
        let mut y = 30;
        for (what, _) in self.names() {
            for peer in [Peer::Haproxy, Peer::Countersign] {
                let Some(ratio) = self.ratio(what, peer) else { continue };
                let (width, colour) =
                    (ratio.min(2.2) * ONE, if peer == Peer::Countersign { "#b5462f" } else { "#8a9bad" });
                writeln!(
                    bars,
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{what}, {}</text>\
                     <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.0}\" \
                     height=\"14\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{}\">{ratio:.2}</text>",
                    LEFT - 8,
                    y + 12,
                    peer.name(),
                    LEFT as f64 + width + 6.0,
                    y + 12
                )
                .unwrap();
                y += ROW;
            }
        }
        let one = LEFT as f64 + ONE;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"880\" height=\"{0}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"880\" height=\"{0}\" fill=\"white\"/>\n\
             <text x=\"{one}\" y=\"20\" text-anchor=\"middle\">nginx = 1</text>\n\
             <line x1=\"{one}\" y1=\"24\" x2=\"{one}\" y2=\"{y}\" stroke=\"black\"/>\n{bars}</svg>\n",
            y + 10
        )
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

fn shown(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
