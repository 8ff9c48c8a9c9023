//! The last refusals on the page: who, what, why, and what to do.

use super::amounts::{count, lasting};
use super::html::Html;
use super::routes::particulars;
use super::table::{Row, Table, Weight};
use crate::status::Refusal;

pub(super) fn table(refusals: &[Refusal]) -> Table {
    Table {
        title: "Last refusals",
        id: "refusals",
        headings: &["Who", "What", "Why", "When"],
        rows: refusals.iter().map(row).collect(),
        empty: "Nothing was refused since the start.",
    }
}

fn row(refusal: &Refusal) -> Row {
    let mut who = Html::default();
    match &refusal.client {
        Some(client) => who.span("name", client),
        None => who.span("name", "not identified"),
    };
    who.note(&refusal.peer);
    let mut what = Html::default();
    match &refusal.action {
        Some(action) => what.span("name", action),
        None => what.text(if refusal.code.is_some() { "a request" } else { "a connection" }),
    };
    match &refusal.route {
        Some(route) => what.note(format_args!("route {route}, listener {}", refusal.listener)),
        None => what.note(format_args!("listener {}", refusal.listener)),
    };
    let mut why = Html::default();
    why.prose(&refusal.cause);
    why.element("span", &[("class", "note remedy")], |html| html.prose(&refusal.remedy));
    let ids = [("request", &refusal.request_id), ("trace", &refusal.trace_id)];
    why.piece(&particulars(refusal.status, refusal.code.as_deref(), &refusal.reason, ids));
    let mut when = Html::default();
    when.time(&refusal.at, format_args!("{} ago", lasting(refusal.ago_seconds)));
    if refusal.times > 1 {
        when.span("note strong", format_args!("{} times", count(refusal.times)));
    }
    Row { id: None, weight: Weight::Calm, cells: vec![who, what, why, when], more: None }
}
