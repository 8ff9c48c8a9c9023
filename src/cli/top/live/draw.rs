//! Draws the state of the screen. Characters of ASCII alone: a serial console at night has no others.
//!
//! Texts are put into the buffer of ratatui line by line, without its widgets and its solver for layouts: together they
//! would make the program 130 KB larger, for tables that need neither.

use std::time::Instant;

use ratatui::Frame;
use ratatui::style::Style;

use super::canvas::{Canvas, wrapped};
use super::palette::Palette;
use super::tables::{draw_overview, draw_table};
use super::view::View;
use crate::cli::top::figures::seconds;
use crate::cli::top::report::Fetched;
use crate::cli::top::sheet::{self, Tone};
use crate::status::State;

/// The line of the tabs, and the first below them.
const TABS: u16 = 2;
const BODY: u16 = 4;

const TITLES: [&str; 8] = ["Overview", "Routes", "Keys", "Clients", "Limits", "Refusals", "Listeners", "Certs"];

const HELP: [&str; 16] = [
    "Keys",
    "",
    "  q, Esc, Ctrl-C    quit",
    "  Tab, Right        the next table",
    "  Shift-Tab, Left   the table before",
    "  1 to 8            a table by its number",
    "  Up, Down, k, j    the row before, the next; what it is about stands below the table",
    "  PgUp, PgDn        ten rows",
    "  Home, End         the first row, the last",
    "  p, Space          pause, and go on",
    "  r                 ask now",
    "  +, -              ask less often, more often",
    "  Ctrl-L            draw the screen anew",
    "  Ctrl-Z            back to the shell until `fg`",
    "",
    "Any key leads back.",
];

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, palette: Palette) {
    let canvas = &mut Canvas::of(frame);
    draw_head(canvas, view, palette);
    draw_state(canvas, view, palette);
    draw_tabs(canvas, view, palette);
    let foot = canvas.height().saturating_sub(1);
    if view.help {
        for (line, text) in (BODY..foot).zip(HELP) {
            canvas.put(0, line, text, Style::new());
        }
    } else if let Some((fetched, _)) = &view.latest {
        draw_body(canvas, view, fetched, palette);
    } else if let Some((_, why)) = &view.silence {
        let lines = why.lines().flat_map(|reason| wrapped(reason, canvas.width()));
        for (line, text) in (BODY..foot).zip(lines.collect::<Vec<_>>()) {
            canvas.put(0, line, &text, Style::new());
        }
    }
    if foot > TABS {
        canvas.put(0, foot, &foot_line(view), Style::new());
    }
}

fn draw_head(canvas: &mut Canvas<'_>, view: &View, palette: Palette) {
    let Some((fetched, _)) = &view.latest else {
        canvas.put(0, 0, &format!("countersign at {}", view.from), Style::new());
        return;
    };
    let report = &fetched.report;
    let right = format!(
        "{}  up {}  configuration {}",
        view.from,
        seconds(report.process.uptime_seconds),
        report.configuration.generation
    );
    let begins = canvas.width().saturating_sub(u16::try_from(right.chars().count()).unwrap_or(u16::MAX));
    canvas.put(begins, 0, &right, Style::new());
    // the state goes before the rest where there is no place for both
    let (word, tone) = state_of(view, report.state);
    let after = canvas.put(0, 0, &format!("countersign {}  ", report.version), Style::new());
    let after = canvas.put(after, 0, &word, palette.tone(tone));
    canvas.put(after, 0, if view.paused { "  PAUSED" } else { " " }, Style::new());
}

/// The state in one word. What was so before nobody answered may not be so any more.
fn state_of(view: &View, state: State) -> (String, Tone) {
    if view.silence.is_some() {
        return (format!("was {}", state.word()), Tone::Warning);
    }
    let tone = match state {
        State::Ok => Tone::Good,
        State::Degraded | State::Draining => Tone::Warning,
        State::NotReady => Tone::Bad,
    };
    (state.word().to_uppercase(), tone)
}

