//! The key store: an agent that has the token, and the queue of its signing requests.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::link::{Presence, TokenLink};
use super::open::KeyFacts;
use crate::credentials::access_key::{AccessKeyId, ActiveKey};
use crate::credentials::agent::{Agent, AgentError, Order, OrderError, RemoteStore, packet_sockets};
use crate::credentials::mac_key::SignatureMethod;
use crate::credentials::signer::{
    AnswerSlot, RemoteKey, RemoteLimits, RemoteSigner, SigningError, SigningQueue, SigningRequest,
};
use crate::credentials::store::{FILE_POLL, KeyStore, LoadError, LoadErrorKind, StoreError};
use crate::credentials::store_kind::StoreKind;
use crate::credentials::stores::token_location::TokenKey;

/// How long a load may take: a library may reach its token over a network.
const LONGEST_LOAD: Duration = Duration::from_secs(25);

/// A key in a token.
pub struct TokenStore {
    queue: Arc<AgentQueue>,
    id: AccessKeyId,
    key: TokenKey,
    deadline: Duration,
    /// Whether our own agent's login was refused. It reports the reason at every load.
    refused: AtomicBool,
}

/// The queue, and the agent at its other end. A signer keeps both alive, even when the store has been dropped.
struct AgentQueue {
    agent: Agent,
    link: TokenLink,
}

impl SigningQueue for AgentQueue {
    fn ask(&self, request: SigningRequest<'_>, answer: AnswerSlot) -> Result<(), SigningError> {
        self.link.ask(request, answer)
    }

    fn is_away(&self) -> bool {
        self.link.is_away()
    }
}

/// The agent's answer to a load.
#[derive(Serialize, Deserialize)]
pub(super) enum Loaded {
    /// The key signs.
    Ready(KeyFacts),
    /// It will not be tried again; holds the reason.
    Final(String),
}

/// Why a token gives no key, beside the errors of its agent.
#[derive(Debug, Error)]
enum TokenStoreError {
    #[error("{0}")]
    Final(String),
    #[error(
        "the PIN in {} was refused for another key in this token, and is not tried again before countersign is \
         started anew",
        .0.display()
    )]
    RefusedBefore(PathBuf),
    #[error("the process for the key gave a malformed answer")]
    Garbled(#[source] serde_json::Error),
}

impl StoreError for TokenStoreError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Final(_) | Self::RefusedBefore(_) => LoadErrorKind::Permissions,
            Self::Garbled(_) => LoadErrorKind::Unavailable,
        }
    }
}

/// Library, token and PIN of every login that was refused since this process was started. Each key has its own agent,
/// and two keys in one token must not try the same wrong PIN twice.
static REFUSED: Mutex<Vec<(PathBuf, String, PathBuf)>> = Mutex::new(Vec::new());

impl TokenStore {
    /// Starts the agent with exactly this `environment`: the PKCS#11 library may need variables of its own. At most
    /// `queue` requests may wait, each for `deadline`.
    ///
    /// # Errors
    /// [`AgentError::Start`]. An error of the token shows at the first load.
    pub fn start(
        name: &str,
        id: AccessKeyId,
        key: TokenKey,
        (queue, deadline): (usize, Duration),
        environment: Vec<(OsString, OsString)>,
    ) -> Result<Self, AgentError> {
        let (ours, theirs) = packet_sockets()?;
        let agent = Agent::start(key.clone(), environment, Stdio::from(theirs))?;
        let queue = Arc::new(AgentQueue { agent, link: TokenLink::new(name, ours, queue) });
        Ok(Self { queue, id, key, deadline, refused: AtomicBool::new(false) })
    }

    fn ask(&self) -> Result<KeyFacts, LoadError> {
        let login = (self.key.module.clone(), self.key.address.token_in_words(), self.key.pin.clone());
        let refused = || REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.refused.load(Ordering::Relaxed) && refused().contains(&login) {
            return Err(TokenStoreError::RefusedBefore(login.2).into());
        }
        match serde_json::from_slice(&self.queue.agent.ask()?).map_err(TokenStoreError::Garbled)? {
            Loaded::Ready(facts) => Ok(facts),
            Loaded::Final(text) => {
                if !self.refused.swap(true, Ordering::Relaxed) {
                    refused().push(login);
                }
                Err(TokenStoreError::Final(text).into())
            }
        }
    }
}

impl RemoteStore for TokenKey {
    fn order(&self) -> Result<Order, OrderError> {
        Order::new(StoreKind::Pkcs11, self)
    }

    fn longest_load(&self) -> Duration {
        LONGEST_LOAD
    }

    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn poll(&self) -> Duration {
        FILE_POLL
    }

    fn describe(&self) -> String {
        format!("{}, through {}", self.address, self.module.display())
    }
}

impl KeyStore for TokenStore {
    fn load(&self) -> Result<ActiveKey, LoadError> {
        let asked = self.ask();
        self.queue.link.note(if asked.is_ok() { Presence::Present } else { Presence::Away });
        let limits = RemoteLimits { deadline: self.deadline, message: self.key.max_message };
        let queue: Arc<AgentQueue> = Arc::clone(&self.queue);
        let KeyFacts { key: name, form, methods } = asked?;
        let both = [SignatureMethod::HmacSha256, SignatureMethod::HmacSha1];
        let methods = both.into_iter().filter(|method| methods.iter().any(|name| name == method.as_str())).collect();
        let key = RemoteKey { name, form, methods };
        Ok(ActiveKey::remote(self.id.clone(), RemoteSigner::new(queue, key, limits)))
    }

    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn poll(&self) -> Duration {
        FILE_POLL
    }

    fn describe(&self) -> String {
        self.key.describe()
    }
}
