//! The part of `countersign check` that prints which rights the process would keep.

use std::path::Path;

use super::findings::{Findings, Kind};
use crate::app::confinement::audit_neighbours::beside_audit;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::live;
use crate::config::settings::{self, Settings};
use crate::confine::{self, Confinement, Netlink, Udp, UnixSockets, UnixStreams};
use crate::credentials::WatchedKey;

/// Confines this process as `run` would, to print the rules that are really in force on this system.
pub(super) fn section(
    found: &mut Findings,
    settings: &Settings,
    file: Option<&Path>,
    keys: &[WatchedKey],
) -> Result<(), Failure> {
    match settings.process.confinement {
        settings::Confinement::Confined => {}
        settings::Confinement::DangerUnconfined => {
            let text = "danger_unconfined: the process keeps all the rights of its user";
            found.danger(Kind::Posture, None, text);
            return Ok(());
        }
    }
    let confinement = live::confinement(settings, file, keys);
    let beside_audit = beside_audit(settings, file, keys);
    confine::keep_private().map_err(|error| Failure::because(ExitCode::System, &error))?;
    let posture = live::confine(&confinement, settings, file, keys)?;
    let section = found.section(Kind::Posture, None, format!("{posture}, no new privileges, no core files"));
    if !posture.is_complete() {
        section.warn("the system offers no more than this");
    }
    section.detail(format!("may read: {}", joined(confinement.read.iter().map(|path| path.display()))));
    section.detail(format!("may list: {}", joined(confinement.list.iter().map(|path| path.display()))));
    section.detail(format!("may write: {}", joined(confinement.write.iter().map(|path| path.display()))));
    if let Some(warning) = beside_audit {
        section.warn(warning.to_string());
    }
    if !confinement.remove.is_empty() {
        let places = joined(confinement.remove.iter().map(|path| path.display()));
        section.detail(format!("may remove from: {places}"));
    }
    section.detail(format!("may connect to ports: {}", joined(&confinement.connect)));
    section.detail(format!("may have sockets: {}", joined(sockets(&confinement))));
    Ok(())
}

/// Each kind of socket, and what it is for.
fn sockets(confinement: &Confinement) -> Vec<&'static str> {
    let mut kinds = vec!["TCP"];
    match confinement.udp {
        Udp::Allow => kinds.push("UDP (names are resolved)"),
        Udp::Deny => {}
    }
    match confinement.unix_sockets {
        UnixSockets::ToPaths | UnixSockets::ToAnyAddress => {
            kinds.push("Unix datagrams (the audit or the service manager is told)");
        }
        UnixSockets::Deny => {}
    }
    match confinement.unix_streams {
        UnixStreams::ToPaths => kinds.push("Unix streams (an endpoint is reached by one)"),
        UnixStreams::Deny => {}
    }
    match confinement.netlink {
        Netlink::Allow => kinds.push("netlink (the kernel is asked for owners)"),
        Netlink::Deny => {}
    }
    kinds
}

fn joined(items: impl IntoIterator<Item: std::fmt::Display>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
