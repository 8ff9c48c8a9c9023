//! What a connection asks of whoever answers its requests.

use std::rc::Rc;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;

use super::exchange_guard::ExchangeGuard;
use super::request_body::RequestBody;
use crate::downstream::PeerEvidence;
use crate::http1::{Fields, HeadFault, RequestHead};

/// What happens with a request. Infallible: every error has been turned into a response inside.
pub trait Handler: 'static {
    /// The response's body.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + 'static;

    /// Answers a request. The guard belongs into the response's body: the exchange ends when both are dropped.
    fn handle(
        &self,
        peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        body: RequestBody,
    ) -> impl Future<Output = Reply<Self::Body>>;

    /// Answers a head that is refused. The connection is closed behind the response, whatever that says.
    fn refuse(&self, peer: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<Self::Body>;
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
