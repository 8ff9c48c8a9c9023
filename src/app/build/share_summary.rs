//! The shares of limits in words: what `check` prints and the start logs.

use super::shares::{
    Holder, Parts, any_local_listeners, bodies, bodies_by_share, connections, holders, in_flight, largest_form,
};
use crate::app::capacity::client_connections;
use crate::config::settings::Settings;

/// The shares of one holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShareSummary {
    /// `client a`, `any_local of listener x`, or `any_local of listeners x, y together`.
    pub(crate) who: String,
    /// `128 of 256 in_flight of route ie`. Empty for a client that no listener can identify.
    pub(crate) parts: Vec<String>,
    /// Whether any part is less than its limit.
    pub(crate) is_limited: bool,
    /// Why a part is not the configured share, and what to do.
    pub(crate) warning: Option<String>,
}

/// The shares of all holders that can call, in the order of the configuration.
pub(crate) fn summaries(settings: &Settings) -> Vec<ShareSummary> {
    let holders = holders(settings);
    let mut parts: Vec<(Parts, usize, String)> = Vec::new();
    for route in &settings.routes {
        let name = format!("in_flight of route {}", route.name);
        parts.push((in_flight(settings, &holders, route), route.limits.in_flight, name));
    }
    let memory = bodies(settings, &holders);
    for listener in &settings.listeners {
        let limit = listener.limits.connections.min(client_connections(settings));
        parts.push((
            connections(&holders, listener, limit),
            limit,
            format!("connections of listener {}", listener.name),
        ));
    }
    let by_share = bodies_by_share(settings, &holders);
    let summary = |(at, holder): (usize, &Holder<'_>)| {
        let places = parts.iter().filter_map(|(parts, whole, name)| Some((part_of(parts, at)?, *whole, name)));
        let bytes = part_of(&memory, at).map(|part| (part, settings.process.bodies));
        let is_limited = places.clone().any(|(part, whole, _)| part < whole) || bytes.is_some_and(|(p, w)| p < w);
        let places = places.map(|(part, whole, name)| format!("{part} of {whole} {name}"));
        let bytes = bytes.map(|(part, whole)| format!("{} of {} process.bodies", shown(part), shown(whole)));
        ShareSummary {
            who: match holder {
                Holder::Client(client) => format!("client {}", client.name),
                Holder::AnyLocal => anybody(settings),
                Holder::Strangers => "strangers whose signature is not verified yet".to_owned(),
            },
            parts: places.chain(bytes).collect(),
            is_limited,
            warning: part_of(&by_share, at).and_then(|part| raised(settings, holder, part)),
        }
    };
    holders.iter().enumerate().map(summary).collect()
}

/// All who cannot be told apart, by the listeners that they may use.
fn anybody(settings: &Settings) -> String {
    let names: Vec<_> = any_local_listeners(settings).map(|listener| listener.name.as_str()).collect();
    match names.as_slice() {
        [name] => format!("any_local of listener {name}"),
        several => format!("any_local of listeners {} together", several.join(", ")),
    }
}

fn part_of(parts: &Parts, at: usize) -> Option<usize> {
    parts.get(at).copied().flatten()
}

/// A message when a share of the memory for forms is too small for the largest form, and is therefore larger.
fn raised(settings: &Settings, holder: &Holder<'_>, part: usize) -> Option<String> {
    let largest = largest_form(settings, holder);
    let enough = largest.saturating_mul(settings.process.bodies).div_ceil(part.max(1));
    (part < largest).then(|| {
        format!(
            "its share of process.bodies is {}, and one form may have {}: it gets that much, which leaves less for \
             others; set process.bodies = \"{}\" or more if others need it",
            shown(part),
            shown(largest),
            shown(enough),
        )
    })
}

/// With the largest unit that needs no fraction.
fn shown(bytes: usize) -> String {
    for (unit, name) in [(1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes.div_ceil(unit));
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summaries_of(more: &str) -> Vec<ShareSummary> {
        let text = format!(
            "[listener.x]\naddress = \"unix:/run/x\"\nauthenticate = [\"unix-peer\"]\nlimits.connections = 64\n\
             [route.ie]\nendpoint = \"https://ie.example\"\n[key.main]\nfile = \"k\"\nidentity_file = \"i\"\n{more}"
        );
        summaries(&crate::config::parse(&text, "f", []).unwrap())
    }

    const A: &str = "[client.a]\nuid = 1\nallow = [\"*:*\"]\n";
    const B: &str = "[client.b]\nuid = 2\nallow = [\"*:*\"]\n";

    #[test]
    fn each_client_is_told_its_part_of_every_limit() {
        let told = summaries_of(&format!("{A}{B}share = \"25%\"\n"));
        assert_eq!((told[0].who.as_str(), told[1].who.as_str()), ("client a", "client b"));
        assert_eq!(
            told[0].parts,
            [
                "128 of 256 in_flight of route ie",
                "32 of 64 connections of listener x",
                "32 MiB of 64 MiB process.bodies"
            ]
        );
        assert_eq!(
            told[1].parts,
            [
                "64 of 256 in_flight of route ie",
                "16 of 64 connections of listener x",
                "16 MiB of 64 MiB process.bodies"
            ]
        );
        assert!(told.iter().all(|told| told.is_limited && told.warning.is_none()));
    }

    #[test]
    fn a_client_alone_has_everything() {
        let told = summaries_of(A);
        assert!(!told[0].is_limited && told[0].parts[0] == "256 of 256 in_flight of route ie", "{told:?}");
    }

    #[test]
    fn listeners_with_any_local_are_told_together() {
        let door = |name: &str| format!("[listener.{name}]\naddress = \"unix:/run/{name}\"\nany_local = true\n");
        let told = summaries_of(&format!("{A}{}", door("y")));
        assert_eq!(told[1].who, "any_local of listener y");
        let told = summaries_of(&format!("{A}{}{}", door("y"), door("z")));
        assert_eq!((told.len(), told[1].who.as_str()), (2, "any_local of listeners y, z together"));
        assert_eq!(told[1].parts[0], "128 of 256 in_flight of route ie");
        assert!(told[1].is_limited, "{told:?}");
    }

    #[test]
    fn a_share_of_memory_below_one_form_is_raised_and_told_with_what_to_configure() {
        let told = summaries_of(&format!("{A}{B}[process]\nbodies = \"300 KiB\""));
        assert!(told[0].parts[2].starts_with("256 KiB of 300 KiB"), "{told:?}");
        let warning = told[0].warning.as_deref().unwrap();
        assert!(warning.contains("is 150 KiB, and one form may have 256 KiB"), "{warning}");
        assert!(warning.contains("process.bodies = \"512 KiB\""), "{warning}");
        let enough = summaries_of(&format!("{A}{B}[process]\nbodies = \"512 KiB\""));
        assert_eq!(enough[0].warning, None);
    }
}
