//! Routes: how their endpoints are, and how calls go.

use super::{Cell, Column, Row, Sheet, Tone, belongs_to};
use crate::cli::top::figures::{ago, per_second, seconds, time};
use crate::status::{Breaker, BreakerState, Failure, Fallback, Route};

/// A clock that is off by so many seconds is told of: endpoints refuse signatures that are minutes off.
const CLOCK: f64 = 10.0;

pub(super) fn sheet(routes: &[Route]) -> Sheet {
    Sheet {
        title: "Routes",
        columns: vec![
            Column::left("ROUTE", 0),
            Column::left("ENDPOINT", 7),
            Column::left("STATE", 1),
            Column::right("CALLS/S", 2),
            Column::right("FAILED/MIN", 2),
            Column::right("REFUSED/MIN", 4),
            Column::right("MEDIAN", 3),
            Column::right("P99", 3),
            Column::right("IN FLIGHT", 5),
            Column::right("CLOCK", 6),
        ],
        rows: routes.iter().map(row).collect(),
        nothing: "no routes",
    }
}

fn row(route: &Route) -> Row {
    let traffic = &route.traffic;
    let latency = |of: fn(&crate::status::Latency) -> f64| {
        traffic.latency.as_ref().map_or_else(|| "-".to_owned(), |latency| time(of(latency)))
    };
    let full = route.in_flight >= route.in_flight_limit;
    let in_flight = format!("{}/{}", route.in_flight, route.in_flight_limit);
    Row {
        cells: vec![
            Cell::plain(&route.name),
            Cell::plain(&route.endpoint),
            state(route),
            Cell::plain(per_second(traffic.per_second)),
            Cell::trouble(traffic.failed),
            Cell::plain(traffic.refused.to_string()),
            Cell::plain(latency(|latency| latency.median_seconds)),
            Cell::plain(latency(|latency| latency.p99_seconds)),
            Cell::toned(in_flight, if full { Tone::Bad } else { Tone::Plain }),
            clock(route.clock_offset_seconds),
        ],
        detail: detail(route),
    }
}

fn state(route: &Route) -> Cell {
    if route.fallback_in_use().is_some() {
        return Cell::toned("fallback", Tone::Warning);
    }
    match (route.breaker.state, route.addresses_age_seconds) {
        (BreakerState::Open, _) => Cell::toned("DOWN", Tone::Bad),
        (BreakerState::Closed | BreakerState::Off, Some(_)) => Cell::toned("no name", Tone::Warning),
        (BreakerState::Closed | BreakerState::Off, None) => Cell::toned("up", Tone::Good),
    }
}

fn clock(offset: Option<f64>) -> Cell {
    match offset {
        None => Cell::plain("-"),
        Some(offset) => {
            let tone = if offset.abs() >= CLOCK { Tone::Warning } else { Tone::Plain };
            Cell::toned(format!("{offset:+.1} s"), tone)
        }
    }
}

fn detail(route: &Route) -> Vec<String> {
    let mut lines = vec![format!("{}: {}, signed with key.{}", route.name, route.endpoint, route.key)];
    if let Some(tenant) = &route.tenant {
        lines.push(belongs_to(tenant));
    }
    let Breaker { state, reason, outages } = &route.breaker;
    match (state, reason) {
        (BreakerState::Open, reason) => {
            let why = reason.as_deref().unwrap_or("it does not respond");
            lines.push(format!("the endpoint is down: {why} (outages since the start: {outages})"));
        }
        (BreakerState::Closed, _) => lines.push(format!("outages since the start: {outages}")),
        (BreakerState::Off, _) => lines.push("the breaker is off: calls are always let through".to_owned()),
    }
    lines.extend(route.fallbacks.iter().map(of_fallback));
    if let Some(fallback) = route.fallback_in_use() {
        lines.push(format!("calls go to {}", fallback.endpoint));
    }
    if let Some(age) = route.addresses_age_seconds {
        let age = seconds(age);
        lines.push(format!("the endpoint's name cannot be looked up: the addresses found {age} ago are used"));
    }
    if let Some(offset) = route.clock_offset_seconds.filter(|offset| offset.abs() >= CLOCK) {
        let way = if offset < 0.0 { "behind" } else { "ahead of" };
        let off = offset.abs();
        lines.push(format!("the endpoint's clock is {off:.0} s {way} this host's: set this host's clock"));
    }
    match &route.last_error {
        None => lines.push("no call has failed since the start, but for what its client did".to_owned()),
        Some(failure) => lines.extend(failed(failure)),
    }
    lines
}

fn of_fallback(fallback: &Fallback) -> String {
    let Fallback { endpoint, breaker: Breaker { state, reason, outages }, sent, .. } = fallback;
    let state = match state {
        BreakerState::Open => format!("down: {}", reason.as_deref().unwrap_or("it does not respond")),
        BreakerState::Closed | BreakerState::Off => "up".to_owned(),
    };
    format!("fallback {endpoint}: {state}, {sent} requests and {outages} outages since the start")
}

fn failed(failure: &Failure) -> Vec<String> {
    let code = failure.code.as_deref().map_or_else(String::new, |code| format!(" {code}"));
    let mut lines =
        vec![format!("last error {}:{code} ({}): {}", ago(failure.ago_seconds), failure.reason, failure.cause)];
    lines.extend(failure.error.as_ref().map(|error| format!("error: {error}")));
    lines.push(format!("to do: {}", failure.remedy));
    lines.extend(failure.request_id.as_ref().map(|id| format!("request id: {id}")));
    lines.extend(failure.trace_id.as_ref().map(|id| format!("trace id: {id}")));
    lines
}
