//! Listeners and limits on the page, with bars.

use super::amounts::{bytes, count, permille};
use super::html::{Html, text};
use super::table::{Row, Table, Weight, badge, bar};
use crate::status::{Limit, Listener, TokenKeys, Unit};

pub(super) fn table(listeners: &[Listener]) -> Table {
    Table {
        title: "Listeners",
        id: "listeners",
        headings: &["Listener", "Address", "Clients identify themselves by", "Connections"],
        rows: listeners.iter().map(listener).collect(),
        empty: "There are none.",
    }
}

fn listener(listener: &Listener) -> Row {
    let fullness = permille(listener.connections, listener.connections_limit);
    let (keys, keys_weight) = match listener.token_keys {
        TokenKeys::NotNeeded | TokenKeys::Known => (None, Weight::Calm),
        TokenKeys::Awaited => {
            let mut awaited = badge(Weight::Bad, "no keys yet");
            awaited.note("those of its token issuer have not been fetched");
            (Some(awaited), Weight::Bad)
        }
    };
    let mut name = Html::default();
    name.span("name", &listener.name);
    let mut address = Html::default();
    address.code(&listener.address).note(if listener.tls { "TLS" } else { "without TLS" });
    let mut callers = text(listener.authenticate.join(", "));
    if let Some(keys) = keys {
        callers.markup(" ").piece(&keys);
    }
    let connections = bar(&count(listener.connections), &count(listener.connections_limit), fullness);
    Row {
        id: Some(format!("listener.{}", listener.name)),
        weight: keys_weight.min(Weight::of_fullness(fullness)),
        cells: vec![name, address, callers, connections],
        more: None,
    }
}

/// The fullest first.
pub(super) fn limits(limits: &[Limit]) -> Table {
    let mut limits: Vec<&Limit> = limits.iter().collect();
    limits.sort_by_key(|limit| std::cmp::Reverse(permille(limit.used, limit.limit)));
    Table {
        title: "Limits",
        id: "limits",
        headings: &["Limit", "In use"],
        rows: limits.into_iter().map(limit).collect(),
        empty: "There are none.",
    }
}

fn limit(limit: &Limit) -> Row {
    let shown = |amount: u64| match limit.unit {
        Unit::Count => count(amount),
        Unit::Bytes => bytes(amount),
    };
    let fullness = permille(limit.used, limit.limit);
    let mut name = Html::default();
    name.span("name", &limit.what).note(&limit.setting);
    let cells = vec![name, bar(&shown(limit.used), &shown(limit.limit), fullness)];
    Row { id: None, weight: Weight::of_fullness(fullness), cells, more: None }
}
