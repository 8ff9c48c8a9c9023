//! The system-call filter: two seccomp programs for the kernel, of which the stricter result counts.
//!
//! The first program allows the calls listed in `calls` and answers all others with "not implemented" (ENOSYS). C
//! libraries expect this of an older kernel: a newer library that tries newer calls first falls back to those on the
//! list. The second program answers calls that countersign never needs with "not permitted" (EPERM), including listed
//! calls with unexpected arguments. No call kills the process, so that a refused call ends one exchange only.

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use super::calls::{ALLOWED, ALLOWED_LEGACY, REFUSED, REFUSED_LEGACY, REMOVE, REMOVE_LEGACY};
use super::conditions::{Rules, has, is, lacks, none_of, rule, widened};
use super::{Confinement, Enforcement, Spawn, sockets};

/// The terminal and non-blocking requests that the standard library and tokio use.
const IOCTLS: [u64; 5] = [libc::FIONBIO, libc::FIOCLEX, libc::FIONREAD, libc::TCGETS, libc::TIOCGWINSZ];

/// The requests to descriptors that the standard library makes. Without those that send signals to the owner of a
/// descriptor (`F_SETOWN`, `F_SETSIG`, `F_SETLEASE`, `F_NOTIFY`).
const FCNTLS: [libc::c_int; 6] =
    [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];

/// What a thread can have of its own when it is made. With these, a process with enough rights could leave its
/// confinement.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

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
    sockets::refuse(confinement, &mut rules)?;
    match confinement.spawn {
        Spawn::Deny => refuse_for_one_process(&mut rules)?,
        Spawn::Allow => {}
    }
    // memory must not be writable and executable, nor become executable later; libraries that are loaded are mapped as
    // executable
    rules.insert(libc::SYS_mmap, vec![rule([has(2, widened(libc::PROT_WRITE | libc::PROT_EXEC))])?]);
    rules.insert(libc::SYS_mprotect, vec![rule([has(2, widened(libc::PROT_EXEC))])?]);
    // resource limits may be read, but not set
    let new_limit = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![new_limit])?]);
    Ok(rules)
}

/// For a process that starts no programs, and whose calls are known.
fn refuse_for_one_process(rules: &mut Rules) -> Result<(), Error> {
    // no filter comes after this one
    rules.extend([libc::SYS_execve, libc::SYS_execveat, libc::SYS_seccomp].map(|call| (call, Vec::new())));
    // only threads may be made, no processes, and none in a namespace of its own
    let mut clone = vec![rule([lacks(0, widened(libc::CLONE_THREAD))])?];
    for namespace in NAMESPACES {
        clone.push(rule([has(0, widened(namespace))])?);
    }
    rules.insert(libc::SYS_clone, clone);
    // only to this process: abort, which some panics end in, sends itself a signal
    rules.insert(libc::SYS_tgkill, vec![rule(none_of(0, [u64::from(std::process::id())]))?]);
    rules.insert(libc::SYS_ioctl, vec![rule(none_of(1, IOCTLS))?]);
    rules.insert(libc::SYS_prctl, vec![rule(none_of(0, PRCTLS.map(widened)))?]);
    let signalled = rule([is(1, widened(libc::F_SETFL)), has(2, widened(libc::O_ASYNC))])?;
    rules.insert(libc::SYS_fcntl, vec![rule(none_of(1, FCNTLS.map(widened)))?, signalled]);
    Ok(())
}

#[cfg(test)]
mod tests {
    // the interpreter below calculates with small numbers only
    #![allow(clippy::arithmetic_side_effects)]

    use super::super::{Netlink, Udp, UnixSockets, UnixStreams};
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

    fn compiled(confinement: &Confinement) -> Vec<BpfProgram> {
        programs(confinement, TargetArch::try_from(std::env::consts::ARCH).unwrap()).unwrap()
    }

    /// The error that a call gets, if any.
    fn answer(confinement: &Confinement, call: i64, arguments: &[u64]) -> Option<i32> {
        answer_of(&compiled(confinement), call, arguments)
    }

    fn answer_of(programs: &[BpfProgram], call: i64, arguments: &[u64]) -> Option<i32> {
        let mut refused = None;
        for program in programs {
            match run(program, call, arguments) {
                ALLOW => {}
                other => refused = Some(i32::try_from(other.checked_sub(ERRNO).unwrap()).unwrap()),
            }
        }
        refused
    }

