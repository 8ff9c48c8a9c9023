//! The thread that keeps listeners' certificates and token keys as fresh as their files.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::graph::Graph;
use crate::downstream::listener::Security;
use crate::downstream::service_account::Verifier;
use crate::downstream::tls::{ReloadableTls, Reloaded};
use crate::telemetry::record::causes;

/// Between two looks. The files are a few KiB, and whoever renews a certificate does it hours before the old one ends.
const POLL: Duration = Duration::from_secs(10);

/// Asks for a look before its time; the thread ends when it is dropped.
pub(super) struct Refresher {
    pokes: Sender<()>,
}

/// One thing to look at.
enum Refreshed {
    Tls(Arc<ReloadableTls>),
    Tokens(Arc<Verifier>),
}

impl Refresher {
    /// Starts the thread, if there is anything to look at.
    pub(super) fn start(graph: &Graph) -> io::Result<Option<Self>> {
        let mut all: Vec<(String, Refreshed)> = Vec::new();
        for (listener, shared) in graph.settings.listeners.iter().zip(&graph.listeners) {
            let name = listener.name.to_string();
            if let Security::Tls(tls) = &shared.security {
                all.push((name.clone(), Refreshed::Tls(Arc::clone(tls))));
            }
            if let Some(tokens) = &shared.service_accounts {
                all.push((name, Refreshed::Tokens(Arc::clone(tokens))));
            }
        }
        if all.is_empty() {
            return Ok(None);
        }
        let (pokes, inbox) = channel();
        thread::Builder::new().name("certificates".to_owned()).spawn(move || look(&all, &inbox))?;
        Ok(Some(Self { pokes }))
    }

    /// Has everything looked at soon (SIGHUP).
    pub(super) fn poke(&self) {
        // the other end is there until this value is dropped
        let _sent = self.pokes.send(());
    }
}

fn look(all: &[(String, Refreshed)], inbox: &Receiver<()>) {
    loop {
        match inbox.recv_timeout(POLL) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for (listener, what) in all {
            let (kind, reloaded) = match what {
                Refreshed::Tls(tls) => ("certificates", tls.reload().map_err(|error| causes(&error))),
                Refreshed::Tokens(tokens) => ("token keys", tokens.reload().map_err(|error| causes(&error))),
            };
            match reloaded {
                Ok(Reloaded::Unchanged) => {}
                Ok(Reloaded::Changed) => tracing::info!(listener, kind, "changed files are in use"),
                Err(error) => {
                    tracing::warn!(
                        listener,
                        kind,
                        error,
                        "changed files cannot be used; the last good ones stay in use"
                    );
                }
            }
        }
    }
}
