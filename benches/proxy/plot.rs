//! Draws the ratios as bars, and how they changed over the history, in SVG.

use std::fmt::Write as _;
use std::path::Path;

use super::history::trend;
use super::peers::Peer;
use super::report::Report;

const ROW: usize = 22;
const LEFT: usize = 480;
/// The width of a bar of ratio 1.
const ONE: f64 = 180.0;
/// Where a trend begins, and how wide it is.
const TREND: (f64, f64) = (950.0, 120.0);
/// Colours of the builds of countersign, in the order in which they are measured.
const REDS: [&str; 3] = ["#d99a8c", "#b5462f", "#6e2415"];

pub fn svg(report: &Report, history: &Path) -> String {
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
            let mut ratios = trend(history, &figure.name(), peer.label());
            ratios.push(ratio.median);
            bars += &line(&ratios, y as f64, colour);
            y += ROW;
        }
    }
    let one = LEFT as f64 + ONE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1090\" height=\"{0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"1090\" height=\"{0}\" fill=\"white\"/>\n\
         <text x=\"{one}\" y=\"20\" text-anchor=\"middle\">nginx = 1</text>\n\
         <line x1=\"{one}\" y1=\"24\" x2=\"{one}\" y2=\"{y}\" stroke=\"black\"/>\n{bars}</svg>\n",
        y + 10
    )
}

/// One line through `ratios`, as high as a bar. The last ratio is in the middle; the upper and the lower edge are 25 %
/// above and below it.
fn line(ratios: &[f64], y: f64, colour: &str) -> String {
    let Some((last, before)) = ratios.split_last().filter(|(_, before)| !before.is_empty()) else {
        return String::new();
    };
    let step = TREND.1 / before.len() as f64;
    let points = ratios.iter().enumerate().map(|(index, ratio)| {
        let height = ((ratio / last - 1.0) / 0.25).clamp(-1.0, 1.0) * 7.0;
        format!("{:.0},{:.1}", TREND.0 + step * index as f64, y + 7.0 - height)
    });
    let points: Vec<String> = points.collect();
    format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n", points.join(" "))
}
