//! Clients: how they call, and how much of their shares they use.

use super::{Cell, Column, Row, Sheet, Tone, belongs_to};
use crate::cli::top::figures::{bar, per_second};
use crate::status::{Client, ClientKind, Mode};

pub(super) fn sheet(clients: &[Client]) -> Sheet {
    Sheet {
        title: "Clients",
        columns: vec![
            Column::left("CLIENT", 0),
            Column::right("CALLS/S", 1),
            Column::right("REFUSED/MIN", 2),
            Column::right("FAILED/MIN", 4),
            Column::right("CALLS", 6),
            Column::right("REFUSED", 5),
            Column::right("OVER SHARE", 3),
            Column::left("SHARE IN USE", 2),
            Column::left("RULES", 7),
        ],
        rows: clients.iter().map(row).collect(),
        nothing: "no clients",
    }
}

fn row(client: &Client) -> Row {
    let (rules, tone) = match (client.kind, client.mode) {
        (ClientKind::AnyLocal, _) => ("none", Tone::Plain),
        (ClientKind::Client, Mode::Enforce) => ("enforced", Tone::Plain),
        (ClientKind::Client, Mode::Record) => ("RECORDED ONLY", Tone::Warning),
    };
    let share = client.share.as_ref().map_or_else(
        || Cell::plain("-"),
        |share| {
            let full = share.used >= share.share;
            Cell::toned(bar(share.used, share.share), if full { Tone::Bad } else { Tone::Plain })
        },
    );
    Row {
        cells: vec![
            Cell::plain(&client.name),
            Cell::plain(per_second(client.traffic.per_second)),
            Cell::trouble(client.traffic.refused),
            Cell::trouble(client.traffic.failed),
            Cell::plain(client.exchanges.total().to_string()),
            Cell::plain(client.exchanges.refused.to_string()),
            Cell::trouble(client.over_share),
            share,
            Cell::toned(rules, tone),
        ],
        detail: detail(client),
    }
}

fn detail(client: &Client) -> Vec<String> {
    let mut lines = vec![match client.kind {
        ClientKind::AnyLocal => "all callers of listeners with any_local = true, who have no names".to_owned(),
        ClientKind::Client => format!("client.{}", client.name),
    }];
    if let Some(tenant) = &client.tenant {
        lines.push(belongs_to(tenant));
    }
    if let Some(limit) = &client.rate_limit {
        let period = if limit.period_seconds == 1 { "second" } else { "minute" };
        lines.push(format!("may call {} times a {period}, {} at once after a quiet time", limit.calls, limit.burst));
    }
    if let Some(quota) = &client.quota {
        let whose = if quota.shared { "all replicas have counted" } else { "this process has counted" };
        lines.push(format!("may call {} times a day of UTC; {whose} {} calls today", quota.calls, quota.used));
    }
    if let Some(share) = &client.share {
        lines.push(format!(
            "uses {} of its {} of {} ({} for all clients together)",
            share.used, share.share, share.setting, share.limit
        ));
    }
    if client.over_share > 0 {
        lines.push(format!(
            "{} of its requests were refused because it used a whole share: is it too busy, or does it wait for a slow \
             endpoint? `share` and the setting raise it",
            client.over_share
        ));
    }
    if client.kind == ClientKind::Client && client.mode == Mode::Record {
        lines.push("mode = \"record\": it may call everything, whatever its rules say".to_owned());
    }
    lines
}
