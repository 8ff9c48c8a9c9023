//! Routes on the page: each with its endpoint, its clock, its calls, and its last error.

use super::amounts::{count, lasting, latency, permille, rate};
use super::html::{Html, text};
use super::table::{Row, Table, Weight, badge, bar};
use crate::status::{Breaker, BreakerState, Exchanges, Failure, Fallback, Route, Traffic};

/// From how many seconds on an endpoint's clock and this host's are apart: requests are signed with the endpoint's.
const APART: f64 = 10.0;
/// For how long the last error of a route wants attention, in seconds.
const FRESH: u64 = 300;

pub(super) fn table(routes: &[Route]) -> Table {
    Table {
        title: "Routes",
        id: "routes",
        headings: &["Route", "Endpoint", "Clock", "Calls", "Time taken", "In progress"],
        rows: routes.iter().map(row).collect(),
        empty: "There are none.",
    }
}

fn row(route: &Route) -> Row {
    let (endpoint, endpoint_weight) = endpoint(route);
    let (clock, clock_weight) = clock(route.clock_offset_seconds);
    let fresh = route.last_error.as_ref().filter(|error| error.ago_seconds < FRESH);
    let error_weight = fresh.map_or(Weight::Calm, |_| Weight::Warn);
    let fullness = permille(route.in_flight, route.in_flight_limit);
    let weights = [endpoint_weight, clock_weight, error_weight, Weight::of_fullness(fullness)];
    let mut name = Html::default();
    name.span("name", &route.name).note(&route.endpoint);
    name.note(format_args!("signed with key {}", route.key));
    if let Some(tenant) = &route.tenant {
        name.note(format_args!("of tenant {tenant}"));
    }
    Row {
        id: Some(format!("route.{}", route.name)),
        weight: weights.into_iter().min().unwrap_or(Weight::Calm),
        cells: vec![
            name,
            endpoint,
            clock,
            calls(&route.traffic, &route.exchanges),
            times(&route.traffic),
            bar(&count(route.in_flight), &count(route.in_flight_limit), fullness),
        ],
        more: route.last_error.as_ref().map(last_error),
    }
}

fn endpoint(route: &Route) -> (Html, Weight) {
    let Breaker { state, reason, outages } = &route.breaker;
    let lost = route.addresses_age_seconds;
    let in_use = route.fallback_in_use();
    let weight = match (state, lost) {
        (BreakerState::Open, _) if in_use.is_some() => Weight::Warn,
        (BreakerState::Open, _) => Weight::Bad,
        (BreakerState::Closed | BreakerState::Off, Some(_)) => Weight::Warn,
        (BreakerState::Closed | BreakerState::Off, None) => Weight::Calm,
    };
    let mut html = match state {
        BreakerState::Open => badge(weight, "down"),
        BreakerState::Closed | BreakerState::Off if !was_reached(&route.exchanges) => text("not reached yet"),
        BreakerState::Closed | BreakerState::Off => badge(weight, "up"),
    };
    if let Some(reason) = reason {
        match in_use {
            None => html.note(format_args!("{reason}; calls are refused until an attempt succeeds")),
            Some(fallback) => {
                html.note(format_args!("{reason}; calls go to {} until an attempt succeeds", fallback.endpoint))
            }
        };
    }
    if let Some(age) = lost {
        html.note(format_args!("its name cannot be looked up: the addresses found {} ago are used", lasting(age)));
    }
    if *outages > 0 {
        html.note(format_args!("went down {} since the start", times_in_words(*outages)));
    }
    for Fallback { endpoint, breaker, sent, .. } in &route.fallbacks {
        let state = match breaker.state {
            BreakerState::Open => "down",
            BreakerState::Closed | BreakerState::Off => "up",
        };
        html.note(format_args!("fallback {endpoint}: {state}, {} requests", count(*sent)));
    }
    (html, weight)
}

/// Whether the endpoint was ever sent a request.
const fn was_reached(exchanges: &Exchanges) -> bool {
    let Exchanges { answered_2xx, answered_3xx, answered_4xx, answered_5xx, unknown, cut, .. } = exchanges;
    let sums = [*answered_2xx, *answered_3xx, *answered_4xx, *answered_5xx, *unknown, *cut];
    !matches!(sums, [0, 0, 0, 0, 0, 0])
}

fn clock(offset: Option<f64>) -> (Html, Weight) {
    let Some(offset) = offset else { return (text("not known yet"), Weight::Calm) };
    let apart = offset.abs();
    if apart < APART {
        let mut html = text("agrees");
        html.note(format_args!("{apart:.1} s {}", if offset < 0.0 { "behind" } else { "ahead" }));
        return (html, Weight::Calm);
    }
    let mut html = badge(Weight::Warn, "apart");
    let direction = if offset < 0.0 { "behind" } else { "ahead of" };
    html.note(format_args!("the endpoint is {apart:.0} s {direction} this host: set this host's clock"));
    (html, Weight::Warn)
}

/// The rate, and what of the last minute went wrong.
pub(super) fn calls(traffic: &Traffic, exchanges: &Exchanges) -> Html {
    let mut html = text(rate(traffic.per_second));
    let wrong = [(traffic.refused, "refused"), (traffic.failed, "failed")];
    let wrong: Vec<String> = wrong
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, how)| format!("{} {how}", count(*number)))
        .collect();
    if !wrong.is_empty() {
        html.span("note strong", format_args!("{} in {:.0} s", wrong.join(", "), traffic.over_seconds.max(1.0)));
    }
    html.note(format_args!("{} since the start", count(exchanges.total())));
    html
}

fn times(traffic: &Traffic) -> Html {
    let Some(times) = &traffic.latency else { return text("\u{2013}") };
    let mut html = text(latency(times.median_seconds));
    html.note(format_args!("99 of 100 within {}", latency(times.p99_seconds)));
    html
}

fn last_error(error: &Failure) -> Html {
    let mut html = Html::default();
    let class = if error.ago_seconds < FRESH { "error fresh" } else { "error" };
    html.element("div", &[("class", class)], |html| {
        html.markup("<p><strong>Last error</strong>, ")
            .time(&error.at, format_args!("{} ago", lasting(error.ago_seconds)));
        html.markup(": ").prose(&error.cause).markup("</p><p><strong>What to do:</strong> ").prose(&error.remedy);
        html.markup("</p>");
        if let Some(error) = &error.error {
            html.element("p", &[("class", "note")], |html| html.code(error));
        }
        let ids = [("request", &error.request_id), ("trace", &error.trace_id)];
        html.piece(&particulars(None, error.code.as_deref(), &error.reason, ids))
    });
    html
}

/// By which the log has it: status, code, reason, and the IDs that there are.
pub(super) fn particulars(
    status: Option<u16>,
    code: Option<&str>,
    reason: &str,
    ids: [(&str, &Option<String>); 2],
) -> Html {
    let mut html = Html::default();
    html.element("span", &[("class", "note parts")], |html| {
        if let Some(status) = status {
            html.element("span", &[], |html| html.text(status)).markup(" ");
        }
        for word in code.into_iter().chain([reason]) {
            html.element("span", &[], |html| html.text(word)).markup(" ");
        }
        for (what, id) in ids {
            if let Some(id) = id {
                html.element("span", &[], |html| html.text(what).markup(" ").code(id)).markup(" ");
            }
        }
        html
    });
    html
}

fn times_in_words(times: u64) -> String {
    match times {
        1 => "once".to_owned(),
        times => format!("{} times", count(times)),
    }
}
