//! The workers that serve one listener: who hands a connection to whom, and who closes one for whom.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::inbox::{Closing, Inbox, Message, Newcomer};
use super::seats::{Seat, Seats};
use super::travellers::Travellers;
use crate::downstream::capacity::{Capacity, Permit};
use crate::downstream::socket::bound::Accepted;

/// How long an exchange waits for other workers to close a connection. A worker answers as soon as it has done its
/// current task.
const OTHER_WORKERS: Duration = Duration::from_millis(50);

/// The workers that serve one listener.
#[derive(Debug, Default)]
pub(in crate::downstream) struct Crew {
    seats: Arc<Seats>,
    /// By the numbers of the workers.
    inboxes: Mutex<Vec<UnboundedSender<Message>>>,
    /// Connections that one worker has handed over and the other does not serve yet.
    under_way: Travellers,
}

/// One worker's membership. Once it is dropped, others send it nothing.
#[derive(Debug)]
pub(in crate::downstream) struct Member {
    crew: Arc<Crew>,
    number: usize,
}

impl Crew {
    /// Makes the calling worker a member, with an inbox.
    pub(in crate::downstream) fn join(self: &Arc<Self>) -> (Member, Inbox) {
        let (sender, inbox) = Inbox::new();
        let mut inboxes = self.inboxes();
        inboxes.push(sender);
        let number = self.seats.add_worker();
        drop(inboxes);
        (Member { crew: Arc::clone(self), number }, inbox)
    }

    /// How many connections wait in inboxes. No request has come on any of them.
    pub(in crate::downstream) fn under_way(&self) -> usize {
        self.under_way.number()
    }

    fn inboxes(&self) -> MutexGuard<'_, Vec<UnboundedSender<Message>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message, or returns it if that worker has closed its inbox.
    fn send(&self, worker: usize, message: Message) -> Result<(), Message> {
        let inbox = self.inboxes().get(worker).cloned();
        match inbox {
            Some(inbox) => inbox.send(message).map_err(|refused| refused.0),
            None => Err(message),
        }
    }
}

impl Member {
    /// Hands a connection, which this worker has accepted and which has a place, to the worker with the fewest
    /// connections. Returns it if this worker is to serve it.
    pub(in crate::downstream) fn hand_over(
        &self,
        accepted: Accepted,
        place: Permit,
    ) -> Option<(Accepted, Permit, Seat)> {
        let seat = self.crew.seats.choose(self.number);
        if seat.worker() == self.number {
            return Some((accepted, place, seat));
        }
        match self.send(accepted, place, seat) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(target: "countersign::connection", %error, "client connection lost");
                None
            }
        }
    }

    fn send(&self, accepted: Accepted, place: Permit, seat: Seat) -> io::Result<Option<(Accepted, Permit, Seat)>> {
        let worker = seat.worker();
        let newcomer =
            Newcomer { socket: accepted.unregister()?, place, seat, under_way: self.crew.under_way.one_more() };
        let Err(refused) = self.crew.send(worker, Message::Serve(newcomer)) else { return Ok(None) };
        // the other worker drains, and has closed its inbox
        let Message::Serve(Newcomer { socket, place, .. }) = refused else { return Ok(None) };
        Ok(Some((socket.register()?, place, self.seat())))
    }

    /// A seat at this worker, for a connection that it serves itself.
    pub(in crate::downstream) fn seat(&self) -> Seat {
        self.crew.seats.at(self.number)
    }

    /// Asks other workers to close an idle connection that is charged to `share`. `false` if none has closed one.
    pub(in crate::downstream) async fn close_elsewhere(&self, share: &Capacity) -> bool {
        timeout(OTHER_WORKERS, self.ask_each_to_close(share)).await.unwrap_or(false)
    }

    /// One after the other, so that no more than one is closed.
    async fn ask_each_to_close(&self, share: &Capacity) -> bool {
        let workers = self.crew.inboxes().len();
        for worker in (0..workers).filter(|worker| *worker != self.number) {
            let (closed, answer) = oneshot::channel();
            let closing = Closing { share: share.clone(), closed };
            if self.crew.send(worker, Message::Close(closing)).is_ok() && answer.await == Ok(true) {
                return true;
            }
        }
        false
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crew.seats.close(self.number);
    }
}
