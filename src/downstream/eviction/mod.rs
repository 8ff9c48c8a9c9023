//! Making room for new connections when a listener's places run out: connections on which nothing is under way end,
//! oldest first.
//!
//! Each worker keeps the [`Connections`] of a listener in the order in which they would be closed: [`Rank`]. A worker
//! that accepts a connection and has none to close asks the others, by [`PlaceRequests`].

mod connections;
mod order;
mod place_requests;
mod seldom;

pub(in crate::downstream) use connections::Connections;
pub use connections::Resident;
pub use order::Rank;
pub use place_requests::PlaceRequests;
pub(in crate::downstream) use seldom::Seldom;
