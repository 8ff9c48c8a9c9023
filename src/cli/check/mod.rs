//! `countersign check`: validates configuration and keys without serving, and prints what would be served.

mod aws_host;
mod built;
mod clients;
mod dialect;
mod egress;
mod endpoint_tls;
mod findings;
mod listener;
mod online;
mod posture;
mod rates;
mod section_notes;
mod trace;

use clap::Args;

use self::built::Built;
use self::findings::{Findings, Kind, Section};
use self::listener::listener_section;
use self::section_notes::{circumstances, warn_of_expiry};
use super::config_file::{ConfigFile, Found};
use super::dangers::{PLAINTEXT_ROUTE, READABLE_SECRET};
use super::exit::{ExitCode, Failure, FaultLine};
use super::format::{Format, FormatOption};
use super::live;
use super::output::print_line;
use super::progress;
use crate::app::capacity;
use crate::app::confinement::loose_sockets::loose_sockets;
use crate::app::expiry::Expiring;
use crate::app::serve::key_reports;
use crate::app::serve::rehearsal::Rehearsed;
use crate::app::serve::running::AUDIT_END;
use crate::clock;
use crate::config::settings::{AdminAddress, Client, Process, Route, RouteEndpoint, ServedRoutes, Settings};
use crate::credentials::WatchedKey;
use crate::guarded_file::WritableFiles;
use crate::telemetry::audit::{Target, WhenFull};

/// Arguments of `countersign check`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    output: FormatOption,
    /// Open no secret: no key, private key or token, and start no program. The rest is checked
    #[arg(long)]
    without_keys: bool,
    /// Call every endpoint: name, connection, TLS, clock, and the route's signed `probe`. 69 when one does not answer.
    /// The collector of spans and the store of rates are asked too; a fault of theirs is a warning only
    #[arg(long)]
    online: bool,
}

/// Runs the command.
///
/// # Errors
/// Everything that `run` would refuse to start with, except an address that a running countersign serves.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut found = Findings::default();
    let outcome = examine(arguments, &mut found);
    match arguments.output.format {
        Format::Text => found.print_text(),
        Format::Json => found.print_json(&outcome),
    }
    outcome?;
    match arguments.output.format {
        Format::Text => print_line!("ok"),
        Format::Json => {}
    }
    Ok(())
}

fn examine(arguments: &Arguments, found: &mut Findings) -> Result<(), Failure> {
    let file = arguments.config.find()?;
    let live::Read { strays, files, ignored, settings } = live::read(&file);
    for stray in strays {
        found.warning(Kind::Environment, None, stray.to_string());
    }
    let (settings, _) = settings?;
    crate::telemetry::log::check_filter(&settings.log.level)
        .map_err(|error| Failure::because(ExitCode::Configuration, &error))?;
    live::claim_descriptors(&settings)?;
    let online = arguments.online.then(online::runtime).transpose()?;
    let (built, rehearsed) =
        progress::shown(
            || {
                if arguments.without_keys { Built::without_keys(settings) } else { Built::whole(settings) }
            },
        )?;
    let (settings, keys, expiring) = (built.settings(), built.keys(), built.expiring());
    configuration_section(found, &file, &files, &ignored);
    for listener in &settings.listeners {
        listener_section(found, listener, built.dates(&listener.name).as_deref(), &rehearsed, &expiring);
    }
    clients::sections(found, settings);
    for route in &settings.routes {
        route_section(found, route, &expiring);
    }
    for key in keys {
        let may_be_read = settings.keys.iter().any(|it| it.may_be_read() && it.name.as_str() == key.slot.name());
        key_section(found, key, may_be_read, &expiring);
    }
    built.tell_what_is_left_out(found);
    admin_sections(found, settings, &rehearsed);
    audit_section(found, settings);
    rates::section(found, settings);
    trace::section(found, settings);
    process_section(found, &settings.process);
    capacity_section(found, settings);
    clients::shares(found, settings);
    warn_of_unused(found, settings);
    egress::warn_of_unused_variable(found, settings);
    for (route, warning) in loose_sockets(settings) {
        found.warning(Kind::Route, Some(&route), warning);
    }
    match settings.process.writable_files {
        WritableFiles::Refused => {}
        WritableFiles::DangerAccepted => found.danger(
            Kind::Files,
            None,
            "danger_writable_files: whoever can write a trusted file decides what is signed, and for whom",
        ),
    }
    posture::section(found, settings, file.path(), keys)?;
    let missing: Vec<_> = keys.iter().filter(|key| !is_usable(key)).collect();
    let out_of_date: Vec<_> = expiring.iter().filter(|expiring| expiring.notice.is_fault()).collect();
    if !missing.is_empty() || !out_of_date.is_empty() {
        return Err(unusable(&missing, &out_of_date));
    }
    // with the rights of a process that serves: what it may not reach, this may not either
    online.map_or(Ok(()), |runtime| {
        progress::shown(|| online::try_all(runtime, found, built.routes(), built.collector(), built.rate_store()))
    })
}

