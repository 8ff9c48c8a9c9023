//! Listeners.

use super::{Cell, Column, Row, Sheet, Tone};
use crate::cli::top::figures::bar;
use crate::status::{Listener, TokenKeys};

pub(super) fn sheet(listeners: &[Listener]) -> Sheet {
    Sheet {
        title: "Listeners",
        columns: vec![
            Column::left("LISTENER", 0),
            Column::left("ADDRESS", 1),
            Column::left("CONNECTIONS", 2),
            Column::right("OPEN", 3),
            Column::left("TLS", 5),
            Column::left("CLIENTS BY", 4),
            Column::left("TOKEN KEYS", 3),
        ],
        rows: listeners.iter().map(row).collect(),
        nothing: "no listeners",
    }
}

fn row(listener: &Listener) -> Row {
    let full = listener.connections >= listener.connections_limit;
    let (keys, tone) = match listener.token_keys {
        TokenKeys::NotNeeded => ("-", Tone::Plain),
        TokenKeys::Known => ("known", Tone::Good),
        TokenKeys::Awaited => ("AWAITED", Tone::Bad),
    };
    let by = listener.authenticate.join(", ");
    let mut detail =
        vec![format!("listener.{} at {}: clients identify themselves by {by}", listener.name, listener.address)];
    match listener.token_keys {
        TokenKeys::NotNeeded | TokenKeys::Known => {}
        TokenKeys::Awaited => detail.push(
            "the keys of its token issuer have not been fetched yet: tokens are answered with 503; the log says why"
                .to_owned(),
        ),
    }
    Row {
        cells: vec![
            Cell::plain(&listener.name),
            Cell::plain(&listener.address),
            Cell::toned(
                bar(listener.connections, listener.connections_limit),
                if full { Tone::Bad } else { Tone::Plain },
            ),
            Cell::plain(format!("{}/{}", listener.connections, listener.connections_limit)),
            Cell::plain(if listener.tls { "yes" } else { "no" }),
            Cell::plain(by),
            Cell::toned(keys, tone),
        ],
        detail,
    }
}
