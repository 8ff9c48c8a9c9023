//! Accepting connections: up to a limit at once, beyond which idle connections are closed for new ones, with a pause
//! when the system runs out of descriptors, until a drain begins.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use super::capacity::Permit;
use super::drain::Drain;
use super::eviction::{Rank, Seldom};
use super::handshake::serve_authenticated;
use super::placing::{Closing, Inbox, Member, Message, Newcomer, Seat};
use super::server::{Current, Handler, Service};
use super::socket::bound::{Accepted, Bound, Sockets};

/// How long to wait after an accept failed because descriptors or memory ran out. An immediate retry would spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// How long connections are still accepted after a drain has begun. The kernel has completed handshakes that we have
/// not accepted yet; closing the socket at once would reset those connections and lose their requests.
const LAST_CONNECTIONS: Duration = Duration::from_millis(50);

/// How long a connection waits for another worker to free a place, and how often. A worker does so as soon as it runs,
/// if it has a connection to close.
const OTHER_WORKERS: Duration = Duration::from_millis(50);
const ATTEMPTS: usize = 10;

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// There was a place.
    IntoFreePlace,
    /// Other connections had to be closed for it, or still have to.
    ForOthers,
}

/// What accepting needs.
struct Acceptor<H> {
    current: Rc<Current<H>>,
    /// Each connection holds a sender: the channel closes when the last one has ended.
    alive: mpsc::Sender<()>,
    evictions: Seldom,
    refusals: Seldom,
    /// This worker among those of the listener.
    member: Rc<Member>,
}

/// Accepts from all sockets of a listener until `drain` begins, then returns when the last connection has ended. Runs
/// on a worker's own runtime. A connection ends with the drain of the service under which it began.
pub async fn accept<H: Handler>(sockets: Vec<Bound>, current: Rc<Current<H>>, drain: Drain) {
    let listener = Sockets::new(sockets);
    let (alive, mut ended) = mpsc::channel::<()>(1);
    let (evictions, refusals) = (Seldom::default(), Seldom::default());
    let (member, mut inbox) = current.connections().requests().crew().join();
    let member = Rc::new(member);
    current.connections().belong_to(&member);
    let acceptor = Rc::new(Acceptor { current, alive, evictions, refusals, member });
    tokio::select! {
        () = accept_all(&listener, &acceptor) => {}
        () = acceptor.meet_others(&mut inbox) => {}
        () = acceptor.make_room_for_others() => {}
        () = drain.begun() => {}
    }
    let last = async {
        tokio::select! {
            () = accept_all(&listener, &acceptor) => {}
            () = acceptor.meet_others(&mut inbox) => {}
        }
    };
    let _over = timeout(LAST_CONNECTIONS, last).await;
    drop(listener); // the port is free for a successor while the last exchanges end
    // serves what other workers have sent; they keep the connections that they accept from now on
    inbox.close();
    acceptor.meet_others(&mut inbox).await;
    drop(acceptor);
    while ended.recv().await.is_some() {}
}

/// Runs until it is dropped.
async fn accept_all<H: Handler>(listener: &Sockets, acceptor: &Rc<Acceptor<H>>) {
    loop {
        match listener.accept().await {
            Ok(accepted) => match acceptor.take(accepted) {
                Taken::IntoFreePlace => {}
                // the sockets of connections that were ended are closed when their tasks run
                Taken::ForOthers => yield_now().await,
            },
            Err(error) => pause_after(&error).await,
        }
    }
}

impl<H: Handler> Acceptor<H> {
    /// Serves a connection, at once if there is a place or this worker can evict a connection for it.
    fn take(self: &Rc<Self>, accepted: Accepted) -> Taken {
        let service = self.current.load();
        if let Some(place) = service.places.take() {
            if let Some((accepted, place, seat)) = self.member.hand_over(accepted, place) {
                self.serve(accepted, service, place, seat);
            }
            return Taken::IntoFreePlace;
        }
        if let Some(place) = self.place(&service) {
            self.serve(accepted, service, place, self.member.seat());
            return Taken::ForOthers;
        }
        let acceptor = Rc::clone(self);
        spawn_local(async move {
            match acceptor.place_elsewhere(&service).await {
                Some(place) => acceptor.serve(accepted, service, place, acceptor.member.seat()),
                None => acceptor.refuse(&service),
            }
        });
        Taken::ForOthers
    }

