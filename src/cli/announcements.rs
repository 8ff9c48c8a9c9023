//! What `countersign run` reports about itself, in the log and to the service manager.

use sd_notify::NotifyState;

use crate::app::build::share_summary::summaries;
use crate::app::reload::reloader::{ReloadEvent, Report};
use crate::app::serve::key_reports;
use crate::app::{Graph, Running, capacity};
use crate::authorize::{Admission, Mode};
use crate::config::settings::{Exposure, Settings};
use crate::confine::Posture;
use crate::error_chain::causes;
use crate::guarded_file::WritableFiles;
use crate::telemetry::log::Level;

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
        let Some(address) = running.address(name) else { continue };
        let callers = match &listener.settings.callers {
            Admission::AnyLocal => "any_local: whoever can connect may call",
            Admission::Clients(_) => "named clients may call",
        };
        tracing::info!(listener = %name, %address, callers, "listening");
    }
    for route in &settings.routes {
        tracing::info!(route = %route.name, endpoint = %route.endpoint.url(), key = %route.key, "route");
    }
    tracing::info!(at_most = %capacity::worst_case(settings), "memory that clients can have used");
    shares(settings);
    for address in running.admin_addresses() {
        tracing::info!(%address, "admin listening");
    }
    dangers(settings);
    keys(&graph);
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
        let address = &listener.address;
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
    for route in &settings.routes {
        if !route.endpoint.is_authentic() {
            tracing::warn!(route = %route.name, "danger_plaintext: signed requests cross the network unprotected");
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
                Ok(()) => tracing::debug!(level = %filter, "the log's level is that of the configuration"),
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
