//! Draws tables, each with as many columns as fit.

use std::ops::Range;

use ratatui::style::Style;

use super::canvas::Canvas;
use super::palette::Palette;
use crate::cli::top::plain::widths;
use crate::cli::top::sheet::{Row, Sheet, Side};
use crate::status::Reason;

/// No column is wider: the lines below the table have the whole text.
const WIDEST: usize = 44;

/// The columns between two of them.
const BETWEEN: u16 = 2;

/// How many reasons, and rows of each table, the overview shows at most; the rest is in the table's own tab.
const REASONS: usize = 4;
const ROUTES: usize = 4;
const KEYS: usize = 3;
const LIMITS: usize = 3;
const CLIENTS: usize = 2;

/// A column that is shown.
struct Place {
    /// Its number.
    nth: usize,
    begins: u16,
    width: u16,
}

/// All that an operator looks at first, as far as it fits: why, routes, keys, the fullest limits, clients, the last
/// refusals.
pub(super) fn draw_overview(
    canvas: &mut Canvas<'_>,
    lines: Range<u16>,
    reasons: &[Reason],
    sheets: &[Sheet],
    palette: Palette,
) {
    let [routes, keys, clients, limits, refusals, ..] = sheets else { return };
    let Range { start: mut line, end } = lines;
    if !reasons.is_empty() {
        canvas.put(0, line, "WHY", palette.heading());
        for reason in reasons.iter().take(REASONS) {
            line = line.saturating_add(1);
            canvas.put(2, line, &format!("{}: {}", reason.state, reason.text), Style::new());
        }
        line = line.saturating_add(2);
    }
    for (sheet, most) in [(routes, ROUTES), (keys, KEYS), (limits, LIMITS), (clients, CLIENTS), (refusals, usize::MAX)]
    {
        // a heading without a row says nothing
        if end.saturating_sub(line) < 2 {
            return;
        }
        let shown = Sheet { rows: sheet.rows.iter().take(most).cloned().collect(), ..sheet.clone() };
        line = draw_table(canvas, line..end, &shown, None, palette);
        let hidden = sheet.rows.len().saturating_sub(shown.rows.len());
        if hidden > 0 && line < end {
            canvas.put(2, line, &format!("... and {hidden} more"), Style::new());
            line = line.saturating_add(1);
        }
        line = line.saturating_add(1);
    }
}

/// Draws a table into these lines, so that the selected row is seen. Returns the line after it.
pub(super) fn draw_table(
    canvas: &mut Canvas<'_>,
    lines: Range<u16>,
    sheet: &Sheet,
    selected: Option<usize>,
    palette: Palette,
) -> u16 {
    let Range { start, end } = lines;
    if start >= end {
        return end;
    }
    let first = start.saturating_add(1);
    if sheet.rows.is_empty() {
        canvas.put(0, start, &sheet.title.to_uppercase(), palette.heading());
        if first < end {
            canvas.put(2, first, sheet.nothing, Style::new());
        }
        return first.saturating_add(1).min(end);
    }
    let places = places(sheet, canvas.width());
    for place in &places {
        if let Some(column) = sheet.columns.get(place.nth) {
            put(canvas, place, start, column.heading, column.side, palette.heading());
        }
    }
    let fit = usize::from(end.saturating_sub(first));
    let skipped = selected.map_or(0, |row| row.saturating_add(1).saturating_sub(fit));
    let mut line = first;
    for (nth, row) in sheet.rows.iter().enumerate().skip(skipped).take(fit) {
        draw_row(canvas, line, sheet, row, &places, palette);
        if selected == Some(nth) {
            canvas.mark(line, palette.selected());
        }
        line = line.saturating_add(1);
    }
    line
}

fn draw_row(canvas: &mut Canvas<'_>, line: u16, sheet: &Sheet, row: &Row, places: &[Place], palette: Palette) {
    for place in places {
        if let (Some(cell), Some(column)) = (row.cells.get(place.nth), sheet.columns.get(place.nth)) {
            put(canvas, place, line, &cell.text, column.side, palette.tone(cell.tone));
        }
    }
}

fn put(canvas: &mut Canvas<'_>, place: &Place, line: u16, text: &str, side: Side, style: Style) {
    let width = usize::from(place.width);
    match side {
        Side::Left => canvas.put_cell(place.begins, line, text, place.width, style),
        Side::Right => canvas.put_cell(place.begins, line, &format!("{text:>width$}"), place.width, style),
    }
}

/// Where the columns stand. Those with the highest rank give way first, of several with the same rank the last.
fn places(sheet: &Sheet, width: u16) -> Vec<Place> {
    let natural = widths(sheet).into_iter().map(|width| u16::try_from(width.min(WIDEST)).unwrap_or(u16::MAX));
    let mut kept: Vec<(usize, u16)> = natural.enumerate().collect();
    let rank = |nth: usize| sheet.columns.get(nth).map_or(0, |column| column.rank);
    let taken = |kept: &[(usize, u16)]| {
        kept.iter().fold(0, |taken: u16, (_, width)| taken.saturating_add(*width).saturating_add(BETWEEN))
    };
    while taken(&kept) > width.saturating_add(BETWEEN) && kept.len() > 1 {
        let Some((last, _)) = kept.iter().copied().max_by_key(|(nth, _)| (rank(*nth), *nth)) else { break };
        kept.retain(|(nth, _)| *nth != last);
    }
    let mut begins = 0;
    let place = |(nth, width): (usize, u16)| {
        let place = Place { nth, begins, width };
        begins = begins.saturating_add(width).saturating_add(BETWEEN);
        place
    };
    kept.into_iter().map(place).collect()
}