    /// Does what other workers ask of this one: serves connections, and closes idle ones. Ends when the inbox is closed
    /// and empty.
    async fn meet_others(&self, inbox: &mut Inbox) {
        while let Some(message) = inbox.next().await {
            match message {
                Message::Serve(Newcomer { socket, place, seat, under_way: _counted }) => match socket.register() {
                    Ok(accepted) => self.serve(accepted, self.current.load(), place, seat),
                    Err(error) => {
                        tracing::warn!(target: "countersign::connection", %error, "client connection lost");
                    }
                },
                Message::Close(Closing { share, closed }) => {
                    // who has asked may have been refused meanwhile: what is closed then helps nobody
                    if !closed.is_closed() {
                        let _gone = closed.send(self.current.connections().evict_of(&share));
                    }
                }
            }
        }
    }

    fn serve(&self, accepted: Accepted, service: Rc<Service<H>>, place: Permit, seat: Seat) {
        let resident = self.current.admit(place);
        let (current, alive, served) = (Rc::clone(&self.current), self.alive.clone(), Rc::clone(&resident));
        let task = spawn_local(async move {
            let (_alive, _seat) = (alive, seat);
            if let Err(error) = serve_authenticated(accepted, &service, current, served).await {
                tracing::debug!(target: "countersign::connection", %error, "client connection refused");
            }
        });
        resident.served_by(task.abort_handle());
    }

    /// A free place, or one that this worker frees by evicting a stranger or, if no worker has a stranger, an idle
    /// connection.
    fn place(&self, service: &Service<H>) -> Option<Permit> {
        let connections = self.current.connections();
        loop {
            // looked up before the places: a stranger that another worker evicts from now on leaves a free place
            let strangers_elsewhere = connections.requests().strangers_elsewhere(connections.strangers());
            if let Some(place) = service.places.take() {
                return Some(place);
            }
            let has_evicted = self.evict(Rank::Stranger) || (strangers_elsewhere == 0 && self.evict(Rank::Idle));
            if !has_evicted {
                return None;
            }
        }
    }

    /// A place that another worker frees, or this one, which may have got a connection to evict meanwhile.
    async fn place_elsewhere(&self, service: &Service<H>) -> Option<Permit> {
        for _ in 0..ATTEMPTS {
            let freed = service.requests.ask(service.places.limit())?;
            let _in_time = timeout(OTHER_WORKERS, freed).await;
            if let Some(place) = self.place(service) {
                return Some(place);
            }
        }
        None
    }

    /// Evicts connections of this worker when another worker has no place for a new one.
    async fn make_room_for_others(&self) {
        let requests = Arc::clone(self.current.connections().requests());
        loop {
            // the place is given back at once, for the worker that asked
            requests.meet(|| self.place(&self.current.load()).is_some()).await;
        }
    }

    fn evict(&self, rank: Rank) -> bool {
        let evicted = self.current.connections().evict(rank);
        if evicted {
            let service = self.current.load();
            service.handler.evicted(rank);
            if let Some(connections) = self.evictions.tell() {
                let (limit, listener) = (service.places.limit(), service.handler.name());
                tracing::warn!(
                    target: "countersign::connection", listener, limit, connections, last = rank.as_str(),
                    "too many client connections: the oldest without an exchange were closed for new ones"
                );
            }
        }
        evicted
    }

    fn refuse(&self, service: &Service<H>) {
        if let Some(connections) = self.refusals.tell() {
            let (limit, listener) = (service.places.limit(), service.handler.name());
            tracing::warn!(
                target: "countersign::connection", listener, limit, connections,
                "too many client connections, each with an exchange: new ones were closed at once"
            );
        }
    }
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // EMFILE, ENFILE, ENOBUFS and ENOMEM have no stable ErrorKind, so every error causes a pause, except those of a
    // single connection
    if ![ConnectionAborted, ConnectionReset, Interrupted].contains(&error.kind()) {
        tracing::warn!(target: "countersign::connection", %error, "cannot accept connections, trying again");
        sleep(EXHAUSTED_PAUSE).await;
    }
}
