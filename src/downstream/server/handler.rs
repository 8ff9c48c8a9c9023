//! The interface between a connection and the code that responds to its requests.

use std::rc::Rc;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;

use super::exchange_guard::ExchangeGuard;
use super::request_body::RequestBody;
use crate::downstream::{PeerEvidence, Rank, TurnedAway};
use crate::http1::{Fields, HeadFault, RequestHead};

/// What happens with a request. Infallible: every error has been turned into a response inside.
pub trait Handler: 'static {
    /// The response's body.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + 'static;

    /// Responds to a request. The response's body must hold the guard: the exchange ends when both are dropped.
    fn handle(
        &self,
        peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        body: RequestBody,
    ) -> impl Future<Output = Reply<Self::Body>>;

    /// Responds to a refused head. The connection is closed after the response, whatever its fields say.
    fn refuse(&self, peer: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<Self::Body>;

    /// Sees a client of TLS whose handshake is complete, before its first request.
    fn greet(&self, _: &PeerEvidence) {}

    /// Whether a client on a Unix socket may send requests. If not, its connection is closed at once.
    fn admits(&self, _: &PeerEvidence) -> bool {
        true
    }

    /// Hears of a client that is turned away before its first request, to count, log and audit it.
    fn turn_away(&self, _: &TurnedAway<'_>) {}

    /// What the listener is called in the log.
    fn name(&self) -> &str {
        ""
    }

    /// Notes that a connection was evicted for another one.
    fn evicted(&self, _: Rank) {}
}

/// A response to a client.
pub struct Reply<B> {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields. The connection writes those that frame the body.
    pub fields: Fields,
    /// Its body.
    pub body: B,
}
