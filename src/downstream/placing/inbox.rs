//! What workers send each other: connections to serve, and wishes to have one closed.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::seats::Seat;
use crate::downstream::capacity::{Capacity, Permit};
use crate::downstream::socket::bound::Unregistered;

/// What one worker sends to another.
pub(in crate::downstream) enum Message {
    /// A connection that it is to serve.
    Serve(Newcomer),
    /// A client's share is used up: an idle connection of it is to be closed.
    Close(Closing),
}

/// A connection that another worker has accepted. It has a place, so that no more of them wait than there are places.
pub(in crate::downstream) struct Newcomer {
    pub(in crate::downstream) socket: Unregistered,
    pub(in crate::downstream) place: Permit,
    pub(in crate::downstream) seat: Seat,
}

/// Asks for an idle connection that is charged to `share` to be closed.
pub(in crate::downstream) struct Closing {
    pub(in crate::downstream) share: Capacity,
    /// Whether one was.
    pub(in crate::downstream) closed: oneshot::Sender<bool>,
}

/// Where one worker finds what others send to it. There is no bound, because what is sent has one: connections have
/// places, and an exchange asks one worker at a time.
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

    /// Takes nothing more: who sends from now on keeps what it has. What was sent before is still there.
    pub(in crate::downstream) fn close(&mut self) {
        self.0.close();
    }
}
