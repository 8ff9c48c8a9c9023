//! Which worker serves a connection: the one that has the fewest of the listener.
//!
//! The kernel spreads the connections of a `SO_REUSEPORT` socket by a hash of their addresses, and those of a shared
//! queue by chance, so a few connections that live long may all come to one worker. The worker that accepts one hands
//! it to the worker with the fewest ([`Crew`]), which finds it in its [`Inbox`]. Workers also ask each other there for
//! what only another one can close.

mod crew;
mod inbox;
mod seats;

pub(in crate::downstream) use crew::{Crew, Member};
pub(in crate::downstream) use inbox::{Closing, Inbox, Message, Newcomer};
pub(in crate::downstream) use seats::Seat;
