//! What `countersign run` says of a reload: to whoever reads the log, and to the service manager.

use sd_notify::NotifyState;

use super::run::{announce_dangers, notify_systemd};
use crate::app::reload::ReloadEvent;

/// Passes an event on. The manager is told that a reload has begun and when (`Type=notify-reload` waits for the word after it),
/// and that it is over, whatever came of it: what was served before is served still.
pub(super) fn report(event: ReloadEvent<'_>) {
    match event {
        ReloadEvent::Begun => match NotifyState::monotonic_usec_now() {
            Ok(now) => notify_systemd(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!(%error, "the time of the reload cannot be told"),
        },
        ReloadEvent::InUse(graph) => {
            tracing::info!(generation = graph.generation(), "the configuration was read again and is in use");
            announce_dangers(graph.settings());
            notify_systemd(&[NotifyState::Ready, NotifyState::Status("serving")]);
        }
        ReloadEvent::Refused(error) => {
            tracing::error!(%error, "the configuration was read again and is not used: what was served before stays in use");
            notify_systemd(&[NotifyState::Ready, NotifyState::Status("the last reload was refused: see the log")]);
        }
    }
}
