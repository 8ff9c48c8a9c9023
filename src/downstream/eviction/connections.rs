//! The connections of one listener in one worker: what each of them holds, and which is closed first for a new one.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::AbortHandle;

use super::order::{Order, Rank};
use super::place_requests::PlaceRequests;
use crate::downstream::burst::Burst;
use crate::downstream::capacity::{Capacity, Permit};
use crate::downstream::limit::Full;
use crate::downstream::placing::Member;

/// How often a connection asks other workers to close one. More than once, because another connection of the client may
/// take what was freed.
const ATTEMPTS: usize = 4;

/// The connections of one listener in one worker.
#[derive(Debug)]
pub(in crate::downstream) struct Connections {
    all: RefCell<Numbered>,
    requests: Arc<PlaceRequests>,
    /// This worker among those of the listener, while it accepts.
    member: RefCell<Weak<Member>>,
}

#[derive(Debug, Default)]
struct Numbered {
    entries: Vec<Option<Entry>>,
    /// Numbers without a connection.
    free: Vec<usize>,
    order: Order,
}

/// One connection, until its task has ended.
#[derive(Debug)]
struct Entry {
    /// Its place among the listener's connections; `None` once it has been evicted.
    place: Option<Permit>,
    /// Its place in the share of its client, once that is known.
    charge: Option<Permit>,
    task: Option<AbortHandle>,
}

/// A connection that is open, as it sees itself. Dropping it gives back what it holds.
#[derive(Debug)]
pub struct Resident {
    connections: Rc<Connections>,
    number: usize,
}

impl Connections {
    /// There are none yet.
    pub(in crate::downstream) fn new(requests: Arc<PlaceRequests>) -> Rc<Self> {
        Rc::new(Self { all: RefCell::default(), requests, member: RefCell::default() })
    }

    /// Says which of the listener's workers this one is, for as long as it accepts connections.
    pub(in crate::downstream) fn belong_to(&self, member: &Rc<Member>) {
        *self.member.borrow_mut() = Rc::downgrade(member);
    }

    /// A new connection, which is a stranger.
    pub(in crate::downstream) fn admit(self: &Rc<Self>, place: Permit) -> Rc<Resident> {
        let mut all = self.all.borrow_mut();
        let entry = Entry { place: Some(place), charge: None, task: None };
        let number = match all.free.pop() {
            Some(number) => number,
            None => {
                all.entries.push(None);
                all.entries.len().saturating_sub(1)
            }
        };
        if let Some(slot) = all.entries.get_mut(number) {
            *slot = Some(entry);
        }
        self.append(&mut all, Rank::Stranger, number);
        Burst::Connections.rise(1);
        Rc::new(Resident { connections: Rc::clone(self), number })
    }

    /// Ends the oldest connection of this rank. `false`: there is none.
    pub(in crate::downstream) fn evict(&self, rank: Rank) -> bool {
        let mut all = self.all.borrow_mut();
        let Some(number) = all.order.oldest(rank) else { return false };
        self.end(&mut all, number);
        true
    }

    /// Ends the oldest idle connection that is charged to `share`. This searches a list, which only a client that uses
    /// its whole share pays for.
    pub(in crate::downstream) fn evict_of(&self, share: &Capacity) -> bool {
        let mut all = self.all.borrow_mut();
        let of_share = |number: &usize| {
            let entry = all.entries.get(*number).and_then(Option::as_ref);
            entry.and_then(|entry| entry.charge.as_ref()).is_some_and(|charge| charge.is_of(share))
        };
        let Some(number) = all.order.all(Rank::Idle).find(of_share) else { return false };
        self.end(&mut all, number);
        true
    }

    /// How many strangers this worker has.
    pub(in crate::downstream) fn strangers(&self) -> usize {
        self.all.borrow().order.length(Rank::Stranger)
    }

    /// What the workers tell each other.
    pub(in crate::downstream) const fn requests(&self) -> &Arc<PlaceRequests> {
        &self.requests
    }

