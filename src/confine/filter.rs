//! The system-call filter: two seccomp programs for the kernel, of which the stricter result counts.
//!
//! The first program allows the calls listed in `calls` and answers all others with "not implemented" (ENOSYS). C
//! libraries expect this of an older kernel: a newer library that tries newer calls first falls back to those on the
//! list. The second program answers calls that countersign never needs with "not permitted" (EPERM), including listed
//! calls with unexpected arguments. No call kills the process, so that a refused call ends one exchange only.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use super::calls::{ALLOWED, ALLOWED_LEGACY, REFUSED, REFUSED_LEGACY, REMOVE, REMOVE_LEGACY};
use super::{Confinement, Enforcement, Netlink, Spawn};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The terminal and non-blocking requests that the standard library and tokio use.
const IOCTLS: [u64; 5] = [libc::FIONBIO, libc::FIOCLEX, libc::FIONREAD, libc::TCGETS, libc::TIOCGWINSZ];

/// For names of threads, and of memory since glibc 2.37. Without PR_SET_DUMPABLE, so that dumps cannot be turned on
/// again.
const PRCTLS: [libc::c_int; 4] = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_GET_DUMPABLE, libc::PR_SET_VMA];

/// Loads the filter into every thread of the process.
pub(super) fn apply(confinement: &Confinement) -> Result<Enforcement, Error> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(Enforcement::NotSupported(format!(
            "there is no filter for the architecture {}",
            std::env::consts::ARCH
        )));
    };
    for program in programs(confinement, arch)? {
        match apply_filter_all_threads(&program) {
            Ok(()) => {}
            Err(Error::Seccomp(error)) => return Ok(Enforcement::NotSupported(error.to_string())),
            Err(error) => return Err(error),
        }
    }
    Ok(Enforcement::Fully)
}

/// The programs in the order in which they are loaded. When both refuse a call, the caller sees the error of the later
/// one.
fn programs(confinement: &Confinement, arch: TargetArch) -> Result<Vec<BpfProgram>, Error> {
    let refusing = program(refused(confinement)?, SeccompAction::Allow, errno(libc::EPERM), arch)?;
    Ok(match confinement.spawn {
        Spawn::Deny => vec![program(allowed(confinement), errno(libc::ENOSYS), SeccompAction::Allow, arch)?, refusing],
        Spawn::Allow => vec![refusing],
    })
}

fn program(rules: Rules, otherwise: SeccompAction, then: SeccompAction, arch: TargetArch) -> Result<BpfProgram, Error> {
    Ok(SeccompFilter::new(rules, otherwise, then, arch)?.try_into()?)
}

fn errno(number: libc::c_int) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

/// A call with an empty list of rules matches with any arguments.
fn allowed(confinement: &Confinement) -> Rules {
    let removing: [&[i64]; 2] = if confinement.remove.is_empty() { [&[], &[]] } else { [REMOVE, REMOVE_LEGACY] };
    let always = ALLOWED.iter().chain(ALLOWED_LEGACY);
    always.chain(removing.into_iter().flatten()).map(|call| (*call, Vec::new())).collect()
}

fn refused(confinement: &Confinement) -> Result<Rules, Error> {
    let mut rules: Rules = REFUSED.iter().chain(REFUSED_LEGACY).map(|call| (*call, Vec::new())).collect();
    match confinement.spawn {
        Spawn::Deny => {
            rules.extend([libc::SYS_execve, libc::SYS_execveat].map(|call| (call, Vec::new())));
            // only threads may be made, no processes
            let flag = u64::try_from(libc::CLONE_THREAD).unwrap_or(u64::MAX);
            rules.insert(libc::SYS_clone, vec![rule(&[(0, SeccompCmpOp::MaskedEq(flag), 0)])?]);
            // only to this process: abort, which some panics end in, sends itself a signal
            rules.insert(libc::SYS_tgkill, vec![rule(&[(0, SeccompCmpOp::Ne, u64::from(std::process::id()))])?]);
            rules.insert(libc::SYS_ioctl, vec![none_of(1, IOCTLS)?]);
            rules.insert(libc::SYS_prctl, vec![none_of(0, PRCTLS.map(widened))?]);
        }
        Spawn::Allow => {}
    }
    let families: &[libc::c_int] = match confinement.netlink {
        Netlink::Deny => &[libc::AF_INET, libc::AF_INET6, libc::AF_UNIX],
        Netlink::Allow => &[libc::AF_INET, libc::AF_INET6, libc::AF_UNIX, libc::AF_NETLINK],
    };
    rules.insert(libc::SYS_socket, vec![none_of(0, families.iter().copied().map(widened))?]);
    if confinement.bind.is_empty() {
        rules.insert(libc::SYS_listen, Vec::new());
    }
    // memory must not be writable and executable, nor become executable later; libraries that are loaded are mapped as
    // executable
    let writable_code = widened(libc::PROT_WRITE | libc::PROT_EXEC);
    let code = widened(libc::PROT_EXEC);
    rules.insert(libc::SYS_mmap, vec![rule(&[(2, SeccompCmpOp::MaskedEq(writable_code), writable_code)])?]);
    rules.insert(libc::SYS_mprotect, vec![rule(&[(2, SeccompCmpOp::MaskedEq(code), code)])?]);
    // resource limits may be read, but not set
    let new_limit = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![new_limit])?]);
    Ok(rules)
}

