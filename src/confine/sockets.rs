//! The rules for sockets: which kinds can be made, which options can be set, and how data can be sent.
//!
//! Landlock restricts the ports of TCP, and looks at `connect` and `bind` only. What would bypass it is refused here:
//! other protocols (MPTCP, SCTP, UDP, raw IP), and connections that are made without `connect` (`MSG_FASTOPEN`).

use seccompiler::{Error, SeccompCmpOp};

use super::conditions::{Condition, Rules, has, is, none_of, rule, widened};
use super::{Confinement, Netlink, Spawn, Udp, UnixSockets, UnixStreams};

/// The part of a socket's type that is not a flag (`SOCK_TYPE_MASK` of linux/net.h).
const TYPE_MASK: u64 = 0xf;

/// Sockets of one domain and type, with these protocols.
struct Kind {
    domain: libc::c_int,
    socket_type: libc::c_int,
    protocols: &'static [libc::c_int],
}

const fn kind(domain: libc::c_int, socket_type: libc::c_int, protocols: &'static [libc::c_int]) -> Kind {
    Kind { domain, socket_type, protocols }
}

const TCP: [Kind; 2] = [
    kind(libc::AF_INET, libc::SOCK_STREAM, &[0, libc::IPPROTO_TCP]),
    kind(libc::AF_INET6, libc::SOCK_STREAM, &[0, libc::IPPROTO_TCP]),
];
const UDP: [Kind; 2] = [
    kind(libc::AF_INET, libc::SOCK_DGRAM, &[0, libc::IPPROTO_UDP]),
    kind(libc::AF_INET6, libc::SOCK_DGRAM, &[0, libc::IPPROTO_UDP]),
];
/// The journal, syslog and the service manager listen on sockets of this type. A stream would reach other services.
const UNIX_DATAGRAMS: Kind = kind(libc::AF_UNIX, libc::SOCK_DGRAM, &[0]);
const UNIX_STREAMS: Kind = kind(libc::AF_UNIX, libc::SOCK_STREAM, &[0]);
const SOCKET_DIAGNOSTICS: Kind = kind(libc::AF_NETLINK, libc::SOCK_DGRAM, &[libc::NETLINK_SOCK_DIAG]);

/// The options that countersign, tokio and the C library's resolver set, and those of the same families. Others load
/// programs into the kernel (`SO_ATTACH_FILTER`), change the protocol (`TCP_ULP`), or connect without `connect`
/// (`TCP_FASTOPEN_CONNECT`, `TCP_REPAIR`).
const OPTIONS: [(libc::c_int, &[libc::c_int]); 4] = [
    (
        libc::SOL_SOCKET,
        &[
            libc::SO_LINGER,
            libc::SO_KEEPALIVE,
            libc::SO_RCVTIMEO,
            libc::SO_SNDTIMEO,
            SO_RCVTIMEO_NEW,
            SO_SNDTIMEO_NEW,
            libc::SO_RCVBUF,
            libc::SO_SNDBUF,
            libc::SO_RCVLOWAT,
            libc::SO_REUSEADDR,
        ],
    ),
    (
        libc::IPPROTO_TCP,
        &[
            libc::TCP_NODELAY,
            libc::TCP_CORK,
            libc::TCP_KEEPIDLE,
            libc::TCP_KEEPINTVL,
            libc::TCP_KEEPCNT,
            libc::TCP_QUICKACK,
            libc::TCP_USER_TIMEOUT,
            TCP_NOTSENT_LOWAT,
        ],
    ),
    (libc::IPPROTO_IP, &[libc::IP_RECVERR]),
    (libc::IPPROTO_IPV6, &[libc::IPV6_RECVERR, libc::IPV6_V6ONLY]),
];

// from asm-generic/socket.h and linux/tcp.h; the crate has no names for them
const SO_RCVTIMEO_NEW: libc::c_int = 66;
const SO_SNDTIMEO_NEW: libc::c_int = 67;
const TCP_NOTSENT_LOWAT: libc::c_int = 25;

