//! What `countersign run` reports about itself, in the log and to the service manager.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;

use super::config_file::Found;
use super::dangers::{PLAINTEXT_ROUTE, READABLE_SECRET};
use super::progress::ToldWaits;
use crate::app::build::share_summary::summaries;
use crate::app::expiry::{self, Expiring};
use crate::app::reload::reloader::{ReloadEvent, Report};
use crate::app::serve::key_reports;
use crate::app::serve::pulse::Pulse;
use crate::app::serve::running::AUDIT_END;
use crate::app::{Graph, Running, capacity};
use crate::authorize::{Admission, Mode};
use crate::config;
use crate::config::settings::{EgressProxy, EndpointPlace, Exposure, Route, RouteEndpoint, Settings};
use crate::confine::Posture;
use crate::error_chain::causes;
use crate::guarded_file::WritableFiles;
use crate::telemetry::log::Level;

/// How often it is looked at what the process waits for.
const LOOK: Duration = Duration::from_secs(2);

/// A service manager means no shorter time than this; an interval must not be zero.
const SHORTEST_WATCHDOG: Duration = Duration::from_millis(2);

/// What the service manager waits beyond the longest end.
const SPARE: Duration = Duration::from_secs(1);

/// How often the log says what has to be renewed.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the configuration came from.
pub(super) struct Origin {
    pub(super) found: Found,
    /// The names of the files that were read.
    pub(super) files: Vec<String>,
    /// What stands in `conf.d/` and was not read.
    pub(super) ignored: Vec<String>,
}

/// Logs which files are served, and why these.
pub(super) fn configuration(Origin { found, files, ignored }: &Origin) {
    let because = found.because;
    if files.is_empty() {
        tracing::info!(%because, "configuration: COUNTERSIGN__... variables alone");
    } else {
        tracing::info!(files = files.join(", "), %because, "configuration");
    }
    if !ignored.is_empty() {
        tracing::info!(ignored = ignored.join(", "), "files of conf.d are read when their names end in .toml");
    }
}

/// Logs which rights the process has given up.
pub(super) fn posture(posture: Option<&Posture>) {
    let Some(posture) = posture else {
        tracing::warn!("danger_unconfined: whoever takes this process over has all the rights of its user");
        return;
    };
    let Posture { landlock, seccomp, capabilities: kept } = posture;
    if posture.is_complete() {
        let (capabilities, core_files) = ("none", "none");
        tracing::info!(%landlock, %seccomp, core_files, capabilities, "the process is confined");
    } else {
        tracing::warn!(
            %landlock, %seccomp, core_files = "none", capabilities_given_up = %kept,
            "the process is confined in part: the system offers no more"
        );
    }
}

/// Logs what is served.
pub(super) fn serving(running: &Running) {
    let graph = running.graph();
    let settings = graph.settings();
    for (name, listener) in &graph.listeners {
        let callers = match &listener.settings.callers {
            Admission::AnyLocal => "any_local: whoever can connect may call",
            Admission::Clients(_) => "named clients may call",
        };
        for address in running.addresses(name) {
            tracing::info!(listener = %name, %address, callers, "listening");
        }
    }
    for RouteEndpoint { route, place, endpoint, egress, .. } in settings.routes.iter().flat_map(Route::endpoints) {
        let (endpoint, egress) = (endpoint.url(), egress.proxy().map(EgressProxy::url));
        match place {
            EndpointPlace::Route => {
                tracing::info!(route = %route.name, %endpoint, key = %route.key, egress, "route");
            }
            EndpointPlace::Fallback(number) => {
                tracing::info!(route = %route.name, fallback = number, %endpoint, egress, "route");
            }
        }
    }
    tracing::info!(at_most = %capacity::worst_case(settings), "memory that clients can have used");
    shares(settings);
    if let Some(export) = settings.trace.as_ref().and_then(|trace| trace.export.as_ref()) {
        tracing::info!(endpoint = %export.collector.url(), "spans are exported");
    }
    let status = settings.admin.as_ref().map(|admin| admin.status.audience());
    for address in running.admin_addresses() {
        tracing::info!(%address, status, "admin listening");
    }
    dangers(settings);
    if let Some(warning) = config::unused_proxy(settings, &config::process_environment()) {
        tracing::warn!("{warning}");
    }
    keys(&graph);
    expiring(&graph);
}