    fn strict() -> Confinement {
        Confinement {
            read: vec![],
            list: vec![],
            write: vec![],
            remove: vec![],
            connect: vec![],
            bind: vec![],
            netlink: Netlink::Deny,
            udp: Udp::Deny,
            unix_sockets: UnixSockets::Deny,
            unix_streams: UnixStreams::Deny,
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
            (libc::SYS_socket, &[widened(libc::AF_INET6), widened(libc::SOCK_STREAM | libc::SOCK_CLOEXEC)]),
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
    fn listening_is_allowed_on_request() {
        let listening = Confinement { bind: vec![1], ..strict() };
        for call in [libc::SYS_listen, libc::SYS_bind] {
            assert_eq!(answer(&listening, call, &[]), None);
            assert_eq!(answer(&strict(), call, &[]), Some(libc::EPERM));
        }
    }

    /// Every domain and type with protocols that matter, beside each flag that may stand in the type.
    fn sockets(confinement: &Confinement) -> Vec<(i32, i32, i32)> {
        let (programs, mut allowed) = (compiled(confinement), Vec::new());
        for domain in 0..=46 {
            for socket_type in 0..16 {
                for protocol in [0, 1, 4, 6, 17, 33, 132, 136, 255, 256, 262] {
                    let answers =
                        [0, libc::SOCK_CLOEXEC, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0x10].map(|flags| {
                            let arguments = [domain, socket_type | flags, protocol].map(widened);
                            answer_of(&programs, libc::SYS_socket, &arguments)
                        });
                    match answers {
                        [None, None, None, None] => allowed.push((domain, socket_type, protocol)),
                        all => assert_eq!(all, [Some(libc::EPERM); 4], "{domain} {socket_type} {protocol}"),
                    }
                }
            }
        }
        allowed
    }

    #[test]
    fn sockets_are_of_the_kinds_that_are_asked_for_and_of_no_other() {
        const TCP: [(i32, i32, i32); 4] = [(2, 1, 0), (2, 1, 6), (10, 1, 0), (10, 1, 6)];
        assert_eq!(sockets(&strict()), TCP);
        let more = |confinement: &Confinement| {
            sockets(confinement).into_iter().filter(|kind| !TCP.contains(kind)).collect::<Vec<_>>()
        };
        let udp = Confinement { udp: Udp::Allow, ..strict() };
        assert_eq!(more(&udp), [(2, 2, 0), (2, 2, 17), (10, 2, 0), (10, 2, 17)]);
        let unix_streams = UnixStreams::ToPaths;
        for unix_sockets in [UnixSockets::ToPaths, UnixSockets::ToAnyAddress] {
            assert_eq!(more(&Confinement { unix_sockets, ..strict() }), [(1, 2, 0)]);
            assert_eq!(more(&Confinement { unix_sockets, unix_streams, ..strict() }), [(1, 1, 0), (1, 2, 0)]);
        }
        assert_eq!(more(&Confinement { unix_streams, ..strict() }), [(1, 1, 0)]);
        assert_eq!(more(&Confinement { netlink: Netlink::Allow, ..strict() }), [(16, 2, 4)]);
    }

    #[test]
    fn nothing_is_connected_while_it_is_sent_and_no_descriptor_passes_in_a_message() {
        let (plain, fast) = (widened(libc::MSG_NOSIGNAL), widened(libc::MSG_NOSIGNAL | libc::MSG_FASTOPEN));
        let resolving = Confinement { udp: Udp::Allow, ..strict() };
        let spawning = Confinement { spawn: Spawn::Allow, ..strict() };
        for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmmsg, 3), (libc::SYS_sendmsg, 2)] {
            let with = |value| (0..=flags).map(|at| if at == flags { value } else { 0 }).collect::<Vec<u64>>();
            for confinement in [&strict(), &resolving, &spawning] {
                assert_eq!(answer(confinement, call, &with(fast)), Some(libc::EPERM), "{call}");
            }
            assert_eq!(answer(&spawning, call, &with(plain)), None);
            let refused = answer(&resolving, call, &with(plain));
            assert_eq!(refused, (call == libc::SYS_sendmsg).then_some(libc::EPERM), "{call}");
        }
        assert_eq!(answer(&strict(), libc::SYS_sendto, &[0, 0, 0, plain]), None);
        for call in [libc::SYS_sendmmsg, libc::SYS_recvmsg, libc::SYS_recvmmsg, libc::SYS_socketpair] {
            assert_eq!(answer(&strict(), call, &[]), Some(libc::EPERM), "{call}");
        }
    }

    #[test]
    fn options_that_connect_change_the_protocol_or_load_code_are_not_set() {
        let set = |level, option| answer(&strict(), libc::SYS_setsockopt, &[0, widened(level), widened(option)]);
        let (tcp, socket) = (libc::IPPROTO_TCP, libc::SOL_SOCKET);
        for (level, option) in [(tcp, libc::TCP_NODELAY), (socket, libc::SO_LINGER), (0, libc::IP_RECVERR)] {
            assert_eq!(set(level, option), None, "{level} {option}");
        }
        for (level, option) in [
            (tcp, libc::TCP_FASTOPEN_CONNECT),
            (tcp, libc::TCP_FASTOPEN),
            (tcp, libc::TCP_REPAIR),
            (tcp, libc::TCP_ULP),
            (socket, libc::SO_ATTACH_FILTER),
            (socket, libc::SO_ATTACH_BPF),
            (284, 1), // MPTCP
        ] {
            assert_eq!(set(level, option), Some(libc::EPERM), "{level} {option}");
        }
    }

    #[test]
    fn no_descriptor_sends_signals_to_an_owner() {
        let fcntl =
            |request: i32, value: i32| answer(&strict(), libc::SYS_fcntl, &[0, widened(request), widened(value)]);
        for request in FCNTLS {
            assert_eq!(fcntl(request, libc::O_NONBLOCK), None, "{request}");
        }
        assert_eq!(fcntl(libc::F_SETFL, libc::O_NONBLOCK | libc::O_ASYNC), Some(libc::EPERM));
        // F_SETOWN, F_SETSIG, F_SETOWN_EX
        for request in [8, 10, 15, libc::F_SETLEASE, libc::F_NOTIFY] {
            assert_eq!(fcntl(request, 1), Some(libc::EPERM), "{request}");
        }
        // FIOASYNC, FIOSETOWN, SIOCSPGRP
        for request in [0x5452, 0x8901, 0x8902] {
            assert_eq!(answer(&strict(), libc::SYS_ioctl, &[0, request]), Some(libc::EPERM), "{request}");
        }
    }

    #[test]
    fn a_thread_has_no_namespace_of_its_own() {
        for namespace in NAMESPACES {
            let flags = widened(libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND) | widened(namespace);
            assert_eq!(answer(&strict(), libc::SYS_clone, &[flags]), Some(libc::EPERM), "{namespace:#x}");
        }
        for call in [libc::SYS_unshare, libc::SYS_setns, libc::SYS_personality, libc::SYS_seccomp] {
            assert_eq!(answer(&strict(), call, &[]), Some(libc::EPERM), "{call}");
        }
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
