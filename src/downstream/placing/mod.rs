//! Which worker serves a connection: the one that has the fewest connections of the listener.
//!
//! The kernel spreads the connections of a `SO_REUSEPORT` socket by a hash of their addresses, and those of a shared
//! queue by chance, so a few long-lived connections may all come to one worker. The worker that accepts a connection
//! hands it to the worker that has the fewest ([`Crew`]), which receives it in its [`Inbox`]. By the same inbox,
//! workers ask each other to close an idle connection. A [`Seat`] counts a connection at its worker; its place
//! ([`Permit`]) counts it against the limit of the listener. Decision 031 has the reasons.
//!
//! [`Permit`]: super::Permit

mod crew;
mod inbox;
mod seats;
mod travellers;

pub(in crate::downstream) use crew::{Crew, Member};
pub(in crate::downstream) use inbox::{Closing, Inbox, Message, Newcomer};
pub(in crate::downstream) use seats::Seat;
