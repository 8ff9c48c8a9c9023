//! The ratios as bars, in SVG.

use std::fmt::Write as _;

use super::peers::Peer;
use super::report::Report;

const ROW: usize = 22;
const LEFT: usize = 480;
/// The width of a bar of ratio 1.
const ONE: f64 = 180.0;
/// Builds of countersign, in the order in which they are measured.
const REDS: [&str; 3] = ["#d99a8c", "#b5462f", "#6e2415"];

pub fn svg(report: &Report) -> String {
    let mut bars = String::new();
    let mut y = 30;
    for figure in report.figures() {
        let mut reds = REDS.iter().cycle();
        for peer in report.peers() {
            let colour = match peer {
                Peer::Countersign(_) => reds.next().unwrap(),
                Peer::Nginx | Peer::Haproxy => "#8a9bad",
            };
            let Some(ratio) = report.ratio(figure, peer) else { continue };
            if peer.label() == figure.beside.name() {
                continue;
            }
            let width = ratio.median.min(2.2) * ONE;
            writeln!(
                bars,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}, {}</text>\
                 <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.0}\" \
                 height=\"14\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{}\">{:.2}</text>",
                LEFT - 8,
                y + 12,
                figure.name(),
                peer.name(),
                LEFT as f64 + width + 6.0,
                y + 12,
                ratio.median
            )
            .unwrap();
            y += ROW;
        }
    }
    let one = LEFT as f64 + ONE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"{0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"960\" height=\"{0}\" fill=\"white\"/>\n\
         <text x=\"{one}\" y=\"20\" text-anchor=\"middle\">nginx = 1</text>\n\
         <line x1=\"{one}\" y1=\"24\" x2=\"{one}\" y2=\"{y}\" stroke=\"black\"/>\n{bars}</svg>\n",
        y + 10
    )
}
