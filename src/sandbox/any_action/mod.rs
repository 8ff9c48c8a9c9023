//! An endpoint of any cloud: verifies a form as that cloud's servers do, refuses it in their words, or echoes it.

mod echo;
mod endpoint;
mod seen;
mod shape;
mod words;

pub(super) use endpoint::AnyAction;
pub use endpoint::{Cloud, Sighted, Sighting};
pub use shape::Shape;
