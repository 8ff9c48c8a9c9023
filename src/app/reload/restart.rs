//! What a configuration asks for that a serving process can no longer do, each with its place in the configuration.

use std::collections::BTreeSet;
use std::path::Path;

use thiserror::Error;

use super::source::Source;
use crate::app::build::graph::Graph;
use crate::app::build::key_stores::{key_files, needs_process};
use crate::app::confinement::paths::directories_of;
use crate::app::confinement::resolver::is_resolver_file;
use crate::app::confinement::{DNS, confinement};
use crate::config::settings::{Export, Listener, Route, Settings, Transport};
use crate::confine::{Confinement, Netlink, UnixSockets, UnixStreams};
use crate::trust::Roots;
use crate::upstream::NextHop;

/// The rights that the process has kept.
#[derive(Debug, Clone)]
pub(crate) enum Granted {
    /// All of them.
    Everything,
    /// These.
    Only(Confinement),
}

/// One thing that only a new process can do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{at}: {why}")]
pub(crate) struct NeedsRestart {
    /// The key of the configuration.
    pub(crate) at: String,
    /// Why it takes effect only at a start.
    pub(crate) why: String,
}

/// Everything in `new` that a process that serves `current` can only do after a restart.
pub(crate) fn needs_restart(current: &Graph, new: &Settings, granted: &Granted, source: &Source) -> Vec<NeedsRestart> {
    let old = current.settings();
    let mut reasons = Vec::new();
    let mut add = |at: String, why: String| reasons.push(NeedsRestart { at, why });
    let fixed = [
        ("process.workers", old.process.workers == new.process.workers),
        ("process.danger_unconfined", old.process.confinement == new.process.confinement),
        ("process.danger_writable_files", old.process.writable_files == new.process.writable_files),
        ("admin", old.admin == new.admin),
        ("audit", old.audit == new.audit),
        ("log.format", old.log.format == new.log.format),
        ("rates", old.rates == new.rates),
        ("trace.endpoint, or what belongs to it", export(old) == export(new)),
    ];
    for (at, _) in fixed.into_iter().filter(|(_, same)| !same) {
        add(at.to_owned(), "has changed, and takes effect at a start only".to_owned());
    }
    for listener in &new.listeners {
        match old.listeners.iter().find(|known| known.name == listener.name) {
            None => add(format!("listener.{}", listener.name), "is new, and nothing can be bound any more".to_owned()),
            Some(known) => changed_address(known, listener, &mut add),
        }
    }
    for endpoint in new.routes.iter().flat_map(Route::endpoints) {
        let directly = matches!(endpoint.endpoint.transport, Transport::Tls { trust: Roots::Platform, .. });
        let by_proxy = endpoint.egress.proxy().is_some_and(|proxy| proxy.roots == Some(Roots::Platform));
        if (directly || by_proxy) && !current.has_platform_roots() {
            add(endpoint.table(), "the platform's root certificates were not read at the start".to_owned());
        }
    }
    match granted {
        Granted::Everything => {}
        Granted::Only(granted) => beyond(old, new, granted, source, &mut add),
    }
    reasons
}

/// How spans are exported: the thread that does it, and its queue, are made at the start. What `forward`,
/// `sample_ratio` and `parent_based` say is asked for each exchange.
fn export(settings: &Settings) -> Option<&Export> {
    settings.trace.as_ref()?.export.as_ref()
}

/// Why a listener's socket would have to be made anew.
fn changed_address(known: &Listener, listener: &Listener, add: &mut impl FnMut(String, String)) {
    if known.addresses == listener.addresses {
        return;
    }
    let (old, new) = (known.shown_addresses(), listener.shown_addresses());
    let why = if old == new {
        format!("what is set about {old} (mode, group, only_v6) has changed, and is given to a socket when it is made")
    } else {
        format!("{old} cannot become {new}: nothing can be bound any more")
    };
    add(format!("listener.{}.address", listener.name), why);
}

/// What `new` needs beyond the rights that were kept.
fn beyond(
    old: &Settings,
    new: &Settings,
    granted: &Confinement,
    source: &Source,
    add: &mut impl FnMut(String, String),
) {
    let wanted = confinement(new, source.file.as_deref(), &[], UnixSockets::Deny);
    for port in wanted.connect.iter().filter(|port| !granted.connect.contains(port)) {
        let mut endpoints = new.routes.iter().flat_map(Route::endpoints);
        match (endpoints.find(|it| it.endpoint.next_hop.port() == Some(*port)), *port) {
            (Some(endpoint), _) => {
                add(
                    format!("{}.{}", endpoint.table(), endpoint.next_hop_key()),
                    format!("no connection can be made to port {port} any more"),
                );
            }
            (None, DNS) => {
                add("endpoint".to_owned(), "no name can be resolved: none was configured at the start".to_owned());
            }
            // the one reason is told already
            (None, _) if export(old) != export(new) || old.rates != new.rates => {}
            (None, _) => add("jwks_url".to_owned(), format!("no connection can be made to port {port} any more")),
        }
    }
    let can_be_read = |path: &Path| granted.read.iter().any(|kept| path.starts_with(kept));
    for path in wanted.read.iter().filter(|path| !is_resolver_file(path) && !can_be_read(path)) {
        add(path.display().to_string(), "files there can be read no more".to_owned());
    }
    for path in wanted.list.iter().filter(|path| !granted.list.iter().any(|kept| path.starts_with(kept))) {
        add(path.display().to_string(), "the files there can be listed no more".to_owned());
    }
    for key in new.keys.iter().filter(|key| !old.keys.contains(key)) {
        // a key whose files cannot be located does not load either, which is reported in more detail
        let files = key_files(key, source.credentials_directory.as_deref()).unwrap_or_default();
        let directories: BTreeSet<_> = files.iter().flat_map(|file| directories_of(file)).collect();
        for directory in directories.iter().filter(|path| !can_be_read(path)) {
            add(format!("key.{}", key.name), format!("files in {} can be read no more", directory.display()));
        }
        if needs_process(key, source.credentials_directory.as_deref()) {
            add(format!("key.{}", key.name), "its program can be started no more".to_owned());
        }
    }
    if wanted.unix_streams == UnixStreams::ToPaths && granted.unix_streams == UnixStreams::Deny {
        let endpoints = new.routes.iter().flat_map(Route::endpoints);
        let endpoints = endpoints.filter(|it| matches!(it.endpoint.next_hop, NextHop::Unix(_)));
        let why = "a connection to a Unix socket takes a kind of socket that nobody needed at the start";
        endpoints.for_each(|endpoint| add(format!("{}.connect", endpoint.table()), why.to_owned()));
    }
    if wanted.netlink == Netlink::Allow && granted.netlink == Netlink::Deny {
        let why = "`loopback-owner` takes a kind of socket that nobody needed at the start".to_owned();
        add("listener.*.authenticate".to_owned(), why);
    }
}
