//! What workers send each other: connections to serve, and requests to close one.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::seats::Seat;
use super::travellers::UnderWay;
use crate::downstream::capacity::{Capacity, Permit};
use crate::downstream::socket::bound::Unregistered;

/// What one worker sends to another.
pub(in crate::downstream) enum Message {
    /// A connection that it is to serve.
    Serve(Newcomer),
    /// A client's share is used up: an idle connection of it is to be closed.
    Close(Closing),
}

/// A connection that another worker has accepted. It has a place in `limits.connections`, which also limits how many
/// wait in inboxes.
pub(in crate::downstream) struct Newcomer {
    pub(in crate::downstream) socket: Unregistered,
    pub(in crate::downstream) place: Permit,
    pub(in crate::downstream) seat: Seat,
    /// Kept until the connection is one of its new worker's: meanwhile it is nobody's stranger.
    pub(in crate::downstream) under_way: UnderWay,
}

/// Asks for an idle connection that is charged to `share` to be closed.
pub(in crate::downstream) struct Closing {
    pub(in crate::downstream) share: Capacity,
    /// Receives whether one was closed.
    pub(in crate::downstream) closed: oneshot::Sender<bool>,
}

/// Where one worker finds what others send to it. The queue needs no limit of its own: each connection in it has a
/// place, and an exchange asks one worker at a time.
pub(in crate::downstream) struct Inbox(UnboundedReceiver<Message>);

impl Inbox {
    pub(super) fn new() -> (UnboundedSender<Message>, Self) {
        let (sender, receiver) = unbounded_channel();
        (sender, Self(receiver))
    }

    /// The next message. Never ends before [`Self::close`].
    pub(in crate::downstream) async fn next(&mut self) -> Option<Message> {
        self.0.recv().await
    }

    /// Refuses further messages: the worker that sends one gets it back. Messages that were sent before are still
    /// received.
    pub(in crate::downstream) fn close(&mut self) {
        self.0.close();
    }
}
