//! The status as plain text, all of it: for scripts, logs and terminals that can do nothing.

use std::fmt::Write as _;

use super::figures::seconds;
use super::report::Fetched;
use super::sheet::{self, Row, Sheet, Side};
use crate::status::{AuditState, Report};

/// The whole report.
pub(super) fn text(fetched: &Fetched) -> String {
    let report = &fetched.report;
    let mut text = format!("countersign {}: {}\n", report.version, report.state.word().to_uppercase());
    for line in head(fetched) {
        text.push_str(&line);
        text.push('\n');
    }
    if !report.reasons.is_empty() {
        text.push_str("\nWhy\n");
        for reason in &report.reasons {
            let _infallible = writeln!(text, "  {}: {}", reason.state, reason.text);
        }
    }
    for sheet in &sheet::all(report) {
        let _infallible = writeln!(text, "\n{}", sheet.title);
        write_sheet(&mut text, sheet);
    }
    text
}

/// What is known beside the tables.
pub(super) fn head(Fetched { from, report, .. }: &Fetched) -> Vec<String> {
    let mut lines = vec![format!(
        "{from} at {}, up {} since {}, {} workers",
        report.at,
        seconds(report.process.uptime_seconds),
        report.process.started_at,
        report.process.workers
    )];
    let configuration = &report.configuration;
    let refused = configuration
        .refused_at
        .as_ref()
        .map_or_else(String::new, |at| format!("; the one read at {at} was REFUSED, and the log says why"));
    lines.push(format!("configuration {}{refused}", configuration.generation));
    lines.extend(audit(report));
    lines
}

/// The audit, where there is something to tell of it.
fn audit(report: &Report) -> Option<String> {
    let lost = report.audit.lost_lines;
    let lost_text = if lost > 0 { format!(", {lost} lines are lost") } else { String::new() };
    match report.audit.state {
        AuditState::Refusing => Some(format!("audit: CANNOT BE WRITTEN, requests are refused for that{lost_text}")),
        AuditState::Writing => Some(format!("audit: written{lost_text}")),
        AuditState::Off => None,
    }
}

fn write_sheet(text: &mut String, sheet: &Sheet) {
    if sheet.rows.is_empty() {
        let _infallible = writeln!(text, "  {}", sheet.nothing);
        return;
    }
    let widths = widths(sheet);
    let heading: Vec<&str> = sheet.columns.iter().map(|column| column.heading).collect();
    write_row(text, sheet, &widths, &heading);
    for row in &sheet.rows {
        let cells: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
        write_row(text, sheet, &widths, &cells);
        for line in told(row) {
            let _infallible = writeln!(text, "      {line}");
        }
    }
}

/// What is told of a row that has something wrong.
fn told(row: &Row) -> &[String] {
    let is_wrong = row.cells.iter().any(|cell| match cell.tone {
        sheet::Tone::Bad | sheet::Tone::Warning => true,
        sheet::Tone::Plain | sheet::Tone::Good => false,
    });
    if is_wrong { &row.detail } else { &[] }
}

/// No column is wider, in characters, and a longer cell moves those behind it: one long name in a report of thousands
/// of rows would otherwise be as many gigabytes of spaces, and `format!` panics from 65,536 on.
const WIDEST: usize = 200;

/// The width of each column: that of its longest cell.
pub(super) fn widths(sheet: &Sheet) -> Vec<usize> {
    let cells = |nth: usize| sheet.rows.iter().filter_map(move |row| row.cells.get(nth));
    let of = |(nth, column): (usize, &sheet::Column)| {
        let longest = cells(nth).map(|cell| cell.text.chars().count()).max().unwrap_or_default();
        longest.max(column.heading.chars().count()).min(WIDEST)
    };
    sheet.columns.iter().enumerate().map(of).collect()
}

fn write_row(text: &mut String, sheet: &Sheet, widths: &[usize], cells: &[&str]) {
    let mut line = String::new();
    for ((column, width), cell) in sheet.columns.iter().zip(widths).zip(cells) {
        let _infallible = match column.side {
            Side::Left => write!(line, "  {cell:<width$}"),
            Side::Right => write!(line, "  {cell:>width$}"),
        };
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../status/sample.json");

    fn fetched(change: impl FnOnce(&mut Report)) -> Fetched {
        let mut report = serde_json::from_str(SAMPLE).unwrap();
        change(&mut report);
        Fetched { from: "http://127.0.0.1:8022".to_owned(), report, document: serde_json::Value::Null }
    }

    #[test]
    fn whoever_reads_it_learns_what_is_wrong_and_what_to_do() {
        let text = text(&fetched(|_| {}));
        for expected in [
            "countersign 1.0.0: NOT READY\n",
            "http://127.0.0.1:8022 at 2026-11-30T03:00:00Z, up 6 h since",
            "configuration 3; the one read at 2026-11-30T02:58:00Z was REFUSED",
            "  not ready: key.main: the key has expired\n",
            "\nRoutes\n  ROUTE  ENDPOINT ",
            "DOWN",
            "to do: Look at the endpoint, its port, and firewalls on the way.",
            "the endpoint's clock is 12 s behind this host's",
            "UNUSABLE  60 min AGO",
            "ends soon",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let text = text(&fetched(|report| {
            let mut other = report.keys[0].clone();
            other.name = "a-key-with-a-long-name".to_owned();
            report.keys.push(other);
        }));
        let lines: Vec<&str> = text.lines().skip_while(|line| *line != "Keys").collect();
        let column = lines[1].find("STATE").unwrap();
        let states: Vec<&str> = lines.iter().take(12).filter_map(|line| line.get(column..column + 8)).collect();
        assert_eq!(states.iter().filter(|state| **state == "UNUSABLE").count(), 2, "{text}");
    }

    #[test]
    fn a_name_of_any_length_is_told_whole_and_does_not_widen_the_other_rows() {
        let long = "x".repeat(100_000);
        let text = text(&fetched(|report| {
            let mut other = report.keys[0].clone();
            other.name.clone_from(&long);
            report.keys.push(other);
        }));
        assert!(text.contains(&long));
        assert!(text.lines().all(|line| line.len() < 1000 || line.contains(&long)));
    }

    #[test]
    fn an_audit_that_cannot_be_written_is_told_and_one_that_is_off_is_not() {
        let with =
            |state, lost_lines| text(&fetched(|report| report.audit = crate::status::Audit { state, lost_lines }));
        assert!(
            with(AuditState::Refusing, 3).contains("audit: CANNOT BE WRITTEN, requests are refused for that, 3 lines")
        );
        assert!(with(AuditState::Writing, 0).contains("\naudit: written\n"));
        assert!(!with(AuditState::Off, 0).contains("audit"));
    }
}
