//! The client of an admin listener: where the listener is, and one request to it.

mod ask;
mod options;
mod target;

pub(crate) use ask::Response;
pub(crate) use options::{AdminOptions, Answer, NoTarget, Targets};
#[cfg(test)]
pub(crate) use target::Target;
