//! Clients on the page: how they call, and how much of their shares they use.

use super::amounts::{bytes, count, permille};
use super::html::{Html, text};
use super::routes::calls;
use super::table::{Row, Table, Weight, bar};
use crate::status::{Client, ClientKind, Mode, Quota, RateLimit, Share};

pub(super) fn table(clients: &[Client]) -> Table {
    Table {
        title: "Clients",
        id: "clients",
        headings: &["Client", "Calls", "Largest part of a share in use", "Rate limit"],
        rows: clients.iter().map(row).collect(),
        empty: "There are none.",
    }
}

fn row(client: &Client) -> Row {
    let mut name = Html::default();
    name.span("name", &client.name);
    let notes = [
        (client.kind == ClientKind::AnyLocal, "whoever calls a listener with any_local"),
        (client.mode == Mode::Record, "what its rules would deny is allowed and recorded"),
    ];
    if let Some(tenant) = &client.tenant {
        name.note(format_args!("of tenant {tenant}"));
    }
    for (_, note) in notes.iter().filter(|(holds, _)| *holds) {
        name.note(note);
    }
    let (share, weight) = client.share.as_ref().map_or_else(|| (text("\u{2013}"), Weight::Calm), share);
    let mut share = share;
    if client.over_share > 0 {
        share.span("note strong", format_args!("{} requests were refused for it", count(client.over_share)));
    }
    let cells = vec![name, calls(&client.traffic, &client.exchanges), share, limits(client)];
    Row { id: Some(format!("client.{}", client.name)), weight, cells, more: None }
}

fn share(share: &Share) -> (Html, Weight) {
    let Share { setting, used, share, limit } = share;
    let shown = |amount: u64| if setting == "process.bodies" { bytes(amount) } else { count(amount) };
    let fullness = permille(*used, *share);
    let mut html = bar(&shown(*used), &shown(*share), fullness);
    html.note(format_args!("of {setting}, which is {} for all", shown(*limit)));
    (html, Weight::of_fullness(fullness))
}

fn limits(client: &Client) -> Html {
    let mut html = match client.rate_limit {
        None => text("none"),
        Some(RateLimit { calls, period_seconds, burst }) => {
            let period = if period_seconds == 60 { "min" } else { "s" };
            let mut html = text(format_args!("{}/{period}", count(calls)));
            html.note(format_args!("{} at once", count(burst)));
            html
        }
    };
    if let Some(Quota { calls, used, shared }) = client.quota {
        let whose = if shared { "of all replicas" } else { "of this process" };
        html.note(format_args!("{} of {} calls of today, {whose}", count(used), count(calls)));
    }
    html
}
