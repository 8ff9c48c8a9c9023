//! Confines the process before it serves: it gives up the files, ports, system calls and kinds of sockets that it does
//! not need, its capabilities, core files and new privileges.
//!
//! It uses two mechanisms of Linux that need no privilege and cannot be undone: Landlock, which restricts files and TCP
//! ports (`landlock_rules`), and seccomp, which restricts system calls (`filter`, `calls` and `sockets`). Landlock
//! applies to the calling thread and the threads that it starts later, so [`apply`] must be called while there is only
//! one thread.

mod calls;
mod capabilities;
mod conditions;
mod filter;
mod landlock_rules;
mod privacy;
mod sockets;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub use capabilities::give_up_capabilities;
pub use privacy::keep_private;

/// What the process still needs. Everything else is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Files that may be read, and directories whose files may be read. Missing ones are ignored. A file that later
    /// replaces a listed one under the same name is not covered: where that happens, list the directory.
    pub read: Vec<PathBuf>,
    /// Directories of which the names may be listed, with those of the directories in them. Missing ones are ignored.
    pub list: Vec<PathBuf>,
    /// Directories in which files may be created and written.
    pub write: Vec<PathBuf>,
    /// Directories from which files may be removed. Landlock cannot restrict this to single files, because the right to
    /// remove belongs to the directory.
    pub remove: Vec<PathBuf>,
    /// TCP ports to which connections may be made, at any address. Landlock cannot restrict addresses.
    pub connect: Vec<u16>,
    /// TCP ports that may be bound. Without any, no further socket can be made to listen.
    pub bind: Vec<u16>,
    /// Whether the kernel may be asked about network interfaces and the owners of sockets.
    pub netlink: Netlink,
    /// Whether datagrams may be sent to other hosts.
    pub udp: Udp,
    /// Whether datagrams may be sent to Unix sockets of other processes.
    pub unix_sockets: UnixSockets,
    /// Whether there may be connections to Unix sockets of other processes.
    pub unix_streams: UnixStreams,
    /// Whether programs may be started.
    pub spawn: Spawn,
}

/// Whether the kernel's socket diagnostics may be asked (`AF_NETLINK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Netlink {
    /// Not allowed. The C library works without netlink.
    Deny,
    /// Allowed, with this protocol only.
    Allow,
}

/// Whether there may be sockets for UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Udp {
    /// No.
    Deny,
    /// Yes, to resolve names. Landlock restricts the ports of UDP only since Linux 7.2, so datagrams may go anywhere.
    Allow,
}

/// To which Unix sockets of other processes datagrams may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnixSockets {
    /// To none.
    Deny,
    /// To those with a path, which file permissions protect.
    ToPaths,
    /// To abstract ones too, because the service manager listens on one. Nothing protects those.
    ToAnyAddress,
}

/// Whether there may be connections to Unix sockets of other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnixStreams {
    /// No.
    Deny,
    /// Yes, to those with a path. Landlock restricts the paths only since Linux 7.1; until then file permissions decide
    /// which sockets can be reached. Abstract ones cannot be.
    ToPaths,
}

/// Whether programs may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spawn {
    /// No. The process can make threads, but no processes.
    Deny,
    /// Yes, and they are confined likewise. It is not known which system calls such a program makes, so there is only a
    /// list of refused calls then, and no list of allowed ones.
    Allow,
}

/// How far a mechanism is enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforcement {
    /// Completely.
    Fully,
    /// In part, because the kernel is too old for the rest. Says what is missing.
    Partially(String),
    /// Not at all, and why.
    NotSupported(String),
}

/// What is enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posture {
    /// Files and ports.
    pub landlock: Enforcement,
    /// System calls.
    pub seccomp: Enforcement,
    /// That there are no capabilities.
    pub capabilities: Enforcement,
}

impl Posture {
    /// Whether everything is enforced.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        [&self.landlock, &self.seccomp, &self.capabilities].iter().all(|part| **part == Enforcement::Fully)
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
        write!(f, "landlock {}, seccomp {}, ", self.landlock, self.seccomp)?;
        match &self.capabilities {
            Enforcement::Fully => f.write_str("no capabilities"),
            Enforcement::Partially(why) | Enforcement::NotSupported(why) => write!(f, "capabilities kept ({why})"),
        }
    }
}

/// Why the process cannot be confined although the kernel supports it.
#[derive(Debug, Error)]
pub enum ConfineError {
    /// Threads that already run would not be confined.
    #[error("{0} threads are already running and would not be confined: this is a bug in countersign")]
    Threads(usize),
    /// Core files or the dumpable flag.
    #[error("cannot turn core dumps off")]
    Private(#[source] io::Error),
    /// The `no_new_privs` flag.
    #[error("cannot give up the right to gain privileges (no_new_privs)")]
    Privileges(#[source] io::Error),
    /// Landlock.
    #[error("cannot restrict files and ports (Landlock)")]
    Landlock(#[source] Box<landlock::RulesetError>),
    /// seccomp.
    #[error("cannot restrict system calls (seccomp)")]
    Seccomp(#[source] Box<seccompiler::Error>),
}

/// Confines the process, which must not have started a thread yet. This cannot be undone.
///
/// # Errors
/// [`ConfineError`]. A kernel that supports less than was asked for is not an error; the [`Posture`] says so.
pub fn apply(confinement: &Confinement) -> Result<Posture, ConfineError> {
    match threads() {
        0 | 1 => apply_to_thread(confinement),
        several => Err(ConfineError::Threads(several)),
    }
}

/// Confines the calling thread and all threads that it starts later. The system-call filter also applies to threads
/// that already run; the rules for files and ports do not. A service must use [`apply`].
///
/// # Errors
/// As for [`apply`].
pub fn apply_to_thread(confinement: &Confinement) -> Result<Posture, ConfineError> {
    // before the filter, which refuses the calls for it
    let capabilities = give_up_capabilities();
    // both mechanisms require it; and a set-user-id program, if one could be started, would not run as another user
    rustix::thread::set_no_new_privs(true).map_err(|error| ConfineError::Privileges(error.into()))?;
    // in this order, because the filter refuses the system calls of Landlock
    let landlock = landlock_rules::apply(confinement).map_err(|error| ConfineError::Landlock(Box::new(error)))?;
    let seccomp = filter::apply(confinement).map_err(|error| ConfineError::Seccomp(Box::new(error)))?;
    Ok(Posture { landlock, seccomp, capabilities })
}

/// How many threads the process has. Without /proc it is not known, and the caller is trusted to have started none.
fn threads() -> usize {
    /// A thread that has been joined is in the list until the kernel has taken it out, microseconds later as a rule.
    /// Before Linux 6.9, which has descriptors of threads, nothing tells of that: it is looked for, with pauses that
    /// double, for less than half a second in all.
    const FIRST_PAUSE: Duration = Duration::from_micros(50);
    const PAUSES: u32 = 13;
    let count = || std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    let pauses = (0..PAUSES).map(|number| FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(number)));
    for pause in pauses {
        if count() <= 1 {
            break;
        }
        std::thread::sleep(pause);
    }
    count()
}