/// Matches when argument `index` is not among `values`.
fn none_of(index: u8, values: impl IntoIterator<Item = u64>) -> Result<SeccompRule, Error> {
    let conditions: Vec<_> = values.into_iter().map(|value| (index, SeccompCmpOp::Ne, value)).collect();
    rule(&conditions)
}

/// Matches when all conditions match. The kernel uses 32 bits of each of these arguments, so the filter compares 32
/// bits.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, Error> {
    let conditions: Result<Vec<_>, _> = conditions
        .iter()
        .map(|(index, operator, value)| {
            SeccompCondition::new(*index, SeccompCmpArgLen::Dword, operator.clone(), *value)
        })
        .collect();
    Ok(SeccompRule::new(conditions?)?)
}

fn widened(number: libc::c_int) -> u64 {
    u64::from(number.unsigned_abs())
}

#[cfg(test)]
mod tests {
    // the interpreter below calculates with small numbers only
    #![allow(clippy::arithmetic_side_effects)]

    use super::super::AbstractSockets;
    use super::*;

    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    /// The length of what the kernel puts before the arguments: number, architecture, instruction pointer.
    const HEADER: usize = 16;

    /// The result of one program, as the kernel's interpreter would compute it.
    fn run(program: &BpfProgram, call: i64, arguments: &[u64]) -> u32 {
        let arch: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
        let mut data = [0_u8; HEADER + 6 * 8];
        data[..4].copy_from_slice(&u32::try_from(call).unwrap().to_le_bytes());
        data[4..8].copy_from_slice(&arch.to_le_bytes());
        for (index, argument) in arguments.iter().enumerate() {
            data[HEADER + index * 8..][..8].copy_from_slice(&argument.to_le_bytes());
        }
        let (mut at, mut accumulator) = (0, 0_u32);
        loop {
            let step = &program[at];
            at += 1;
            let mut jump = |taken: bool| at += usize::from(if taken { step.jt } else { step.jf });
            match step.code {
                0x20 => accumulator = u32::from_le_bytes(data[step.k as usize..][..4].try_into().unwrap()),
                0x54 => accumulator &= step.k,
                0x05 => at += step.k as usize,
                0x15 => jump(accumulator == step.k),
                0x25 => jump(accumulator > step.k),
                0x35 => jump(accumulator >= step.k),
                0x06 => return step.k,
                other => panic!("{other:#x}"),
            }
        }
    }

    /// The error that a call gets, if any.
    fn answer(confinement: &Confinement, call: i64, arguments: &[u64]) -> Option<i32> {
        let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
        let mut refused = None;
        for program in programs(confinement, arch).unwrap() {
            match run(&program, call, arguments) {
                ALLOW => {}
                other => refused = Some(i32::try_from(other.checked_sub(ERRNO).unwrap()).unwrap()),
            }
        }
        refused
    }

    fn strict() -> Confinement {
        Confinement {
            read: vec![],
            write: vec![],
            remove: vec![],
            connect: vec![],
            bind: vec![],
            netlink: Netlink::Deny,
            abstract_sockets: AbstractSockets::Deny,
            spawn: Spawn::Deny,
        }
    }

