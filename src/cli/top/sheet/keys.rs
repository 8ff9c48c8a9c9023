//! Keys: where they are kept, and whether they can sign.

use super::{Cell, Column, Row, Sheet, Tone};
use crate::cli::top::figures::until;
use crate::status::{Key, KeyState};

/// A key that ends so soon has to be renewed; one of a store that renews it by itself is told of only when that fails.
const SOON: i64 = 14 * 24 * 3600;

pub(super) fn sheet(keys: &[Key]) -> Sheet {
    Sheet {
        title: "Keys",
        columns: vec![
            Column::left("KEY", 0),
            Column::left("STATE", 1),
            Column::left("EXPIRES", 2),
            Column::left("STORE", 3),
            Column::left("ACCESS KEY ID", 4),
            Column::right("GENERATION", 5),
        ],
        rows: keys.iter().map(row).collect(),
        nothing: "no keys",
    }
}

fn row(key: &Key) -> Row {
    let (state, tone) = match key.state {
        KeyState::Usable => ("usable", Tone::Good),
        KeyState::Degraded => ("degraded", Tone::Warning),
        KeyState::Unusable => ("UNUSABLE", Tone::Bad),
    };
    Row {
        cells: vec![
            Cell::plain(&key.name),
            Cell::toned(state, tone),
            expiry(key),
            Cell::plain(&key.store),
            Cell::plain(key.id.as_deref().unwrap_or("-")),
            Cell::plain(key.generation.to_string()),
        ],
        detail: detail(key),
    }
}

fn expiry(key: &Key) -> Cell {
    let Some(left) = key.expires_in_seconds else { return Cell::plain("never") };
    let renews_itself = ["process", "aws"].contains(&key.store.as_str());
    let tone = if left <= 0 {
        Tone::Bad
    } else if left < SOON && !renews_itself {
        Tone::Warning
    } else {
        Tone::Plain
    };
    Cell::toned(until(left), tone)
}

fn detail(key: &Key) -> Vec<String> {
    let mut lines = Vec::new();
    match key.state {
        KeyState::Usable => lines.push(format!("key.{} signs", key.name)),
        KeyState::Degraded => {
            lines
                .push(format!("key.{} signs, but its store gives no newer key: the last good one is in use", key.name));
        }
        KeyState::Unusable => lines.push(format!("key.{} cannot sign: its requests are answered with 503", key.name)),
    }
    lines.extend(key.trouble.as_ref().map(|trouble| format!("trouble: {trouble}")));
    lines.extend(key.expires_at.as_ref().map(|at| format!("ends: {at}")));
    if key.state != KeyState::Usable {
        lines.push("to do: put a usable key into the store; it is taken into use by itself".to_owned());
    }
    lines
}