/// Warns of every key and certificate that ends soon or is not valid now. At the start, and each day.
pub(super) fn expiring(graph: &Graph) {
    for Expiring { table, notice } in expiry::expiring(graph, crate::clock::now()) {
        if notice.is_fault() {
            tracing::error!(at = table, "{notice}");
        } else {
            tracing::warn!(at = table, "{notice}");
        }
    }
}

/// The days of a service, from its start on.
pub(super) struct Days(tokio::time::Interval);

impl Days {
    /// They begin now. The runtime must have been entered.
    pub(super) fn begin() -> Self {
        let mut days = tokio::time::interval(DAY);
        // a process that was stopped for days has one line to write, not one for each day
        days.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        days.reset();
        Self(days)
    }

    /// Waits for the end of a day.
    pub(super) async fn end_of_one(&mut self) {
        self.0.tick().await;
    }
}

/// What a service waits for, such as a key store that does not answer.
pub(super) struct Waits {
    looks: tokio::time::Interval,
    told: ToldWaits,
}

impl Waits {
    /// The first look is some seconds from now. The runtime must have been entered.
    pub(super) fn begin() -> Self {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        looks.reset();
        Self { looks, told: ToldWaits::default() }
    }

    /// Waits for the time of the next look.
    pub(super) async fn next_look(&mut self) {
        self.looks.tick().await;
    }

    /// Logs what has been waited for so long that an operator wants to know.
    pub(super) fn log(&mut self) {
        self.told.log();
    }
}

/// Logs which part of each limit each client may take, where that is not everything.
fn shares(settings: &Settings) {
    for told in summaries(settings) {
        if told.is_limited {
            tracing::info!(of = %told.who, at_most = %told.parts.join(", "), "share of the limits");
        }
        if let Some(warning) = told.warning {
            tracing::warn!(of = %told.who, "{warning}");
        }
    }
}

/// Warns of everything that makes a configuration less safe.
fn dangers(settings: &Settings) {
    for listener in &settings.listeners {
        let address = listener.shown_addresses();
        match listener.exposure {
            Exposure::Loopback | Exposure::Authenticated => {}
            Exposure::DangerCleartextTokens => {
                tracing::warn!(
                    listener = %listener.name, %address,
                    "danger_cleartext_tokens: whoever is on the way can read the tokens of clients"
                );
            }
            Exposure::DangerBeyondLoopback => {
                tracing::warn!(
                    listener = %listener.name, %address,
                    "danger_beyond_loopback: whoever reaches this address may have requests signed"
                );
            }
        }
    }
    match settings.process.writable_files {
        WritableFiles::Refused => {}
        WritableFiles::DangerAccepted => {
            tracing::warn!(
                "danger_writable_files: whoever can write a trusted file decides what is signed, and for whom"
            );
        }
    }
    if let Some(shortage) = capacity::shortage(settings) {
        tracing::warn!("{shortage}");
    }
    for client in settings.clients.iter().filter(|client| client.mode == Mode::Record) {
        tracing::warn!(
            client = %client.name,
            "mode = \"record\": this client may call everything, whatever its rules say"
        );
    }
    let export = settings.trace.as_ref().and_then(|trace| trace.export.as_ref());
    if export.is_some_and(|export| !export.collector.is_authentic()) {
        tracing::warn!("danger_plaintext: spans cross the network unprotected, with the names of who calls what");
    }
    if settings.rates.as_ref().is_some_and(|rates| !rates.endpoint.is_authentic()) {
        tracing::warn!(
            "danger_plaintext: whoever sees the traffic to the store can read its password and change rates"
        );
    }
    for key in settings.keys.iter().filter(|key| key.may_be_read()) {
        tracing::warn!(key = %key.name, "{READABLE_SECRET}");
    }
    for RouteEndpoint { route, endpoint, .. } in settings.routes.iter().flat_map(Route::endpoints) {
        if !endpoint.is_authentic() {
            tracing::warn!(route = %route.name, "{PLAINTEXT_ROUTE}");
        }
    }
}