/// How many threads there are, and how long it takes to end: who kills the process, a service manager, is not asked.
fn process_section(found: &mut Findings, process: &Process) {
    let Process { workers, drain_delay, drain, .. } = process;
    let delay = if drain_delay.is_zero() { String::new() } else { format!(" after {drain_delay:?}") };
    let section = found.section(Kind::Process, None, format!("{workers} workers, drain {drain:?}{delay}"));
    let longest = drain_delay.saturating_add(*drain).saturating_add(AUDIT_END);
    section.detail(format!(
        "it ends within {longest:?} of SIGTERM: whatever kills it has to wait for longer (TimeoutStopSec=, \
         terminationGracePeriodSeconds, stopTimeout, stop_grace_period)"
    ));
}

/// Which files are checked, and why these.
fn configuration_section(found: &mut Findings, file: &Found, files: &[String], ignored: &[String]) {
    let because = file.because;
    let name = file.path().map(|path| path.display().to_string());
    let summary = name.as_ref().map_or_else(|| because.to_string(), |name| format!("{name}, {because}"));
    let section = found.section(Kind::Configuration, None, summary);
    if let Some(name) = name {
        section.fact("file", name);
    }
    for part in files.iter().skip(1) {
        section.detail(format!("and {part}"));
    }
    if !ignored.is_empty() {
        section.detail(format!(
            "ignored in conf.d, because only names that end in .toml are read: {}",
            ignored.join(", ")
        ));
    }
}

/// The keys of `missing` are not there, or cannot be used; nor can the certificates of `out_of_date`. `run` starts, and
/// waits until they are renewed.
fn unusable(missing: &[&WatchedKey], out_of_date: &[&Expiring]) -> Failure {
    let fault = |key: &&WatchedKey| {
        let path = Some(format!("key.{}", key.slot.name()));
        key_reports::unusable(&key.slot).map(|message| FaultLine { place: None, path, message })
    };
    let of_files = |Expiring { table, notice }: &&Expiring| {
        let message = format!("{table}: {notice}");
        FaultLine { place: None, path: Some(table.clone()), message }
    };
    let faults = missing.iter().filter_map(fault).chain(out_of_date.iter().map(of_files));
    let faults: Vec<_> = faults.collect();
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    Failure::new(ExitCode::KeyStoreUnavailable, messages.join("\n")).with(faults)
}

fn route_section(found: &mut Findings, route: &Route, expiring: &[Expiring]) {
    let section = found.section(Kind::Route, Some(&route.name), route.endpoint.url());
    section.fact("endpoint", route.endpoint.url());
    section.fact("key", route.key.to_string());
    if let Some(tenant) = &route.tenant {
        section.fact("tenant", tenant.to_string());
        section.detail(clients::tenant_of(tenant));
    }
    let method = route.profile.signing.signature_method().as_str();
    section.detail(format!("key: {}, {method}", route.key));
    dialect::describe(section, route);
    if !route.hosts.is_empty() {
        section.detail(format!("chosen by Host: {}", route.hosts.join(", ")));
    }
    if route.path != "/" {
        section.detail(format!("chosen by path: {}", route.path));
    }
    reached(section, &route.first_endpoint(), expiring);
    for fallback in route.fallback_endpoints() {
        let name = format!("{}{}", route.name, fallback.place);
        let section = found.section(Kind::Route, Some(&name), fallback.endpoint.url());
        section.fact("endpoint", fallback.endpoint.url());
        dialect::describe_fallback(section, &fallback);
        reached(section, &fallback, expiring);
    }
}