    #[test]
    fn calls_of_normal_operation_are_allowed() {
        let thread = widened(libc::CLONE_THREAD | libc::CLONE_VM);
        let calls: [(i64, &[u64]); 9] = [
            (libc::SYS_read, &[]),
            (libc::SYS_openat, &[]),
            (libc::SYS_futex, &[]),
            (libc::SYS_clone, &[thread]),
            (libc::SYS_socket, &[widened(libc::AF_INET6)]),
            (libc::SYS_ioctl, &[0, libc::FIONBIO]),
            (libc::SYS_prctl, &[widened(libc::PR_SET_NAME)]),
            (libc::SYS_mmap, &[0, 0, widened(libc::PROT_READ | libc::PROT_EXEC)]),
            (libc::SYS_tgkill, &[u64::from(std::process::id())]),
        ];
        for (call, arguments) in calls {
            assert_eq!(answer(&strict(), call, arguments), None, "{call} {arguments:?}");
        }
    }

    #[test]
    fn what_an_intruder_would_call_is_not_permitted() {
        let both = widened(libc::PROT_WRITE | libc::PROT_EXEC);
        let calls: [(i64, &[u64]); 17] = [
            (libc::SYS_execve, &[]),
            (libc::SYS_execveat, &[]),
            (libc::SYS_ptrace, &[]),
            (libc::SYS_process_vm_readv, &[]),
            (libc::SYS_mount, &[]),
            (libc::SYS_unshare, &[]),
            (libc::SYS_bpf, &[]),
            (libc::SYS_io_uring_setup, &[]),
            (libc::SYS_memfd_create, &[]),
            (libc::SYS_listen, &[]),
            (libc::SYS_clone, &[widened(libc::SIGCHLD)]),
            (libc::SYS_socket, &[widened(libc::AF_PACKET)]),
            (libc::SYS_socket, &[widened(libc::AF_NETLINK)]),
            (libc::SYS_ioctl, &[0, libc::TIOCSTI]),
            (libc::SYS_prctl, &[widened(libc::PR_SET_DUMPABLE), 1]),
            (libc::SYS_mmap, &[0, 0, both]),
            (libc::SYS_prlimit64, &[0, 4, 1 << 40]),
        ];
        for (call, arguments) in calls {
            assert_eq!(answer(&strict(), call, arguments), Some(libc::EPERM), "{call} {arguments:?}");
        }
        assert_eq!(answer(&strict(), libc::SYS_tgkill, &[1]), Some(libc::EPERM));
    }

    #[test]
    fn calls_that_a_newer_c_library_tries_first_are_not_implemented() {
        // glibc falls back to clone when clone3 is not implemented; after any other error it would not make a thread at
        // all
        for call in [libc::SYS_clone3, libc::SYS_openat2, 9999] {
            assert_eq!(answer(&strict(), call, &[]), Some(libc::ENOSYS), "{call}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn calls_of_the_x32_interface_are_not_implemented() {
        assert_eq!(answer(&strict(), libc::SYS_execve | 0x4000_0000, &[]), Some(libc::ENOSYS));
    }

    #[test]
    fn the_upper_half_of_a_limit_counts_and_that_of_a_family_does_not() {
        assert_eq!(answer(&strict(), libc::SYS_prlimit64, &[0, 4, 0]), None);
        let disguised = (1 << 32) | widened(libc::AF_PACKET);
        assert_eq!(answer(&strict(), libc::SYS_socket, &[disguised]), Some(libc::EPERM));
    }

    #[test]
    fn netlink_and_listening_are_allowed_on_request() {
        let netlink = Confinement { netlink: Netlink::Allow, bind: vec![1], ..strict() };
        assert_eq!(answer(&netlink, libc::SYS_socket, &[widened(libc::AF_NETLINK)]), None);
        assert_eq!(answer(&netlink, libc::SYS_listen, &[]), None);
    }

    #[test]
    fn removing_files_is_allowed_on_request() {
        let removing = Confinement { remove: vec!["/run/countersign".into()], ..strict() };
        assert_eq!(answer(&removing, libc::SYS_unlinkat, &[]), None);
        assert_eq!(answer(&strict(), libc::SYS_unlinkat, &[]), Some(libc::ENOSYS));
    }

    #[test]
    fn where_programs_may_be_started_dangerous_calls_are_still_refused() {
        let spawning = Confinement { spawn: Spawn::Allow, ..strict() };
        for call in [libc::SYS_execve, libc::SYS_clone, libc::SYS_clone3, libc::SYS_unlinkat] {
            assert_eq!(answer(&spawning, call, &[]), None, "{call}");
        }
        for call in [libc::SYS_ptrace, libc::SYS_mount, libc::SYS_bpf] {
            assert_eq!(answer(&spawning, call, &[]), Some(libc::EPERM), "{call}");
        }
    }
}
