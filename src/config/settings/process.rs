//! `[audit]`, `[log]` and `[process]` as the program uses them.

use std::time::Duration;

use crate::guarded_file::WritableFiles;
use crate::telemetry::LogFormat;
use crate::telemetry::audit::{Target, WhenFull};

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// `target`; `None` for `"off"`, the default.
    pub target: Option<Target>,
    /// `when_full`.
    pub when_full: WhenFull,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `format`: `"human"` (default) or `"json"`.
    pub format: LogFormat,
    /// `level`: a tracing-subscriber filter, default `"info"`.
    pub level: String,
}

/// `[process]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// `workers`, default: one per processor, 1 to 256. Each is a thread with its own runtime, listeners and pools.
    pub workers: usize,
    /// `drain_delay`: how long requests are served after SIGTERM, while the process is not ready any more.
    pub drain_delay: Duration,
    /// `drain`: how long exchanges that have begun may take after SIGTERM and that delay.
    pub drain: Duration,
    /// `bodies`: bytes of clients' forms held at once, over all workers and routes.
    pub bodies: usize,
    /// Whether `danger_unconfined` was set.
    pub confinement: Confinement,
    /// Whether `danger_writable_files` was set.
    pub writable_files: WritableFiles,
}

/// Whether the process gives up the rights that it does not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// It gives them up before it serves.
    Confined,
    /// `danger_unconfined = true`: it keeps them, and so does an attacker who takes the process over.
    DangerUnconfined,
}
