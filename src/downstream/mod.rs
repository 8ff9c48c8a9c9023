//! The client's side: listeners, accepting, peer evidence, HTTP, draining.
//!
//! This room knows HTTP framing and nothing of signing: a [`Handler`] decides what happens to a request.
//!
//! A [`socket`] is bound or inherited before there are workers; each worker makes a [`Bound`] of its share and
//! [`accept()`]s from it. `placing` finds the worker that serves a connection. There, `handshake` reads what a
//! [`relay`] says of its client, and gathers the [`PeerEvidence`] that a [`peer`] can give, then the [`server`] speaks
//! HTTP/1.1, by the grammar of [`crate::http1`].

pub mod accept;
pub mod budget;
pub mod burst;
pub mod capacity;
pub mod drain;
mod eviction;
mod handshake;
mod limit;
pub mod peer;
mod placing;
pub mod relay;
pub mod server;
pub mod shares;
pub mod socket;

pub use crate::http1::{HeadFault, RequestHead};
pub use accept::accept;
pub use budget::{ByteBudget, Held, NoMemory};
pub use capacity::{Capacity, Permit};
pub use drain::{Departure, Drain, Stage};
pub use eviction::{PlaceRequests, Rank, Resident};
pub use limit::Full;
pub use peer::evidence::{Origin, PeerEvidence, PeerFacts, Way};
pub use peer::{
    DescribedCertificate, HandshakeFault, JwksError, TokenAlgorithm, TurnedAway, dates, loopback, service_account, tls,
    tls_files,
};
pub use relay::{Network, Relays, UnixRelays};
pub use server::{
    BodyError, BodyLimits, Clocks, Current, ExchangeGuard, Handler, KeepAlive, Limits, MinimumRate, Reply, RequestBody,
    Service, body,
};
pub use shares::{Place, Shares};
pub use socket::bound::{Bound, OwnerLookup};
pub use socket::listener::{Families, ListenAddress, ListenerSocket, TcpSocket};
pub use socket::{canonical, inherited, listener, unix_socket};