/// How an endpoint is reached and known.
fn reached(section: &mut Section, endpoint: &RouteEndpoint<'_>, expiring: &[Expiring]) {
    endpoint_tls::describe(section, &endpoint.endpoint.transport);
    if !endpoint.endpoint.is_authentic() {
        section.danger(PLAINTEXT_ROUTE);
    }
    warn_of_expiry(section, &endpoint.table(), expiring);
    egress::describe(section, endpoint.egress);
}

/// Whether the store has a key that has not expired. One that has to be proven first is not in use yet.
fn is_usable(key: &WatchedKey) -> bool {
    key.slot.check(clock::now()).is_ok() || is_to_be_proven(key)
}

fn is_to_be_proven(key: &WatchedKey) -> bool {
    key.slot.generation() == 0 && key.slot.has_proof() && key.slot.trouble().is_none()
}

fn key_section(found: &mut Findings, key: &WatchedKey, may_be_read: bool, expiring: &[Expiring]) {
    let section = found.section(Kind::Key, Some(&key.slot.name()), key.store.describe());
    if may_be_read {
        section.danger(READABLE_SECRET);
    }
    if is_to_be_proven(key) {
        section.detail("is used once the endpoint has answered the probe of its routes");
        return;
    }
    let table = format!("key.{}", key.slot.name());
    match key.slot.current(clock::now()) {
        Ok(key) => {
            let expiry = key.expiration().map_or_else(|| "does not expire".to_owned(), |at| format!("expires {at}"));
            section.detail(format!("id: {}, {expiry}", key.id()));
            section.fact("id", key.id().to_string());
            if let Some(at) = key.expiration() {
                section.fact("expires", at.to_string());
            }
            warn_of_expiry(section, &table, expiring);
        }
        Err(error) => section.warn(format!("{error}: requests would be answered with 503 until it is")),
    }
}

fn audit_section(found: &mut Findings, settings: &Settings) {
    let target = match &settings.audit.target {
        None => {
            found.section(Kind::Audit, None, "off");
            return;
        }
        Some(Target::File(path)) => path.display().to_string(),
        Some(Target::Stdout) => "standard output".to_owned(),
        Some(Target::Journald) => "the journal".to_owned(),
        Some(Target::Syslog) => "syslog".to_owned(),
    };
    let lost = match settings.audit.when_full {
        WhenFull::Refuse => "calls are refused while it cannot be written",
        WhenFull::Drop => "lines that cannot be written are lost and counted",
    };
    found.section(Kind::Audit, None, format!("{target}; {lost}"));
}

fn admin_sections(found: &mut Findings, settings: &Settings, rehearsed: &[Rehearsed]) {
    let Some(admin) = &settings.admin else {
        found.section(Kind::Admin, None, "none; add [admin] for health and metrics");
        return;
    };
    for address in &admin.addresses {
        let summary = match address {
            AdminAddress::Tcp(_) => format!("http://{address}/livez /readyz /metrics"),
            AdminAddress::Unix(_) => format!("{address} /livez /readyz /metrics"),
        };
        let section = found.section(Kind::Admin, None, summary);
        section.fact("address", address.to_string());
        section.detail(format!("/ and /status: for {}", admin.status.audience()));
        circumstances(section, "admin", address, rehearsed);
    }
}

fn capacity_section(found: &mut Findings, settings: &Settings) {
    let most = capacity::worst_case(settings);
    let section = found.section(Kind::Memory, None, format!("at most {most}"));
    section.detail("only if clients use every limit at once: 10 MB is typical, and 2.5 KB for an idle connection");
    section.detail(format!("to lower it most, reduce: {}", most.lowered_by()));
    if let Some(shortage) = capacity::shortage(settings) {
        section.warn(shortage.to_string());
    }
}

/// Warns of routes and keys that are configured and never used: usually a mistake.
fn warn_of_unused(found: &mut Findings, settings: &Settings) {
    for route in &settings.routes {
        let served = settings.listeners.iter().any(|listener| match &listener.routes {
            ServedRoutes::All => true,
            ServedRoutes::Named(names) => names.contains(&route.name),
        });
        if !served {
            found.warning(Kind::Route, Some(&route.name), "no listener serves it");
        }
    }
    for key in &settings.keys {
        let is_issued = |client: &Client| client.identifiers.issued_keys.iter().any(|name| name == key.name.as_str());
        let signs = settings.routes.iter().any(|route| route.key == key.name);
        if !signs && !settings.clients.iter().any(is_issued) {
            found.warning(Kind::Key, Some(&key.name), "no route uses it");
        }
    }
}
