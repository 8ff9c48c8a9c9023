//! The thread that reads listeners' certificates and token keys again when their files change.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::token_keys::{FetchedKeys, KeyFetcher};
use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::{KeysFrom, ServiceAccounts};
use crate::clock;
use crate::downstream::dates::OutOfDate;
use crate::downstream::listener::Security;
use crate::downstream::service_account::Verifier;
use crate::downstream::tls::{ReloadableTls, Reloaded};
use crate::error_chain::causes;

/// How often the files are read. They are a few KiB, and certificates are renewed hours before the old ones expire.
const POLL: Duration = Duration::from_secs(10);

/// Lets the threads be asked to read at once. They end when it is dropped.
pub(crate) struct Refresher {
    files: Option<Sender<()>>,
    fetcher: Option<KeyFetcher>,
}

/// What is read again.
enum Refreshed {
    Tls(Arc<ReloadableTls>),
    Tokens(Arc<Verifier>, PathBuf),
}

impl Refreshed {
    fn out_of_date(&self) -> Option<OutOfDate> {
        match self {
            Self::Tls(tls) => tls.dates().check(clock::now()).err(),
            Self::Tokens(..) => None,
        }
    }
}

impl Refresher {
    /// Starts the thread that reads files, if there are any, and the one that fetches token keys, if any are fetched.
    pub(crate) fn start(graph: &Graph) -> io::Result<Self> {
        let mut all: Vec<(String, Refreshed)> = Vec::new();
        let mut fetched = Vec::new();
        for (name, listener) in &graph.listeners {
            let name = name.to_string();
            if let Security::Tls(tls) = &listener.authentication.security {
                all.push((name.clone(), Refreshed::Tls(Arc::clone(tls))));
            }
            if let Some(ServiceAccounts { verifier, keys }) = &listener.authentication.service_accounts {
                let verifier = Arc::clone(verifier);
                match keys {
                    KeysFrom::File(path) => all.push((name, Refreshed::Tokens(verifier, path.clone()))),
                    KeysFrom::Server { url, source } => {
                        let (url, source) = (url.clone(), Arc::clone(source));
                        fetched.push(FetchedKeys { listener: name, verifier, source, url });
                    }
                }
            }
        }
        let fetcher = KeyFetcher::start(fetched, &graph.metrics)?;
        if all.is_empty() {
            return Ok(Self { files: None, fetcher });
        }
        let (pokes, inbox) = channel();
        thread::Builder::new().name("certificates".to_owned()).spawn(move || watch(&all, &inbox))?;
        Ok(Self { files: Some(pokes), fetcher })
    }

    /// Has everything read and fetched soon (SIGHUP).
    pub(crate) fn poke(&self) {
        if let Some(files) = &self.files {
            // the thread lives until this value is dropped
            let _sent = files.send(());
        }
        if let Some(fetcher) = &self.fetcher {
            fetcher.poke();
        }
    }
}

fn watch(all: &[(String, Refreshed)], inbox: &Receiver<()>) {
    // what has ended already was told of at the start
    let mut told: Vec<_> = all.iter().map(|(_, what)| what.out_of_date()).collect();
    loop {
        match inbox.recv_timeout(POLL) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for ((listener, what), told) in all.iter().zip(&mut told) {
            let (kind, reloaded) = match what {
                Refreshed::Tls(tls) => ("certificates", tls.reload().map_err(|error| causes(&error))),
                Refreshed::Tokens(tokens, path) => {
                    ("token keys", tokens.adopt_file(path).map_err(|error| causes(&error)))
                }
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
            let out_of_date = what.out_of_date();
            if let Some(error) = out_of_date.as_ref().filter(|_| told.is_none()) {
                tracing::error!(listener, %error, "clients are turned away until the files are renewed");
            }
            *told = out_of_date;
        }
    }
}