/// Adds the rules that match what is refused.
pub(super) fn refuse(confinement: &Confinement, rules: &mut Rules) -> Result<(), Error> {
    rules.insert(libc::SYS_socket, other_kinds(&kinds(confinement))?);
    // connects while it sends; Landlock does not check that
    let fast_open = |flags| Ok::<_, Error>(vec![rule([has(flags, widened(libc::MSG_FASTOPEN))])?]);
    rules.insert(libc::SYS_sendto, fast_open(3)?);
    rules.insert(libc::SYS_sendmsg, fast_open(2)?);
    rules.insert(libc::SYS_sendmmsg, fast_open(3)?);
    if confinement.bind.is_empty() {
        rules.insert(libc::SYS_listen, Vec::new());
    }
    match confinement.spawn {
        Spawn::Deny => refuse_unused(confinement, rules),
        Spawn::Allow => Ok(()),
    }
}

/// What a program that is started might need, and this process does not.
fn refuse_unused(confinement: &Confinement, rules: &mut Rules) -> Result<(), Error> {
    rules.insert(libc::SYS_setsockopt, other_options()?);
    // descriptors can be received and passed on in messages, and a socket of a pair can send to other addresses
    rules.extend([libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_recvmmsg, libc::SYS_socketpair].map(any));
    match confinement.udp {
        // the resolver sends two questions with one call; some C libraries bind its socket first
        Udp::Allow => {}
        Udp::Deny => {
            rules.extend([any(libc::SYS_sendmmsg)]);
            if confinement.bind.is_empty() {
                rules.extend([any(libc::SYS_bind)]);
            }
        }
    }
    Ok(())
}

fn any(call: i64) -> (i64, Vec<seccompiler::SeccompRule>) {
    (call, Vec::new())
}

/// The kinds of sockets that are needed.
fn kinds(confinement: &Confinement) -> Vec<Kind> {
    let mut kinds = Vec::from(TCP);
    match confinement.udp {
        Udp::Allow => kinds.extend(UDP),
        Udp::Deny => {}
    }
    match confinement.unix_sockets {
        UnixSockets::ToPaths | UnixSockets::ToAnyAddress => kinds.push(UNIX_DATAGRAMS),
        UnixSockets::Deny => {}
    }
    match confinement.unix_streams {
        UnixStreams::ToPaths => kinds.push(UNIX_STREAMS),
        UnixStreams::Deny => {}
    }
    match confinement.netlink {
        Netlink::Allow => kinds.push(SOCKET_DIAGNOSTICS),
        Netlink::Deny => {}
    }
    kinds
}

/// Rules for `socket(domain, type, protocol)` that match every kind but these.
fn other_kinds(kinds: &[Kind]) -> Result<Vec<seccompiler::SeccompRule>, Error> {
    let mut rules = vec![rule(none_of(0, kinds.iter().map(|kind| widened(kind.domain))))?];
    for Kind { domain, socket_type, protocols } in kinds {
        let of_domain = is(0, widened(*domain));
        let allowed: Vec<u64> =
            kinds.iter().filter(|kind| kind.domain == *domain).map(|kind| widened(kind.socket_type)).collect();
        for other in (0..=TYPE_MASK).filter(|other| !allowed.contains(other)) {
            rules.push(rule([of_domain.clone(), of_type(other)])?);
        }
        let others = none_of(2, protocols.iter().copied().map(widened));
        rules.push(rule([of_domain, of_type(widened(*socket_type))].into_iter().chain(others))?);
    }
    Ok(rules)
}

/// Whatever flags stand beside the type.
const fn of_type(socket_type: u64) -> Condition {
    (1, SeccompCmpOp::MaskedEq(TYPE_MASK), socket_type)
}

/// Rules for `setsockopt(descriptor, level, option, ...)` that match every option but [`OPTIONS`].
fn other_options() -> Result<Vec<seccompiler::SeccompRule>, Error> {
    let mut rules = vec![rule(none_of(1, OPTIONS.map(|(level, _)| widened(level))))?];
    for (level, options) in OPTIONS {
        let others = none_of(2, options.iter().copied().map(widened));
        rules.push(rule([is(1, widened(level))].into_iter().chain(others))?);
    }
    Ok(rules)
}
