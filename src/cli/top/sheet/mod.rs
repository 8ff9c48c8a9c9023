//! The report as tables: what `countersign top` shows, on a screen or as plain text.

mod certificates;
mod clients;
mod keys;
mod limits;
mod listeners;
mod refusals;
mod routes;

use crate::status::Report;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) title: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// What stands in place of rows when there are none.
    pub(super) nothing: &'static str,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) side: Side,
    /// On a narrow screen the columns with the highest rank are left out first; rank 0 always stays.
    pub(super) rank: u8,
}

/// Where a cell's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// What is told of the row when it is selected, a line each.
    pub(super) detail: Vec<String>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// How a text is meant. The words say it too: colour only helps to find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
}

/// The number of tables.
pub(super) const COUNT: usize = 7;

/// All tables of a report, in their order.
pub(super) fn all(report: &Report) -> [Sheet; COUNT] {
    [
        routes::sheet(&report.routes),
        keys::sheet(&report.keys),
        clients::sheet(&report.clients),
        limits::sheet(&report.limits),
        refusals::sheet(&report.refusals),
        listeners::sheet(&report.listeners),
        certificates::sheet(&report.certificates),
    ]
}

/// Whose a route or client is.
fn belongs_to(tenant: &str) -> String {
    format!("belongs to tenant {tenant}: conf.d/{tenant}.toml")
}

impl Column {
    const fn left(heading: &'static str, rank: u8) -> Self {
        Self { heading, side: Side::Left, rank }
    }

    const fn right(heading: &'static str, rank: u8) -> Self {
        Self { heading, side: Side::Right, rank }
    }
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A number that is good when it is zero.
    fn trouble(count: u64) -> Self {
        Self::toned(count.to_string(), if count == 0 { Tone::Plain } else { Tone::Warning })
    }
}
