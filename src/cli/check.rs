//! `countersign check`: validates configuration and keys without serving, and prints what would be served.

use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::Failure;
use super::live;
use super::output::print_line;
use crate::app::capacity;
use crate::app::confinement::audit_neighbours::beside_audit;
use crate::app::serve::key_reports;
use crate::authorize::Admission;
use crate::clock;
use crate::config::settings::{
    self, AdminAddress, Exposure, Listener, ListenerTls, Route, ServedRoutes, Settings, TokenKeys, Transport,
};
use crate::confine::{self, Confinement, Netlink, Udp, UnixSockets};
use crate::credentials::WatchedKey;
use crate::guarded_file::WritableFiles;
use crate::telemetry::audit::{OpenedAudit, Target, WhenFull};
use crate::trust::Roots;

/// Arguments of `countersign check`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Configuration file; without it, `COUNTERSIGN__...` variables alone configure the proxy
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Everything that `run` would refuse to start with, except an address in use.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = live::settings(arguments.config.as_deref())?;
    crate::telemetry::log::check_filter(&settings.log.level)
        .map_err(|error| Failure::because(super::exit::ExitCode::Configuration, &error))?;
    live::claim_descriptors(&settings)?;
    let (graph, keys) = live::graph(settings)?;
    let settings = graph.settings();
    let audit = settings.audit.target.as_ref().map_or(Ok(()), OpenedAudit::check);
    audit.map_err(|error| live::audit_failure(&error))?;
    for listener in &settings.listeners {
        print_listener(listener);
    }
    super::check_clients::print(settings);
    for route in &settings.routes {
        print_route(route);
    }
    for key in &keys {
        print_key(key);
    }
    match &settings.admin {
        Some(admin) => {
            for address in &admin.addresses {
                match address {
                    AdminAddress::Tcp(address) => print_line!("admin: http://{address}/livez /readyz /metrics"),
                    AdminAddress::Unix(_) => print_line!("admin: {address} /livez /readyz /metrics"),
                }
            }
        }
        None => print_line!("admin: none; add [admin] for health and metrics"),
    }
    print_audit(settings);
    print_line!("process: {} workers, drain {:?}", settings.process.workers, settings.process.drain);
    print_capacity(settings);
    super::check_clients::print_shares(settings);
    print_unused(settings);
    match settings.process.writable_files {
        WritableFiles::Refused => {}
        WritableFiles::DangerAccepted => print_line!(
            "files: DANGER danger_writable_files: whoever can write a trusted file decides what is signed, and for whom"
        ),
    }
    print_posture(settings, arguments.config.as_deref(), &keys)?;
    let missing: Vec<_> = keys.iter().filter(|key| !is_loaded(key)).collect();
    if missing.is_empty() {
        print_line!("ok");
        return Ok(());
    }
    let messages = missing.iter().filter_map(|key| key_reports::unusable(&key.slot)).collect::<Vec<_>>().join("\n");
    Err(Failure::new(super::exit::ExitCode::KeyStoreUnavailable, messages))
}

