//! Unix sockets that signed requests are sent to in clear, and that others could take the place of.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::audit_neighbours::real;
use crate::config::settings::{Endpoint, Name, Route, RouteEndpoint, Settings, Transport};
use crate::guarded_file::directory_of;
use crate::upstream::NextHop;

/// Everybody may make files in a directory.
const WRITABLE_BY_EVERYBODY: u32 = 0o002;

/// A message for each route that speaks plain HTTP to a Unix socket in a directory in which everybody may make one:
/// nothing else tells who listens there. It is no fault, since the directory may be that of another service, or be made
/// when that starts. To be asked before the process is confined.
pub(crate) fn loose_sockets(settings: &Settings) -> Vec<(Name, String)> {
    let endpoints = settings.routes.iter().flat_map(Route::endpoints);
    let warned = |it: RouteEndpoint<'_>| Some((it.route.name.clone(), warning(socket_in_clear(it.endpoint)?)?));
    endpoints.filter_map(warned).collect()
}

fn socket_in_clear(endpoint: &Endpoint) -> Option<&Path> {
    match (&endpoint.transport, &endpoint.next_hop) {
        (Transport::Plaintext, NextHop::Unix(path)) => Some(path),
        (Transport::Plaintext, NextHop::Tcp { .. }) | (Transport::Tls { .. }, _) => None,
    }
}

fn warning(socket: &Path) -> Option<String> {
    let directory = directory_of(&real(socket));
    let mode = fs::metadata(&directory).ok()?.mode();
    (mode & WRITABLE_BY_EVERYBODY != 0).then(|| {
        format!(
            "`connect` is a socket in {}, where everybody may make one: who makes it first is sent signed requests. \
             Have it made in a directory where only its service may",
            directory.display()
        )
    })
}