fn keys(graph: &Graph) {
    for slot in graph.keys() {
        match slot.current(crate::clock::now()) {
            Ok(active) => key_reports::in_use(slot.name(), &active, "key loaded"),
            Err(error) => {
                let cause = slot.trouble().map(|trouble| trouble.to_string());
                tracing::warn!(key = slot.name(), %error, cause, "no usable key: requests are answered with 503");
            }
        }
    }
}

/// Reports each reload, and has the log follow the level of the configuration that is in use.
pub(super) fn reporting(level: Level) -> Report {
    Box::new(move |event| {
        reload(event);
        if let ReloadEvent::InUse(graph) = event {
            let filter = &graph.settings().log.level;
            match level.set(filter) {
                Ok(()) => tracing::debug!(filter = %filter, "the log's level is that of the configuration"),
                Err(error) => tracing::error!(error = %causes(&error), "the log keeps its level"),
            }
        }
    })
}

/// Reports a reload. The service manager is told that it has begun and when (`Type=notify-reload` waits for the message
/// after that), and that it is over, whatever its result: something is served in either case.
fn reload(event: ReloadEvent<'_>) {
    match event {
        ReloadEvent::Begun => match NotifyState::monotonic_usec_now() {
            Ok(now) => notify_systemd(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!(%error, "the time of the reload cannot be told"),
        },
        ReloadEvent::InUse(graph) => {
            tracing::info!(generation = graph.generation(), "the configuration was read again and is in use");
            dangers(graph.settings());
            notify_systemd(&[NotifyState::Ready, NotifyState::Status("serving")]);
        }
        ReloadEvent::Refused(error) => {
            tracing::error!(
                %error,
                "the configuration was read again and is not used: what was served before stays in use"
            );
            notify_systemd(&[NotifyState::Ready, NotifyState::Status("the last reload was refused: see the log")]);
        }
    }
}

/// Does nothing without systemd. A service manager that cannot be notified is not a reason to stop.
pub(super) fn notify_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// Tells the service manager that the process ends within `limit`. It then waits at least that long, also if
/// `TimeoutStopSec=` is shorter: whoever raises `process.drain` need not change the unit.
pub(super) fn stopping(limit: Duration) {
    let limit = limit.saturating_add(AUDIT_END).saturating_add(SPARE);
    let microseconds = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
    notify_systemd(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(microseconds)]);
}

/// Tells the service manager again and again that every worker turns, twice in the time after which its watchdog would
/// end the process (`WatchdogSec=`). Without a watchdog, no worker is asked.
pub(super) async fn feed_watchdog(pulse: Option<Pulse>) -> Infallible {
    let limit = sd_notify::watchdog_enabled().filter(|limit| *limit >= SHORTEST_WATCHDOG);
    let Some((limit, pulse)) = limit.zip(pulse) else {
        return std::future::pending().await;
    };
    let period = limit.checked_div(2).unwrap_or(limit);
    tracing::debug!(?period, "the service manager's watchdog is fed while every worker turns");
    let mut watchdog = pulse.every(period);
    loop {
        watchdog.every_worker_turns().await;
        notify_systemd(&[NotifyState::Watchdog]);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn what_has_to_be_renewed_is_told_once_each_day() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (begun, mut days) = (Instant::now(), Days::begin());
            for day in 1..=3 {
                days.end_of_one().await;
                assert_eq!(begun.elapsed().as_secs() / 3600, day * 24);
            }
            tokio::time::advance(DAY * 5).await;
            days.end_of_one().await;
            let after = Instant::now();
            days.end_of_one().await;
            assert!(after.elapsed() >= DAY / 2, "the days that were missed are not made up for");
        });
    }
}
