//! Replaces the configuration of a process that serves, as far as the rights that it kept allow.

pub(crate) mod reloader;
pub(crate) mod restart;
pub(crate) mod source;