/// Why the state is what it is; or since when nobody answers.
fn draw_state(canvas: &mut Canvas<'_>, view: &View, palette: Palette) {
    let (text, tone) = match (&view.silence, &view.latest) {
        (Some((since, why)), _) => {
            let since = seconds(Instant::now().saturating_duration_since(*since).as_secs());
            // the line above has the address
            let why = why.strip_prefix(&format!("{}: ", view.from)).unwrap_or(why).replace('\n', "; ");
            (format!("NOT REACHABLE since {since}: {why}"), Tone::Bad)
        }
        (None, None) => ("asking ...".to_owned(), Tone::Plain),
        (None, Some((fetched, _))) => match fetched.report.reasons.split_first() {
            None => (String::new(), Tone::Plain),
            Some((first, rest)) => {
                let more = if rest.is_empty() { String::new() } else { format!("(and {} more) ", rest.len()) };
                let tone = if first.state.is_ready() { Tone::Warning } else { Tone::Bad };
                (format!("{more}{}", first.text), tone)
            }
        },
    };
    canvas.put(0, 1, &text, palette.tone(tone));
}

fn draw_tabs(canvas: &mut Canvas<'_>, view: &View, palette: Palette) {
    let mut column = 0;
    for (nth, title) in TITLES.into_iter().enumerate() {
        let style = if nth == view.tab { palette.selected() } else { Style::new() };
        column = canvas.put(column, TABS, &format!("{}{title}", nth.saturating_add(1)), style).saturating_add(1);
    }
}

fn foot_line(view: &View) -> String {
    let age = view.latest.as_ref().map_or(0, |(_, at)| Instant::now().saturating_duration_since(*at).as_secs());
    let is_old = age > view.interval.as_secs().saturating_add(1);
    let age = if is_old { format!("as of {} ago  ", seconds(age)) } else { String::new() };
    let interval = view.interval.as_secs_f64();
    format!("{age}q quit  Tab table  Up/Down row  p pause  +/- every {interval} s  r now  ? help")
}

fn draw_body(canvas: &mut Canvas<'_>, view: &View, fetched: &Fetched, palette: Palette) {
    let sheets = sheet::all(&fetched.report);
    let end = canvas.height().saturating_sub(1);
    let Some(sheet) = view.tab.checked_sub(1).and_then(|nth| sheets.get(nth)) else {
        draw_overview(canvas, BODY..end, &fetched.report.reasons, &sheets, palette);
        return;
    };
    let row = view.row(sheet.rows.len());
    let detail = sheet.rows.get(row).map(|row| row.detail.as_slice()).unwrap_or_default();
    let lines: Vec<_> = detail.iter().flat_map(|line| wrapped(line, canvas.width())).collect();
    let begins = end.saturating_sub(detail_height(lines.len(), end.saturating_sub(BODY)));
    draw_table(canvas, BODY..begins, sheet, Some(row), palette);
    for (line, text) in (begins.saturating_add(1)..end).zip(&lines) {
        canvas.put(0, line, text, Style::new());
    }
}

