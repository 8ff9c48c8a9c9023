//! The parent's side of the signing socket: any thread sends requests, and one thread receives the answers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use super::message::{self, Answer, LONGEST_REPLY, Reply, Request};
use crate::credentials::signer::{AnswerSlot, SigningError, SigningQueue, SigningRequest};

/// The queue of a key in a token. The agent's signer threads end when it is dropped.
pub struct TokenLink {
    shared: Arc<Shared>,
    /// Whether the thread that receives answers has been started. The first request starts it, when the process has
    /// confined itself, so that the thread is confined as well.
    reading: AtomicBool,
}

struct Shared {
    /// The key's name, for the log.
    key: String,
    socket: OwnedFd,
    longest_queue: usize,
    waiting: Mutex<Waiting>,
    /// The presence of the token, by the last answer.
    away: AtomicBool,
    /// Whether this side has closed the queue: that its other end closes is then expected.
    given_up: AtomicBool,
}

/// Requests without an answer so far.
#[derive(Default)]
struct Waiting {
    next: u64,
    answers: HashMap<u64, AnswerSlot>,
    ended: bool,
}

impl TokenLink {
    /// A queue for the key `key`, of at most `longest_queue` requests, over a packet socket whose other end
    /// [`super::serve`] has.
    #[must_use]
    pub fn new(key: &str, socket: OwnedFd, longest_queue: usize) -> Self {
        let (away, given_up) = (AtomicBool::new(false), AtomicBool::new(false));
        let shared = Shared { key: key.to_owned(), socket, longest_queue, waiting: Mutex::default(), away, given_up };
        Self { shared: Arc::new(shared), reading: AtomicBool::new(false) }
    }

    /// Records the presence of the token as found by a load.
    pub fn note(&self, presence: Presence) {
        self.shared.away.store(presence == Presence::Away, Ordering::Relaxed);
    }

    fn start_reading(&self) -> Result<(), SigningError> {
        if self.reading.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let name = format!("sign-{}", shared.key);
        match thread::Builder::new().name(name).spawn(move || shared.take_answers()) {
            Ok(_ends_with_the_socket) => Ok(()),
            Err(error) => {
                tracing::error!(key = self.shared.key, %error, "no thread for the signer's answers");
                self.reading.store(false, Ordering::Relaxed);
                Err(SigningError::Failed)
            }
        }
    }
}

/// Whether a token is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The token signs.
    Present,
    /// It does not sign.
    Away,
}

impl SigningQueue for TokenLink {
    fn ask(&self, request: SigningRequest<'_>, answer: AnswerSlot) -> Result<(), SigningError> {
        self.start_reading()?;
        let number = self.shared.lock().enter(answer, self.shared.longest_queue)?;
        let patience = u64::try_from(request.patience.as_nanos()).unwrap_or(u64::MAX);
        let until = message::now().saturating_add(patience);
        let packet = Request { number, until, key: Cow::Borrowed(request.key), message: request.message }.write();
        // the kernel's buffer is a queue, too: waiting for space in it would block the worker
        let sent = loop {
            match send(&self.shared.socket, &packet, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                sent => break sent,
            }
        };
        sent.map(drop).map_err(|error| {
            self.shared.lock().answers.remove(&number);
            match error {
                Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM => SigningError::Busy,
                _ => SigningError::Away,
            }
        })
    }

    fn is_away(&self) -> bool {
        self.shared.away.load(Ordering::Relaxed) || self.shared.is_hung_up()
    }
}

impl Drop for TokenLink {
    fn drop(&mut self) {
        self.shared.given_up.store(true, Ordering::Relaxed);
        // wakes the receiving thread, which also has the socket
        let _closed = shutdown(&self.shared.socket, Shutdown::Both);
    }
}

impl Waiting {
    fn enter(&mut self, answer: AnswerSlot, longest_queue: usize) -> Result<u64, SigningError> {
        if self.ended {
            return Err(SigningError::Away);
        }
        // requests that nobody waits for any more count as well: the agent still has them
        if self.answers.len() >= longest_queue {
            return Err(SigningError::Busy);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.answers.insert(number, answer);
        Ok(number)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_answers(&self) {
        let mut packet = [0; LONGEST_REPLY];
        loop {
            match recv(&self.socket, &mut packet[..], RecvFlags::empty()) {
                Ok((_, length)) if length > 0 => {
                    if let Some(reply) = packet.get(..length).and_then(Reply::read) {
                        self.pass_on(reply);
                    }
                }
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        let mut waiting = self.lock();
        waiting.ended = true;
        // dropping them tells those who wait
        waiting.answers.clear();
        drop(waiting);
        if !self.given_up.load(Ordering::Relaxed) {
            tracing::error!(key = self.key, "the process that signs with the key has ended: restart countersign");
        }
    }

    fn pass_on(&self, reply: Reply) {
        let key = &self.key;
        let answer = match reply.answer {
            Answer::Signed(mac) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!(key, "the token is there again");
                }
                Ok(mac)
            }
            Answer::Late => Err(SigningError::Away),
            Answer::Away(error) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::error!(key, error, "the token is not there");
                }
                Err(SigningError::Away)
            }
            Answer::Failed(error) => {
                tracing::error!(key, error, "the token does not sign");
                Err(SigningError::Failed)
            }
        };
        if let Some(waiting) = self.lock().answers.remove(&reply.number) {
            // an error means that nobody waits any more
            let _received = waiting.send(answer);
        }
    }

    fn is_hung_up(&self) -> bool {
        let mut sockets = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let [socket] = match poll(&mut sockets, Some(&at_once)) {
            Ok(_) => sockets,
            Err(_) => return false,
        };
        socket.revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }
}
