//! The last refusals, with what to do about them.

use super::{Cell, Column, Row, Sheet};
use crate::cli::top::figures::ago;
use crate::status::Refusal;

pub(super) fn sheet(refusals: &[Refusal]) -> Sheet {
    Sheet {
        title: "Refusals",
        columns: vec![
            Column::left("WHEN", 1),
            Column::right("TIMES", 5),
            Column::left("CLIENT", 2),
            Column::left("ROUTE", 4),
            Column::left("ACTION", 3),
            Column::left("CODE", 1),
            Column::left("REASON", 0),
        ],
        rows: refusals.iter().map(row).collect(),
        nothing: "nothing was refused since the start",
    }
}

fn row(refusal: &Refusal) -> Row {
    let or_none = |text: &Option<String>| Cell::plain(text.as_deref().unwrap_or("-"));
    Row {
        cells: vec![
            Cell::plain(ago(refusal.ago_seconds)),
            Cell::plain(refusal.times.to_string()),
            Cell::plain(refusal.client.as_deref().unwrap_or(&refusal.peer)),
            or_none(&refusal.route),
            or_none(&refusal.action),
            or_none(&refusal.code),
            Cell::plain(&refusal.reason),
        ],
        detail: detail(refusal),
    }
}

fn detail(refusal: &Refusal) -> Vec<String> {
    let client = refusal.client.as_deref().map_or_else(String::new, |client| format!("{client}, "));
    let status = refusal.status.map_or_else(String::new, |status| format!(", answered with {status}"));
    let mut lines = vec![
        format!("{}: {client}from {} at listener.{}{status}", refusal.at, refusal.peer, refusal.listener),
        format!("cause: {}", refusal.cause),
        format!("to do: {}", refusal.remedy),
    ];
    lines.extend(refusal.request_id.as_ref().map(|id| format!("request id: {id}")));
    lines.extend(refusal.trace_id.as_ref().map(|id| format!("trace id: {id}")));
    lines
}
