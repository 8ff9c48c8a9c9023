//! Serving a connection without hyper, as long as what comes on it is usual: a request is read, handled and answered by one task,
//! with one read and one write when both are small.
//!
//! The first request that is not usual goes to hyper with all that has come, and the rest of the connection with it; so does a
//! head that is incomplete, or to be refused. There is one place for what is rare, then, and this one stays short.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use tokio::io::AsyncWrite as _;

use super::answering::answer;
use super::connection::Handler;
use super::ending::Ending;
use super::peer::evidence::PeerEvidence;
use super::request_body::RequestBody;
use super::service::Current;
use super::shared_stream::{Begin, SharedStream};
use super::stream::{ClientStream, ExchangeMarker, Socket};
use crate::http1::{Persistence, RequestHead};

/// Serves usual requests until the connection ends, or one is not usual: then hyper is to go on with the stream that is returned,
/// in which it finds all that has come.
pub(super) async fn serve<S, H>(
    stream: ClientStream<S>,
    exchanges: &ExchangeMarker,
    peer: &Rc<PeerEvidence>,
    current: &Current<H>,
    ending: &mut Ending,
) -> Option<ClientStream<S>>
where
    S: Socket + 'static,
    H: Handler,
{
    let stream = Rc::new(SharedStream::new(stream));
    loop {
        let head = match poll_fn(|cx| stream.poll_begin(cx, ending)).await {
            Ok(Begin::Usual(head)) => head,
            Ok(Begin::Unusual) => return stream.into_hyper(),
            Ok(Begin::Nothing) => break,
            Err(error) => return ended_early(&error),
        };
        // in a box: most connections have no exchange, and need no room for one then. The box is there first, so that the
        // exchange, which is large, is made in it and not moved there
        let room = Box::new_uninit();
        let exchange = Box::write(room, exchange(&stream, head, exchanges, peer, current, ending));
        match Box::into_pin(exchange).await {
            Ok(Persistence::KeepAlive) => {}
            Ok(Persistence::Close) => break,
            Err(error) => return ended_early(&error),
        }
    }
    let closed = poll_fn(|cx| Pin::new(&mut *stream.borrow()).poll_shutdown(cx)).await;
    closed.err().and_then(|error| ended_early(&error))
}

async fn exchange<S, H>(
    stream: &Rc<SharedStream<S>>,
    head: RequestHead,
    exchanges: &ExchangeMarker,
    peer: &Rc<PeerEvidence>,
    current: &Current<H>,
    ending: &mut Ending,
) -> io::Result<Persistence>
where
    S: Socket + 'static,
    H: Handler,
{
    let service = current.load();
    let body = RequestBody::direct(Rc::<SharedStream<S>>::clone(stream));
    let reply = {
        let mut handling = pin!(service.handler.handle(Rc::clone(peer), exchanges.begin_judged(), head, body));
        poll_fn(|cx| stream.poll_while_waiting(cx, |cx| handling.as_mut().poll(cx))).await?
    };
    // asked before the answer is written, which then says so
    let is_last = poll_fn(|cx| Poll::Ready(ending.is_over(cx))).await;
    answer(stream, reply, if is_last { Persistence::Close } else { Persistence::KeepAlive }).await
}

fn ended_early<S>(error: &io::Error) -> Option<S> {
    tracing::debug!(target: "countersign::connection", %error, "client connection ended early");
    None
}
