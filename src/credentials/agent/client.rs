//! The parent's side: starts an agent, and asks it for its key as any other store is asked.

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

/// Our own executable, even when it was replaced or removed since it was started.
pub(super) const OURSELVES: &str = "/proc/self/exe";

/// How much longer an agent is awaited than its store may take, so that the store's own error arrives.
const MARGIN: Duration = Duration::from_secs(5);

/// Why an agent gives no key.
#[derive(Debug, Error)]
pub enum AgentError {
    /// There is no agent.
    #[error("the process for the key cannot be started ({OURSELVES} key-agent)")]
    Start(#[source] io::Error),
    /// It died, or was killed; nobody starts it again.
    #[error("the process for the key has ended: restart countersign to have it again")]
    Ended,
    /// It does not answer.
    #[error("the process for the key has not answered within {0:?}")]
    Silent(Duration),
    /// What came is no answer.
    #[error("the process for the key cannot be asked")]
    Socket(#[source] io::Error),
    /// What the store itself says.
    #[error("{text}")]
    Store {
        /// What to do about it.
        kind: LoadErrorKind,
        /// The error and its causes.
        text: String,
    },
    /// What the store gave is no access key.
    #[error("{store} gives no access key")]
    Document {
        /// The store, in words.
        store: String,
        /// What is the matter.
        source: DocumentError,
    },
}

impl StoreError for AgentError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Start(_) | Self::Silent(_) | Self::Socket(_) => LoadErrorKind::Unavailable,
            Self::Store { kind, .. } => *kind,
            // it does not come back by itself
            Self::Ended | Self::Document { .. } => LoadErrorKind::Invalid,
        }
    }
}

/// A process that is a key store, and ends when this is dropped.
pub struct Agent {
    store: Box<dyn RemoteStore>,
    link: Mutex<Link>,
}

/// A store whose process gives the key's JSON.
pub struct AgentStore(Agent);

struct Link {
    socket: OwnedFd,
    asked: u32,
}

impl Agent {
    /// Starts the agent; its environment is `environment` and no more, its standard output `output`. What is wrong with its
    /// store shows at the first load.
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
            // in the background of a terminal: an interrupt is for the parent, which may need the key to the end
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(output)
            .spawn();
        // it ends when the socket closes, and is init's when we end before it: nobody waits for it
        let _unwatched = child.map_err(AgentError::Start)?;
        Ok(Self { store: Box::new(store), link: Mutex::new(Link { socket, asked: 0 }) })
    }

    /// What the agent's store is.
    #[must_use]
    pub fn store(&self) -> &dyn RemoteStore {
        self.store.as_ref()
    }

    /// Asks the agent's store. Blocks, as long as the store may take.
    ///
    /// # Errors
    /// Any [`AgentError`] but [`AgentError::Start`] and [`AgentError::Document`].
    pub fn ask(&self) -> Result<Zeroizing<Vec<u8>>, AgentError> {
        let patience = self.store.longest_load().saturating_add(MARGIN);
        // a panic under the lock leaves a number that was not answered, which is no harm
        self.link.lock().unwrap_or_else(PoisonError::into_inner).ask(patience)
    }
}

/// Both ends of a socket that carries packets.
///
/// # Errors
/// [`AgentError::Start`].
pub fn packet_sockets() -> Result<(OwnedFd, OwnedFd), AgentError> {
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    pair.map_err(|error| AgentError::Start(error.into()))
}

impl AgentStore {
    /// Starts the agent, whose environment is `environment` and no more.
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
                // of a request we had given up
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
