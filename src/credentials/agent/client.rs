//! The parent's side: starts an agent, and asks it for its key.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use thiserror::Error;
use zeroize::Zeroizing;

use super::message::{Answer, Reply, Request};
use super::order::{ORDER, RemoteStore};
use crate::credentials::access_key::{ActiveKey, HeldKey};
use crate::credentials::document::{self, DocumentError};
use crate::credentials::stack::burn_stack;
use crate::credentials::store::{KeyStore, LoadError, LoadErrorKind, StoreError};
use crate::guarded_file::{TOLERANCE, WritableFiles};

/// Our own executable, even when it was replaced or removed since it was started.
pub(super) const OURSELVES: &str = "/proc/self/exe";

/// How much longer an agent is awaited than its store may take, so that the store's own error arrives.
const MARGIN: Duration = Duration::from_secs(5);

/// Why an agent gives no key.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The agent cannot be started.
    #[error("the process for the key cannot be started ({OURSELVES} key-agent)")]
    Start(#[source] io::Error),
    /// It has ended or was killed; it is not started again.
    #[error("the process for the key has ended: restart countersign to have it again")]
    Ended,
    /// It did not answer in time.
    #[error("the process for the key has not answered within {0:?}")]
    Silent(Duration),
    /// Its answer cannot be received or read.
    #[error("the process for the key cannot be asked")]
    Socket(#[source] io::Error),
    /// The store's own error.
    #[error("{text}")]
    Store {
        /// How to react.
        kind: LoadErrorKind,
        /// The error and its causes.
        text: String,
    },
    /// The store's answer is not an access key.
    #[error("{store} gives no access key")]
    Document {
        /// The description of the store.
        store: String,
        /// What is wrong with it.
        source: DocumentError,
    },
}

impl StoreError for AgentError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Start(_) | Self::Silent(_) | Self::Socket(_) => LoadErrorKind::Unavailable,
            Self::Store { kind, .. } => *kind,
            // neither changes by itself
            Self::Ended | Self::Document { .. } => LoadErrorKind::Invalid,
        }
    }
}

/// An agent process, which ends when this is dropped.
pub struct Agent {
    store: Box<dyn RemoteStore>,
    link: Mutex<Link>,
}

/// A key store whose agent sends the key's JSON.
pub struct AgentStore(Agent);

struct Link {
    socket: OwnedFd,
    asked: u32,
}

impl Agent {
    /// Starts the agent with exactly this `environment`, and `output` as its standard output. An error of its store
    /// shows at the first load.
    ///
    /// # Errors
    /// [`AgentError::Start`].
    pub fn start(
        store: impl RemoteStore + 'static,
        environment: Vec<(OsString, OsString)>,
        output: Stdio,
    ) -> Result<Self, AgentError> {
        let order = store.order().and_then(|order| order.write());
        let order = order.map_err(|error| AgentError::Start(io::Error::other(error)))?;
        let (socket, theirs) = packet_sockets()?;
        let child = Command::new(OURSELVES)
            .arg0("countersign")
            .arg("key-agent")
            .env_clear()
            .envs(environment)
            .env(ORDER, order)
            .envs(tolerance())
            // a process group of its own, so that Ctrl-C in a terminal reaches only the parent, which may need the key
            // to the end
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(output)
            .spawn();
        // nobody waits for it: it ends when the socket closes, and init reaps it if we end first
        let _unwatched = child.map_err(AgentError::Start)?;
        Ok(Self { store: Box::new(store), link: Mutex::new(Link { socket, asked: 0 }) })
    }

    /// What the agent's store is.
    #[must_use]
    pub fn store(&self) -> &dyn RemoteStore {
        self.store.as_ref()
    }

    /// Asks the agent's store. Blocks for as long as the store may take.
    ///
    /// # Errors
    /// Any [`AgentError`] but [`AgentError::Start`] and [`AgentError::Document`].
    pub fn ask(&self) -> Result<Zeroizing<Vec<u8>>, AgentError> {
        let patience = self.store.longest_load().saturating_add(MARGIN);
        // a panic under the lock leaves a request without its answer, which is harmless
        self.link.lock().unwrap_or_else(PoisonError::into_inner).ask(patience)
    }
}

/// What makes the agent accept the files that this process accepts.
fn tolerance() -> Option<(&'static str, &'static str)> {
    match WritableFiles::in_force() {
        WritableFiles::Refused => None,
        WritableFiles::DangerAccepted => Some((TOLERANCE, "1")),
    }
}

/// Both ends of a packet socket.
///
/// # Errors
/// [`AgentError::Start`].
pub fn packet_sockets() -> Result<(OwnedFd, OwnedFd), AgentError> {
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    pair.map_err(|error| AgentError::Start(error.into()))
}

impl AgentStore {
    /// Starts the agent with exactly this `environment`.
    ///
    /// # Errors
    /// [`AgentError::Start`].
    pub fn start(
        store: impl RemoteStore + 'static,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Self, AgentError> {
        Agent::start(store, environment, Stdio::null()).map(Self)
    }

    #[inline(never)]
    fn load_unburned(&self) -> Result<ActiveKey, AgentError> {
        let json = self.0.ask()?;
        let store = || self.0.store.describe();
        let credentials = document::parse(&json).map_err(|source| AgentError::Document { store: store(), source })?;
        Ok(HeldKey::new(credentials).into())
    }
}

impl Link {
    fn ask(&mut self, patience: Duration) -> Result<Zeroizing<Vec<u8>>, AgentError> {
        self.asked = self.asked.wrapping_add(1);
        Request { number: self.asked }.send(&self.socket).map_err(|_gone| AgentError::Ended)?;
        let begun = Instant::now();
        loop {
            let left = patience.checked_sub(begun.elapsed()).filter(|left| !left.is_zero());
            let left = left.ok_or(AgentError::Silent(patience))?;
            set_socket_timeout(&self.socket, Timeout::Recv, Some(left))
                .map_err(|error| AgentError::Socket(error.into()))?;
            match Reply::receive(&self.socket) {
                Ok(None) => return Err(AgentError::Ended),
                // the answer to a request that timed out
                Ok(Some(reply)) if reply.number != self.asked => {}
                Ok(Some(Reply { answer: Answer::Document(json), .. })) => return Ok(json),
                Ok(Some(Reply { answer: Answer::Failed { kind, text }, .. })) => {
                    return Err(AgentError::Store { kind, text });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(AgentError::Socket(error)),
            }
        }
    }
}

impl KeyStore for AgentStore {
    fn load(&self) -> Result<ActiveKey, LoadError> {
        let key = self.load_unburned();
        burn_stack();
        Ok(key?)
    }

    fn watched(&self) -> Vec<PathBuf> {
        self.0.store.watched()
    }

    fn poll(&self) -> Duration {
        self.0.store.poll()
    }

    fn describe(&self) -> String {
        self.0.store.describe()
    }
}
