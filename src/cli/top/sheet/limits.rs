//! Limits as bars.

use super::{Cell, Column, Row, Sheet, Tone};
use crate::cli::top::figures::{bar, bytes, percent};
use crate::status::{Limit, Unit};

/// From so many percent on a limit is told of: a burst may reach it.
const NEARLY: u64 = 80;

pub(super) fn sheet(limits: &[Limit]) -> Sheet {
    let mut sorted: Vec<_> = limits.iter().collect();
    // what is nearest to its limit first; a stable sort, so that rows do not change places for nothing
    sorted.sort_by_key(|limit| std::cmp::Reverse(percent(limit.used, limit.limit)));
    Sheet {
        title: "Limits",
        columns: vec![
            Column::left("SETTING", 0),
            Column::left("IN USE", 1),
            Column::right("USED", 2),
            Column::right("LIMIT", 2),
            Column::left("OF WHAT", 3),
        ],
        rows: sorted.into_iter().map(row).collect(),
        nothing: "no limits",
    }
}

fn row(limit: &Limit) -> Row {
    let used = percent(limit.used, limit.limit);
    let tone = if used >= 100 {
        Tone::Bad
    } else if used >= NEARLY {
        Tone::Warning
    } else {
        Tone::Plain
    };
    let amount = |amount| match limit.unit {
        Unit::Count => u64::to_string(&amount),
        Unit::Bytes => bytes(amount),
    };
    Row {
        cells: vec![
            Cell::plain(&limit.setting),
            Cell::toned(bar(limit.used, limit.limit), tone),
            Cell::plain(amount(limit.used)),
            Cell::plain(amount(limit.limit)),
            Cell::plain(&limit.what),
        ],
        detail: vec![
            format!("{}: {} of {}", limit.what, amount(limit.used), amount(limit.limit)),
            format!("to do when it is full: find out who uses it (Clients), or raise {}", limit.setting),
        ],
    }
}
