//! What all proxies share: a directory with certificates, and the TLS configurations of clients and endpoint.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::callers::Callers;
use super::certificates::{self, Tls};
use super::configurations::Endpoint;
use super::peers::{Peer, Started};
use super::wire::{Pace, Wire};
use super::works::Setting;

pub struct Stage {
    pub directory: TempDir,
    pub tls: Tls,
}

impl Stage {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tls = certificates::make(directory.path());
        Self { directory, tls }
    }

    /// Starts a proxy with its endpoint on `wire`, and waits for its first response.
    pub fn start(&self, peer: &Peer, wire: &mut Wire, setting: Setting) -> Started {
        let tls = setting.tls.then(|| self.tls.endpoint.clone());
        let endpoint = Endpoint { address: wire.listen(tls), tls: setting.tls };
        let callers = self.callers(setting, 120);
        let began = Instant::now();
        let started = peer.start(self.directory.path(), &endpoint, setting);
        started.wait(began, &callers, || {
            wire.run(Pace::Silent, Duration::from_micros(200), None);
        })
    }

    /// Clients whose forms have about `form` bytes.
    pub fn callers(&self, setting: Setting, form: usize) -> Callers {
        setting.clients.callers(form, &self.tls.client)
    }
}