/// How many lines tell of the selected row, an empty one before them included: what is to be done comes last, so they
/// are not cut while the table keeps some lines.
fn detail_height(lines: usize, body: u16) -> u16 {
    /// As for most rows, so that the table keeps its height while the selection moves.
    const USUAL: usize = 7;
    const TABLE: u16 = 4;
    let needed = lines.saturating_add(1).max(USUAL);
    u16::try_from(needed).unwrap_or(u16::MAX).min(body.saturating_sub(TABLE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use ratatui::style::Color;

    use super::*;
    use crate::status::Report;

    const SAMPLE: &str = include_str!("../../../status/sample.json");

    fn view(change: impl FnOnce(&mut Report)) -> View {
        let mut report = serde_json::from_str(SAMPLE).unwrap();
        change(&mut report);
        let mut view = View::new("http://127.0.0.1:8022".to_owned(), Duration::from_secs(2));
        view.take(Ok(Fetched { from: "http://127.0.0.1:8022".to_owned(), report, document: serde_json::Value::Null }));
        view
    }

    fn press(view: &mut View, code: KeyCode) {
        view.press(KeyEvent::new(code, KeyModifiers::NONE));
    }

    fn drawn(view: &View, (columns, lines): (u16, u16), palette: Palette) -> (Vec<String>, Vec<Color>) {
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
        terminal.draw(|frame| draw(frame, view, palette)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let symbols: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        let text = symbols.chunks(columns.into()).map(|line| line.concat().trim_end().to_owned()).collect();
        let colours =
            buffer.content().iter().flat_map(|cell| [cell.fg, cell.bg]).filter(|colour| *colour != Color::Reset);
        (text, colours.collect())
    }

    fn text(view: &View, size: (u16, u16)) -> String {
        drawn(view, size, Palette::Colours).0.join("\n")
    }

    const SMALL: (u16, u16) = (80, 24);
    const LARGE: (u16, u16) = (160, 50);

    #[test]
    fn the_first_screen_says_what_is_wrong_and_where() {
        for size in [SMALL, LARGE] {
            let text = text(&view(|_| {}), size);
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[0].starts_with("countersign 1.0.0  NOT READY"), "{text}");
            assert!(lines[0].ends_with("http://127.0.0.1:8022  up 6 h  configuration 3"), "{text}");
            assert_eq!(lines[1], "(and 1 more) key.main: the key has expired");
            for expected in ["1Overview 2Routes", "WHY", "ROUTE ", "DOWN", "UNUSABLE", "CLIENT", "reporting", "WHEN"] {
                assert!(text.contains(expected), "{expected}\n{text}");
            }
            assert!(lines.last().unwrap().starts_with("q quit  Tab table"), "{text}");
        }
    }

    #[test]
    fn every_table_and_the_help_fit_on_the_smallest_screen() {
        let mut view = view(|_| {});
        for (tab, expected) in [
            ('2', ["ROUTE", "to do: Look at the endpoint"]),
            ('3', ["GENERATION", "trouble: the key has expired"]),
            ('4', ["SHARE IN USE", "may call 10 times a second, 20 at once"]),
            ('5', ["IN USE", "to do when it is full"]),
            ('6', ["REASON", "to do: "]),
            ('7', ["CONNECTIONS", "listener.local at 127.0.0.1:8021"]),
            ('8', ["EXPIRES", "to do: renew the certificate"]),
        ] {
            press(&mut view, KeyCode::Char(tab));
            for size in [SMALL, LARGE] {
                let text = text(&view, size);
                assert!(expected.iter().all(|expected| text.contains(expected)), "{expected:?}\n{text}");
            }
        }
        press(&mut view, KeyCode::Char('?'));
        assert!(text(&view, SMALL).contains("Any key leads back."));
    }

    #[test]
    fn a_wide_screen_has_more_columns() {
        let mut view = view(|_| {});
        press(&mut view, KeyCode::Char('2'));
        let heading = |size| text(&view, size).lines().find(|line| line.starts_with("ROUTE")).unwrap().to_owned();
        assert!(!heading(SMALL).contains("ENDPOINT") && heading(LARGE).contains("ENDPOINT"));
        for column in ["STATE", "CALLS/S", "FAILED/MIN"] {
            assert!(heading(SMALL).contains(column), "{}", heading(SMALL));
        }
    }

    #[test]
    fn more_routes_than_fit_are_counted_and_the_selected_row_is_always_seen() {
        let mut view = view(|report| {
            let route = report.routes[0].clone();
            report.reasons.clear();
            report.routes =
                (0..60).map(|nth| crate::status::Route { name: format!("route-{nth}"), ..route.clone() }).collect();
        });
        assert!(text(&view, SMALL).contains("... and 56 more"), "{}", text(&view, SMALL));
        press(&mut view, KeyCode::Char('2'));
        press(&mut view, KeyCode::End);
        assert!(text(&view, SMALL).contains("route-59"));
        assert!(!text(&view, SMALL).contains("route-0 "));
    }

    #[test]
    fn no_answer_is_told_with_its_time_and_the_last_report_stays() {
        let mut asked = View::new("http://127.0.0.1:1".to_owned(), Duration::from_secs(2));
        assert!(text(&asked, SMALL).contains("asking ..."));
        asked.take(Err("http://127.0.0.1:1: nobody listens there".to_owned()));
        assert!(text(&asked, SMALL).contains("NOT REACHABLE since 0 s: nobody listens there"));
        let mut view = view(|_| {});
        view.take(Err("gone".to_owned()));
        let text = text(&view, SMALL);
        assert!(
            text.contains("was not ready") && text.contains("NOT REACHABLE since") && text.contains("DOWN"),
            "{text}"
        );
    }

    #[test]
    fn without_colours_the_words_are_the_same() {
        let view = view(|_| {});
        let (coloured, colours) = drawn(&view, SMALL, Palette::Colours);
        assert!(!colours.is_empty());
        assert_eq!(drawn(&view, SMALL, Palette::Weights), (coloured, Vec::new()));
    }

    #[test]
    fn no_size_and_no_report_panics() {
        let mut view = view(|report| {
            report.routes.clear();
            report.keys.clear();
            report.refusals.clear();
        });
        for size in [(1, 1), (2, 2), (10, 3), (79, 5), (20, 24), (500, 2), (300, 200)] {
            for tab in '1'..='8' {
                press(&mut view, KeyCode::Char(tab));
                drawn(&view, size, Palette::Colours);
            }
        }
    }
}
