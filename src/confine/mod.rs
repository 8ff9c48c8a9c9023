//! What the process gives up before it serves: files, ports and system calls it does not need, core files, new privileges.
//!
//! Two mechanisms of Linux that need no privilege and cannot be undone: Landlock (which files may be opened, which TCP ports
//! connected to or bound, `landlock_rules`) and seccomp (which system calls may be made, `filter` and `calls`). Landlock binds
//! the calling thread and every thread it starts later, so [`apply`] wants to be called while there is only one.

mod calls;
mod filter;
mod landlock_rules;
mod privacy;

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use privacy::keep_private;

/// What the process still needs. All else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Files, and directories whose files, may be read. What does not exist is passed over. A file is a file: one that takes
    /// its name later is another; name the directory where that happens.
    pub read: Vec<PathBuf>,
    /// Directories in which files may be made and written.
    pub write: Vec<PathBuf>,
    /// Directories out of which files may be removed. Landlock knows no single files here: the right to remove is the
    /// directory's.
    pub remove: Vec<PathBuf>,
    /// TCP ports, of any address, that may be connected to. Landlock knows no addresses, and UDP only since Linux 7.2.
    pub connect: Vec<u16>,
    /// TCP ports that may be bound. With none, no socket can listen that does not yet.
    pub bind: Vec<u16>,
    /// Asking the kernel about network interfaces and the owners of sockets.
    pub netlink: Netlink,
    /// Connecting to abstract Unix sockets that others made.
    pub abstract_sockets: AbstractSockets,
    /// Starting programs.
    pub spawn: Spawn,
}

/// Sockets of the family `AF_NETLINK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Netlink {
    /// None; the C library does without.
    Deny,
    /// Any.
    Allow,
}

/// Abstract Unix sockets, which no file permission guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbstractSockets {
    /// Only those the process made itself.
    Deny,
    /// Any: the service manager listens on one.
    Allow,
}

/// Other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spawn {
    /// None are started; processes cannot be made, only threads.
    Deny,
    /// They may be started, and are confined likewise. What calls a program of somebody else's makes nobody knows, so there
    /// is no list of those allowed then, only one of those refused.
    Allow,
}

/// How far a mechanism is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforcement {
    /// All of it.
    Fully,
    /// Part of it: the kernel is older than the rest. Says what is missing.
    Partially(String),
    /// Not at all, and why.
    NotSupported(String),
}

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posture {
    /// Files and ports.
    pub landlock: Enforcement,
    /// System calls.
    pub seccomp: Enforcement,
}

impl Posture {
    /// Whether everything that was asked for is in force.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.landlock == Enforcement::Fully && self.seccomp == Enforcement::Fully
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fully => f.write_str("fully enforced"),
            Self::Partially(missing) => write!(f, "partially enforced ({missing})"),
            Self::NotSupported(why) => write!(f, "not enforced ({why})"),
        }
    }
}

impl fmt::Display for Posture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "landlock {}, seccomp {}", self.landlock, self.seccomp)
    }
}

/// Why the process cannot be confined although the kernel could.
#[derive(Debug, Error)]
pub enum ConfineError {
    /// Threads that run already would stay free.
    #[error("{0} threads run already, and would not be confined: a bug in countersign")]
    Threads(usize),
    /// No core files, not dumpable.
    #[error("cannot turn core dumps off")]
    Private(#[source] io::Error),
    /// No new privileges.
    #[error("cannot give up new privileges")]
    Privileges(#[source] io::Error),
    /// The rules for files and ports.
    #[error("cannot restrict files and ports (Landlock)")]
    Landlock(#[source] Box<landlock::RulesetError>),
    /// The filter of system calls.
    #[error("cannot restrict system calls (seccomp)")]
    Seccomp(#[source] Box<seccompiler::Error>),
}

/// Confines the process, which must not have started a thread yet. For good: there is no way back.
///
/// # Errors
/// [`ConfineError`]. That the kernel knows less than was asked for is no error, it is in the [`Posture`].
pub fn apply(confinement: &Confinement) -> Result<Posture, ConfineError> {
    match threads() {
        0 | 1 => apply_to_thread(confinement),
        several => Err(ConfineError::Threads(several)),
    }
}

/// Confines the calling thread and all it will start. Of the threads that run already, the filter of system calls binds all
/// and the rules for files and ports none: a service wants [`apply`].
///
/// # Errors
/// As for [`apply`].
pub fn apply_to_thread(confinement: &Confinement) -> Result<Posture, ConfineError> {
    // a set-user-id program, if one could be started, would not get its user; and both mechanisms ask for it
    rustix::thread::set_no_new_privs(true).map_err(|error| ConfineError::Privileges(error.into()))?;
    // in this order: the filter refuses the system calls of the other
    let landlock = landlock_rules::apply(confinement).map_err(|error| ConfineError::Landlock(Box::new(error)))?;
    let seccomp = filter::apply(confinement).map_err(|error| ConfineError::Seccomp(Box::new(error)))?;
    Ok(Posture { landlock, seccomp })
}

/// The threads of this process; where /proc is not there to say, the caller is trusted.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