fn print_listener(listener: &Listener) {
    print_line!("listener {}: {}", listener.name, listener.address);
    match &listener.callers {
        Admission::AnyLocal => print_line!("  callers: any_local, whoever can connect may call"),
        Admission::Clients(methods) => {
            print_line!("  callers: clients, by {}", methods.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(", "));
        }
    }
    if let Some(tls) = &listener.tls {
        print_listener_tls(tls);
    }
    if let Some(tokens) = &listener.service_account {
        let keys = match &tokens.keys {
            TokenKeys::File(path) => path.display().to_string(),
            TokenKeys::Url { endpoint, .. } => format!("{}, not asked now", endpoint.url()),
        };
        print_line!("  service accounts: issuer {}, audience {}, keys from {keys}", tokens.issuer, tokens.audience);
    }
    if let Some(header) = &listener.required_header {
        print_line!("  requires: the header {header}");
    }
    match &listener.routes {
        ServedRoutes::All => print_line!("  routes: all"),
        ServedRoutes::Named(names) => {
            print_line!("  routes: {}", names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        }
    }
    match listener.exposure {
        Exposure::Loopback => {}
        Exposure::Authenticated => print_line!("  reach: beyond this machine, over TLS"),
        Exposure::DangerCleartextTokens => {
            print_line!("  DANGER danger_cleartext_tokens: whoever is on the way can read the tokens of clients");
        }
        Exposure::DangerBeyondLoopback => {
            print_line!("  DANGER danger_beyond_loopback: whoever reaches this address may have requests signed");
        }
    }
}

fn print_listener_tls(tls: &ListenerTls) {
    print_line!("  tls: {}, key {}", tls.certificate.display(), tls.private_key.display());
    if let Some(clients) = &tls.clients {
        let lists: Vec<_> = clients.revocation_lists.iter().map(|path| path.display().to_string()).collect();
        let revoked = if lists.is_empty() {
            "no revocation list configured".to_owned()
        } else {
            format!("revoked: {}", lists.join(", "))
        };
        print_line!(
            "  client certificates: of {}, {revoked}, asked again after {:?}",
            clients.ca.display(),
            tls.session_lifetime
        );
    }
}

fn print_route(route: &Route) {
    print_line!("route {}: {}", route.name, route.endpoint.url());
    print_line!("  key: {}, {}", route.key, route.profile.signature_method.as_str());
    if !route.hosts.is_empty() {
        print_line!("  chosen by Host: {}", route.hosts.join(", "));
    }
    if route.path != "/" {
        print_line!("  chosen by path: {}", route.path);
    }
    match &route.endpoint.transport {
        Transport::Tls { trust: Roots::Platform } => print_line!("  tls: verified against the platform's roots"),
        Transport::Tls { trust: Roots::File(path) } => print_line!("  tls: verified against {}", path.display()),
        Transport::Plaintext => print_line!("  tls: none, plain HTTP"),
    }
}

/// Whether the store has loaded a key. One that has to be proven first is not in use yet.
fn is_loaded(key: &WatchedKey) -> bool {
    key.slot.generation() > 0 || (key.slot.has_proof() && key.slot.trouble().is_none())
}

fn print_key(key: &WatchedKey) {
    print_line!("key {}: {}", key.slot.name(), key.store.describe());
    if key.slot.has_proof() && is_loaded(key) {
        print_line!("  is used once the endpoint has answered the probe of its routes");
        return;
    }
    match key.slot.current(clock::now()) {
        Ok(key) => {
            let expiry = key.expiration().map_or_else(|| "does not expire".to_owned(), |at| format!("expires {at}"));
            print_line!("  id: {}, {expiry}", key.id());
        }
        Err(error) => print_line!("  WARNING {error}: requests would be answered with 503 until it is"),
    }
}

fn print_audit(settings: &Settings) {
    let target = match &settings.audit.target {
        None => {
            print_line!("audit: off");
            return;
        }
        Some(Target::File(path)) => path.display().to_string(),
        Some(Target::Stdout) => "standard output".to_owned(),
        Some(Target::Journald) => "the journal".to_owned(),
        Some(Target::Syslog) => "syslog".to_owned(),
    };
    match settings.audit.when_full {
        WhenFull::Refuse => print_line!("audit: {target}; calls are refused while it cannot be written"),
        WhenFull::Drop => print_line!("audit: {target}; lines that cannot be written are lost and counted"),
    }
}

fn print_capacity(settings: &Settings) {
    print_line!("memory that clients can have used: at most {}", capacity::worst_case(settings));
    if let Some(shortage) = capacity::shortage(settings) {
        print_line!("  WARNING {shortage}");
    }
}

/// Confines this process as `run` would, to print the rules that are really in force on this system.
fn print_posture(settings: &Settings, file: Option<&Path>, keys: &[WatchedKey]) -> Result<(), Failure> {
    match settings.process.confinement {
        settings::Confinement::Confined => {}
        settings::Confinement::DangerUnconfined => {
            print_line!("posture: DANGER danger_unconfined: the process keeps all the rights of its user");
            return Ok(());
        }
    }
    let confinement = live::confinement(settings, file, keys);
    let beside_audit = beside_audit(settings, file, keys);
    confine::keep_private().map_err(|error| Failure::because(super::exit::ExitCode::System, &error))?;
    let posture = live::confine(&confinement, settings, file, keys)?;
    print_line!("posture: {posture}, no new privileges, no core files");
    if !posture.is_complete() {
        print_line!("  WARNING the system offers no more than this");
    }
    print_line!("  may read: {}", joined(confinement.read.iter().map(|path| path.display())));
    print_line!("  may write: {}", joined(confinement.write.iter().map(|path| path.display())));
    if let Some(warning) = beside_audit {
        print_line!("  WARNING {warning}");
    }
    if !confinement.remove.is_empty() {
        print_line!("  may remove from: {}", joined(confinement.remove.iter().map(|path| path.display())));
    }
    print_line!("  may connect to ports: {}", joined(&confinement.connect));
    print_line!("  may have sockets: {}", joined(sockets(&confinement)));
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

/// Warns of routes and keys that are configured and never used: usually a mistake.
fn print_unused(settings: &Settings) {
    for route in &settings.routes {
        let served = settings.listeners.iter().any(|listener| match &listener.routes {
            ServedRoutes::All => true,
            ServedRoutes::Named(names) => names.contains(&route.name),
        });
        if !served {
            print_line!("WARNING route {}: no listener serves it", route.name);
        }
    }
    for key in &settings.keys {
        if !settings.routes.iter().any(|route| route.key == key.name) {
            print_line!("WARNING key {}: no route uses it", key.name);
        }
    }
}