    /// Takes back what a connection holds, and has its task dropped: that closes the socket.
    fn end(&self, all: &mut Numbered, number: usize) {
        if let Some(entry) = all.entry(number) {
            (entry.place, entry.charge) = (None, None);
            if let Some(task) = &entry.task {
                task.abort(); // when the runtime next comes to it, not here
            }
        }
        // after its place is free, so that no worker sees neither
        self.remove(all, number);
    }

    fn append(&self, all: &mut Numbered, rank: Rank, number: usize) {
        if all.order.append(rank, number) && rank == Rank::Stranger {
            self.requests.strangers().fetch_add(1, Ordering::Relaxed);
        }
    }

    fn remove(&self, all: &mut Numbered, number: usize) {
        if all.order.remove(number) == Some(Rank::Stranger) {
            self.requests.strangers().fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Resident {
    /// Which task serves it.
    pub(in crate::downstream) fn served_by(&self, task: AbortHandle) {
        if let Some(entry) = self.connections.all.borrow_mut().entry(self.number) {
            entry.task = Some(task);
        }
    }

    /// An exchange begins: the connection is not evicted until [`Self::rest`].
    pub(in crate::downstream) fn work(&self) {
        self.connections.remove(&mut self.connections.all.borrow_mut(), self.number);
    }

    /// An exchange has ended, or the connection waits for its close: from now on it may be evicted, after those that
    /// have rested longer. One that rests already keeps its turn.
    pub(in crate::downstream) fn rest(&self) {
        let all = &mut *self.connections.all.borrow_mut();
        let Some(entry) = all.entry(self.number).filter(|entry| entry.place.is_some()) else { return };
        let rank = if entry.charge.is_some() { Rank::Idle } else { Rank::Stranger };
        self.connections.append(all, rank, self.number);
    }

    /// An exchange whose client is not known before its body has been read: until [`Self::work`], a connection that is
    /// charged to no client may be evicted as if it had no exchange. Otherwise strangers could hold all connections.
    pub(in crate::downstream) fn await_identity(&self) {
        let all = &mut *self.connections.all.borrow_mut();
        if all.entry(self.number).is_some_and(|entry| entry.place.is_some() && entry.charge.is_none()) {
            self.connections.append(all, Rank::Stranger, self.number);
        }
    }

    /// Charges the connection to the share of the client that was authenticated on it. Where the client uses its whole
    /// share, its connection that has been idle longest is closed, if this worker has one;
    /// [`Self::charge_elsewhere`] closes those of other workers.
    ///
    /// # Errors
    /// The client uses its whole share, and has no idle connection in this worker.
    pub(in crate::downstream) fn charge(&self, share: &Capacity) -> Result<(), Full> {
        let charged = |entry: &Entry| entry.charge.as_ref().is_some_and(|charge| charge.is_of(share));
        if self.connections.all.borrow_mut().entry(self.number).is_some_and(|entry| charged(entry)) {
            return Ok(());
        }
        let permit = loop {
            match share.try_take() {
                Ok(permit) => break permit,
                Err(_) if self.connections.evict_of(share) => {}
                Err(full) => return Err(full),
            }
        };
        if let Some(entry) = self.connections.all.borrow_mut().entry(self.number) {
            entry.charge = Some(permit);
        }
        Ok(())
    }

    /// Charges the connection after [`Self::charge`] has failed: another worker closes an idle connection of the
    /// client.
    ///
    /// # Errors
    /// The client uses its whole share, and no worker has an idle connection of it.
    pub(in crate::downstream) async fn charge_elsewhere(&self, share: &Capacity) -> Result<(), Full> {
        for _ in 0..ATTEMPTS {
            let member = self.connections.member.borrow().upgrade();
            let Some(member) = member else { break };
            let has_closed = member.close_elsewhere(share).await;
            match self.charge(share) {
                Ok(()) => return Ok(()),
                Err(full) if !has_closed => return Err(full),
                // another connection of the client was quicker
                Err(_) => {}
            }
        }
        self.charge(share)
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let all = &mut *self.connections.all.borrow_mut();
        self.connections.remove(all, self.number);
        if let Some(slot) = all.entries.get_mut(self.number) {
            *slot = None;
            all.free.push(self.number);
        }
        Burst::Connections.fall(1);
    }
}

impl Numbered {
    fn entry(&mut self, number: usize) -> Option<&mut Entry> {
        self.entries.get_mut(number)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> (Rc<Connections>, Capacity) {
        (Connections::new(Arc::default()), Capacity::new(3))
    }

    #[test]
    fn strangers_make_room_before_idle_connections_and_never_one_with_an_exchange() {
        let (connections, places) = connections();
        let share = Capacity::new(3);
        let [known, busy, stranger] = [(); 3].map(|()| connections.admit(places.take().unwrap()));
        for resident in [&known, &busy] {
            resident.work();
            resident.charge(&share).unwrap();
        }
        known.rest();
        assert_eq!((connections.strangers(), connections.requests().strangers_elsewhere(0)), (1, 1));
        assert!(places.take().is_none());
        assert!(connections.evict(Rank::Stranger) && !connections.evict(Rank::Stranger));
        assert_eq!((places.taken(), share.taken()), (2, 2), "the place is free before the task has ended");
        assert!(connections.evict(Rank::Idle) && !connections.evict(Rank::Idle));
        assert_eq!((places.taken(), share.taken()), (1, 1));
        stranger.rest(); // it has not heard of it yet
        assert_eq!(connections.strangers(), 0);
        drop((known, busy, stranger));
        assert_eq!((places.taken(), share.taken(), connections.all.borrow().free.len()), (0, 0, 3));
    }

    #[test]
    fn a_client_over_its_share_gives_up_its_own_oldest_idle_connection_and_no_other() {
        let (connections, places) = connections();
        let (share, other) = (Capacity::new(1), Capacity::new(1));
        let [first, second, others] = [(); 3].map(|()| connections.admit(places.take().unwrap()));
        for (resident, share) in [(&others, &other), (&first, &share)] {
            resident.work();
            resident.charge(share).unwrap();
            resident.charge(share).unwrap();
        }
        others.rest();
        second.work();
        assert!(second.charge(&share).is_err(), "an exchange is under way on its only connection");
        first.rest();
        second.charge(&share).unwrap();
        assert_eq!((share.taken(), other.taken(), places.taken()), (1, 1, 2));
        second.charge(&other).unwrap();
        assert_eq!((share.taken(), other.taken(), places.taken()), (0, 1, 1), "another client speaks on it now");
    }

    #[test]
    fn a_body_before_its_sender_is_known_keeps_no_place_unless_the_connection_is_a_clients() {
        let (connections, places) = connections();
        let share = Capacity::new(3);
        let [stranger, known, identified] = [(); 3].map(|()| connections.admit(places.take().unwrap()));
        known.work();
        known.charge(&share).unwrap();
        for resident in [&stranger, &known, &identified] {
            resident.work();
            resident.await_identity();
        }
        identified.work();
        assert_eq!(connections.strangers(), 1);
        assert!(connections.evict(Rank::Stranger) && !connections.evict(Rank::Stranger));
        assert!(!connections.evict(Rank::Idle), "the client's share is the limit of that one");
        stranger.await_identity(); // it has not heard of it yet
        assert_eq!(connections.strangers(), 0);
        drop((stranger, known, identified));
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn a_connection_that_closes_without_a_request_leaves_nothing_in_the_lists() {
        let (connections, places) = connections();
        for _ in 0..3 {
            let gone = connections.admit(places.take().unwrap());
            gone.rest();
            gone.rest();
        }
        assert_eq!((connections.strangers(), connections.requests().strangers_elsewhere(0)), (0, 0));
        assert!(!connections.evict(Rank::Stranger) && !connections.evict(Rank::Idle));
    }

    #[test]
    fn numbers_are_used_again() {
        let (connections, places) = connections();
        for _ in 0..10 {
            let one = connections.admit(places.take().unwrap());
            one.work();
            one.rest();
        }
        assert_eq!(connections.all.borrow().entries.len(), 1);
    }
}
