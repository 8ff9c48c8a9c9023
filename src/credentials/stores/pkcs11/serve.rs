//! The agent's side of the signing socket: a thread per session, each of which takes a request, signs, and answers.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use thiserror::Error;
use zeroize::Zeroizing;

use super::error::TokenError;
use super::keeper::{Keeper, Seat, Unsigned};
use super::message::{self, Answer, REQUEST_HEAD, Reply, Request};
use super::store::Loaded;
use crate::credentials::agent::Fetch;
use crate::credentials::signer::LONGEST_DERIVED;
use crate::credentials::store::{LoadError, LoadErrorKind, StoreError};
use crate::credentials::stores::token_location::TokenKey;
use crate::error_chain::causes;

/// The agent's store for a key in a token: a load returns the facts about the key (`Loaded`, as JSON). It signs on the
/// socket that is its standard output.
pub struct TokenAgent {
    keeper: Arc<Keeper>,
    signs: bool,
}

impl TokenAgent {
    /// An agent that has not touched the token yet.
    #[must_use]
    pub fn new(key: TokenKey) -> Self {
        Self { keeper: Arc::new(Keeper::new(key)), signs: false }
    }
}

/// Why the agent has no key.
#[derive(Debug, Error)]
enum AgentTokenError {
    #[error("the signing threads cannot be started")]
    Threads(#[source] io::Error),
    #[error(transparent)]
    Token(Arc<TokenError>),
}

impl StoreError for AgentTokenError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Threads(_) => LoadErrorKind::Unavailable,
            Self::Token(error) => error.kind(),
        }
    }
}

impl Fetch for TokenAgent {
    fn fetch(&mut self) -> Result<Zeroizing<Vec<u8>>, LoadError> {
        if !self.signs {
            let socket = io::stdout().as_fd().try_clone_to_owned().map_err(AgentTokenError::Threads)?;
            serve(&self.keeper, socket).map_err(AgentTokenError::Threads)?;
            self.signs = true;
        }
        let loaded = match self.keeper.load() {
            Ok(facts) => Loaded::Ready(facts),
            Err(error) if error.is_final() => Loaded::Final(causes(&error)),
            Err(error) => return Err(AgentTokenError::Token(error).into()),
        };
        let json = serde_json::to_vec(&loaded).map_err(|error| AgentTokenError::Threads(error.into()))?;
        Ok(Zeroizing::new(json))
    }
}

/// Starts as many threads as the key may have sessions. They end when the other end of `socket` is closed.
///
/// # Errors
/// A thread cannot be started.
pub fn serve(keeper: &Arc<Keeper>, socket: OwnedFd) -> io::Result<()> {
    let socket = Arc::new(socket);
    for number in 0..keeper.key().sessions {
        let (keeper, socket) = (Arc::clone(keeper), Arc::clone(&socket));
        thread::Builder::new().name(format!("session-{number}")).spawn(move || answer_requests(&keeper, &socket))?;
    }
    Ok(())
}

fn answer_requests(keeper: &Keeper, socket: &OwnedFd) {
    let longest = keeper.key().max_message.max(LONGEST_DERIVED);
    let mut packet = vec![0; REQUEST_HEAD.saturating_add(longest)];
    let mut seat = Seat::default();
    loop {
        let length = match recv(socket, packet.as_mut_slice(), RecvFlags::TRUNC) {
            Ok((_, length)) if length > 0 => length,
            Err(Errno::INTR) => continue,
            // the end of the socket, or an error after which it cannot be used
            Ok(_) | Err(_) => return,
        };
        // our own program is at the other end: a malformed packet is not its own, and needs no answer
        let Some(request) = packet.get(..length).and_then(Request::read) else { continue };
        let reply = Reply { number: request.number, answer: answer(keeper, &mut seat, &request) };
        if send(socket, &reply.write(), SendFlags::NOSIGNAL).is_err() {
            return;
        }
    }
}

fn answer(keeper: &Keeper, seat: &mut Seat, request: &Request<'_>) -> Answer {
    // nobody waits for this one any more, and others do
    if message::now() > request.until {
        return Answer::Late;
    }
    // a panic fails this request only, but may have left an operation active in the session
    let signed = catch_unwind(AssertUnwindSafe(|| keeper.sign(seat, &request.key, request.message)));
    match signed {
        Ok(Ok(mac)) => Answer::Signed(mac),
        Ok(Err(error @ (Unsigned::Away(_) | Unsigned::Lost(_)))) => Answer::Away(causes(&error)),
        Ok(Err(error @ Unsigned::Failed(_))) => Answer::Failed(causes(&error)),
        Err(_panic) => {
            *seat = Seat::default();
            Answer::Failed("a bug in countersign: the signer panicked".to_owned())
        }
    }
}
