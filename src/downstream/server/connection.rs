//! One client connection: requests are read, handled and answered by one task, one after the other, until either side
//! ends the connection or the process drains. A small request costs one read, and a small response one write.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use super::client_socket::Socket;
use super::exchange_guard::ExchangeGuard;
use super::handler::Handler;
use super::incoming::{Begin, Incoming};
use super::keep_alive::Usage;
use super::lifetime::{LastRequest, Lifetime};
use super::limits::Clocks;
use super::request_body::RequestBody;
use super::response::respond;
use super::service::Current;
use super::stream::ClientStream;
use crate::downstream::eviction::Resident;
use crate::downstream::{Drain, PeerEvidence};
use crate::http1::outgoing_response::{Asked, BodyAsked};
use crate::http1::{HeadFault, Persistence, RequestHead};

/// What every exchange on a connection needs.
struct Connection<S: Socket, H> {
    incoming: Rc<Incoming<S>>,
    peer: Rc<PeerEvidence>,
    current: Rc<Current<H>>,
    last: LastRequest,
    usage: Usage,
    resident: Rc<Resident>,
}

/// An exchange in progress. It is boxed: most connections are idle, and need no memory for an exchange.
type UnderWay<'a> = Pin<Box<dyn Future<Output = io::Result<Persistence>> + 'a>>;

/// Serves one connection to its end. The handler responds to a malformed head. Errors of the socket end the connection,
/// and are not reported further because they affect no other client.
// not an `async fn`, which would keep a second copy of its arguments for as long as the connection lasts
pub fn serve<S, H>(
    io: S,
    peer: Rc<PeerEvidence>,
    clocks: Clocks,
    lifetime: Lifetime,
    current: Rc<Current<H>>,
    drain: &Drain,
    resident: Rc<Resident>,
) -> impl Future<Output = ()> + use<S, H>
where
    S: Socket + 'static,
    H: Handler,
{
    let stream = ClientStream::new(io, clocks);
    let last = LastRequest::of(drain, lifetime, clocks.idle_timeout, stream.phase());
    let (incoming, usage) = (Rc::new(Incoming::new(stream)), Usage::new());
    let mut connection = Connection { incoming, peer, current, last, usage, resident };
    async move {
        let served = connection.serve_requests().await;
        connection.resident.rest(); // whoever is only awaited to close makes room
        // whatever ended it: unread bytes must not cost the client the last response
        let closed = poll_fn(|cx| connection.incoming.poll_close(cx)).await;
        if let Err(error) = served.and(closed) {
            tracing::debug!(target: "countersign::connection", %error, "client connection ended early");
        }
    }
}

impl<S, H> Connection<S, H>
where
    S: Socket + 'static,
    H: Handler,
{
    async fn serve_requests(&mut self) -> io::Result<()> {
        loop {
            let begin = {
                let (incoming, last) = (&self.incoming, &mut self.last);
                poll_fn(|cx| incoming.poll_begin(cx, last)).await?
            };
            let Some(under_way) = self.under_way(begin) else { return Ok(()) };
            if under_way.await? == Persistence::Close {
                return Ok(());
            }
            self.resident.rest();
        }
    }

    /// A function of its own that takes `begin`: otherwise the future of the connection would reserve memory for a head
    /// while it waits for one.
    fn under_way(&mut self, begin: Begin) -> Option<UnderWay<'_>> {
        match begin {
            Begin::Request(head) => Some(Box::pin(self.exchange(head))),
            Begin::Refused(fault, asked) => Some(Box::pin(self.refuse(fault, asked))),
            Begin::Nothing => None,
        }
    }

    async fn exchange(&mut self, head: RequestHead) -> io::Result<Persistence> {
        let service = self.current.load();
        let body = if head.method() == "HEAD" { BodyAsked::No } else { BodyAsked::Yes };
        let (asked, wanted) = (Asked { version: head.version(), body }, head.persistence());
        let body = RequestBody::new(Rc::<Incoming<S>>::clone(&self.incoming));
        let exchange = self.begin();
        let reply = {
            let mut handling = pin!(service.handler.handle(Rc::clone(&self.peer), exchange, head, body));
            poll_fn(|cx| self.incoming.poll_while_waiting(cx, |cx| handling.as_mut().poll(cx))).await?
        };
        // asked before the response is written, which then says so
        let is_over = poll_fn(|cx| Poll::Ready(self.last.is_last_response(cx))).await;
        let is_last = self.usage.is_last(service.limits.keep_alive) || is_over;
        respond(&self.incoming, reply, asked, if is_last { Persistence::Close } else { wanted }).await
    }

    fn begin(&self) -> ExchangeGuard {
        self.resident.work();
        self.incoming.stream().phase().begin(&self.resident)
    }

    /// Nothing after a refused head is ever read.
    async fn refuse(&mut self, fault: HeadFault, asked: Asked) -> io::Result<Persistence> {
        let service = self.current.load();
        let exchange = self.begin();
        let reply = service.handler.refuse(Rc::clone(&self.peer), exchange, fault);
        respond(&self.incoming, reply, asked, Persistence::Close).await
    }
}
