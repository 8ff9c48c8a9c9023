//! The report of a running process, for `/status` and the page of the admin listener: made from what is live when it is
//! asked for.

mod certificates;
mod clients;
mod keys;
mod limits;
mod listeners;
mod refusals;
mod routes;
pub(crate) mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use self::window::Recent;
use crate::app::build::graph::Graph;
use crate::app::serve::serving::Served;
use crate::build_info;
use crate::clock;
use crate::config::settings::Name;
use crate::downstream::ListenAddress;
use crate::status::{Audit, AuditState, Build, Configuration, Process, REFUSALS, Reason, Report, SCHEMA, State};
use crate::telemetry::AuditLog;
use crate::telemetry::metrics::Usage;

/// What a report is made from, beside the graph.
pub(crate) struct Sources<'a> {
    /// Where the listeners really listen.
    pub(crate) addresses: &'a BTreeMap<Name, Arc<[ListenAddress]>>,
    /// What is known of the configuration's file.
    pub(crate) served: Served,
    pub(crate) audit: &'a AuditLog,
    /// What the counters say.
    pub(crate) recent: Recent,
    /// What the kernel says of the process.
    pub(crate) usage: Usage,
    pub(crate) started: Moment,
    pub(crate) now: Moment,
}

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) monotonic: Instant,
}

/// Why the process is not as it should be.
pub(crate) struct Troubles {
    /// That it is about to end, if it is.
    pub(crate) ending: Option<&'static str>,
    /// Why no request can be served.
    pub(crate) not_ready: Vec<String>,
    /// What is wrong although requests can be served.
    pub(crate) degraded: Vec<String>,
}

/// The report of a process that serves `graph`.
pub(crate) fn report(graph: &Graph, troubles: Troubles, sources: &Sources<'_>) -> Report {
    let Sources { addresses, served, audit, recent, usage, started, now } = sources;
    let refusals = graph.metrics.incidents.refusals(REFUSALS);
    let uptime = now.monotonic.saturating_duration_since(started.monotonic);
    Report {
        schema: SCHEMA,
        version: build_info::VERSION.to_owned(),
        build: Build {
            commit: Some(build_info::COMMIT).filter(|commit| *commit != build_info::UNKNOWN).map(str::to_owned),
            features: build_info::FEATURES.iter().map(|feature| (*feature).to_owned()).collect(),
        },
        at: shown(now.wall),
        state: troubles.state(),
        process: Process {
            started_at: shown(started.wall),
            uptime_seconds: uptime.as_secs(),
            workers: number(graph.settings.process.workers),
            resident_bytes: usage.resident,
        },
        configuration: Configuration {
            generation: graph.generation(),
            sha256: served.sha256.clone(),
            refused_at: served.refused_at.map(shown),
        },
        routes: routes::routes(graph, recent, *now),
        keys: keys::keys(graph, now.wall),
        clients: clients::clients(graph, recent),
        listeners: listeners::listeners(graph, addresses),
        certificates: certificates::certificates(graph, now.wall),
        limits: limits::limits(graph, usage),
        audit: Audit { state: audit_state(graph, audit), lost_lines: graph.metrics.process.audit_lost().get() },
        refusals: refusals.into_iter().map(|incident| refusals::refusal(incident, *now)).collect(),
        reasons: troubles.into_reasons(),
    }
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { wall: clock::now(), monotonic: Instant::now() }
    }
}

impl Troubles {
    /// A process that drains is not ready either; the word says that it does so on purpose.
    const fn state(&self) -> State {
        match (self.ending.is_some(), self.not_ready.is_empty(), self.degraded.is_empty()) {
            (true, _, _) => State::Draining,
            (false, false, _) => State::NotReady,
            (false, true, false) => State::Degraded,
            (false, true, true) => State::Ok,
        }
    }

    fn into_reasons(self) -> Vec<Reason> {
        let reason = |state| move |text| Reason { state, text };
        let draining = self.ending.map(str::to_owned).into_iter().map(reason(State::Draining));
        let not_ready = self.not_ready.into_iter().map(reason(State::NotReady));
        draining.chain(not_ready).chain(self.degraded.into_iter().map(reason(State::Degraded))).collect()
    }
}

fn audit_state(graph: &Graph, audit: &AuditLog) -> AuditState {
    match (&graph.settings.audit.target, audit.is_refusing()) {
        (None, _) => AuditState::Off,
        (Some(_), true) => AuditState::Refusing,
        (Some(_), false) => AuditState::Writing,
    }
}

/// To the second.
fn shown(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// The whole seconds from `now` until `then`; negative if it is over.
fn seconds_until(then: Timestamp, now: Timestamp) -> i64 {
    then.duration_since(now).as_secs()
}

/// `count`, which is no larger than memory.
fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(ending: Option<&'static str>, not_ready: usize, degraded: usize) -> State {
        let some = |count| vec!["x".to_owned(); count];
        Troubles { ending, not_ready: some(not_ready), degraded: some(degraded) }.state()
    }

    #[test]
    fn the_state_is_the_gravest_that_has_a_reason() {
        assert_eq!(state(None, 0, 0), State::Ok);
        assert_eq!(state(None, 0, 1), State::Degraded);
        assert_eq!(state(None, 1, 1), State::NotReady);
        assert_eq!(state(Some("x"), 1, 1), State::Draining);
    }

    #[test]
    fn times_are_shown_to_the_second() {
        let at: Timestamp = "2026-11-30T03:04:05.678Z".parse().unwrap();
        assert_eq!(shown(at), "2026-11-30T03:04:05Z");
        assert_eq!(seconds_until(at, "2026-11-30T03:04:15.678Z".parse().unwrap()), -10);
    }
}
