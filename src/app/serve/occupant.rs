//! Whether an address that is in use is served by a countersign that runs: the normal case of a check before a reload.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::downstream::unix_socket::listening_process;

/// The tables of the kernel with all TCP sockets of this network namespace, which every user may read.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The state of a socket that listens, as these tables write it.
const LISTENING: &str = "0A";

/// The command whose process serves.
const COMMAND: &str = "run";

/// A socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listening {
    address: SocketAddr,
    uid: u32,
    inode: u64,
}

/// The `countersign run` that listens at `address`, if it is one.
///
/// The holder of a socket is found among the descriptors of all processes. Those of a countersign that serves can be
/// read by root alone; for other users, one that runs as the owner of the socket counts as its holder.
pub(crate) fn serving_tcp(address: SocketAddr) -> Option<u32> {
    let tables = TABLES.iter().filter_map(|table| fs::read_to_string(table).ok());
    let sockets: Vec<_> = tables.flat_map(|table| table.lines().filter_map(listening).collect::<Vec<_>>()).collect();
    holder(&sockets.into_iter().filter(|socket| is_in_the_way(socket.address, address)).collect::<Vec<_>>())
}

/// The `countersign run` that listens on the Unix socket at `path`, if it is one.
pub(crate) fn serving_unix(path: &Path) -> Option<u32> {
    let process = u32::try_from(listening_process(path)?.as_raw_nonzero().get()).ok()?;
    is_serving(process).then_some(process)
}

fn holder(sockets: &[Listening]) -> Option<u32> {
    let links: BTreeSet<String> = sockets.iter().map(|socket| format!("socket:[{}]", socket.inode)).collect();
    let (mut serving, mut likely) = (None, None);
    for process in processes() {
        match fs::read_dir(format!("/proc/{process}/fd")) {
            Ok(mut descriptors) => {
                let holds = descriptors.any(|descriptor| {
                    let link = descriptor.and_then(|descriptor| fs::read_link(descriptor.path()));
                    link.is_ok_and(|link| links.contains(&*link.to_string_lossy()))
                });
                // several sockets may be in the way, and that of another program would stay there
                if holds && !is_serving(process) {
                    return None;
                }
                serving = serving.or(holds.then_some(process));
            }
            Err(_closed_to_us) => {
                let owns = user(process).is_some_and(|uid| sockets.iter().any(|socket| socket.uid == uid));
                likely = likely.or((owns && is_serving(process)).then_some(process));
            }
        }
    }
    serving.or(likely)
}

fn processes() -> impl Iterator<Item = u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process has our name and was started to serve.
fn is_serving(process: u32) -> bool {
    let name = |process: &str| fs::read(format!("/proc/{process}/comm")).ok();
    let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let serves = arguments.split(|byte| *byte == 0).any(|argument| argument == COMMAND.as_bytes());
    serves && process != std::process::id() && name("self").is_some_and(|ours| name(&process.to_string()) == Some(ours))
}

/// The effective user of a process.
fn user(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a socket that listens at `taken` keeps another from listening at `wanted`.
fn is_in_the_way(taken: SocketAddr, wanted: SocketAddr) -> bool {
    let everywhere = |address: SocketAddr| address.ip().is_unspecified();
    taken.port() == wanted.port() && (taken.ip() == wanted.ip() || everywhere(taken) || everywhere(wanted))
}

/// Reads a line of a table; `None` for its head, and for sockets that do not listen.
fn listening(line: &str) -> Option<Listening> {
    let mut fields = line.split_whitespace().skip(1);
    let (address, _peer, state) = (fields.next()?, fields.next()?, fields.next()?);
    let (uid, inode) = (fields.nth(3)?, fields.nth(1)?);
    let (ip, port) = address.split_once(':')?;
    let address = SocketAddr::new(ip_address(ip)?, u16::from_str_radix(port, 16).ok()?);
    let found = Listening { address, uid: uid.parse().ok()?, inode: inode.parse().ok()? };
    (state == LISTENING).then_some(found)
}

/// An address is written in words of 32 bits, each of them in the order of this machine.
fn ip_address(text: &str) -> Option<IpAddr> {
    let word = |nth: usize| {
        let from = nth.checked_mul(8)?;
        u32::from_str_radix(text.get(from..from.checked_add(8)?)?, 16).ok().map(u32::to_ne_bytes)
    };
    if text.len() == 8 {
        return word(0).map(|octets| Ipv4Addr::from(octets).into());
    }
    let words: Vec<u8> = (0..4).map(word).collect::<Option<Vec<_>>>()?.concat();
    <[u8; 16]>::try_from(words).ok().map(|octets| Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_line_of_the_kernel_names_a_socket_that_listens() {
        let line = "   0: 0100007F:1F55 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1";
        let expected = Listening { address: "127.0.0.1:8021".parse().unwrap(), uid: 1000, inode: 4711 };
        #[cfg(target_endian = "little")]
        assert_eq!(listening(line), Some(expected));
        assert_eq!(listening(&line.replace(" 0A ", " 01 ")), None, "a connection");
        assert_eq!(listening("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"), None);
        let six = "00000000000000000000000001000000";
        #[cfg(target_endian = "little")]
        assert_eq!(ip_address(six), Some("::1".parse().unwrap()));
    }

    #[test]
    fn a_socket_of_another_program_is_not_served_by_a_countersign() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let taken = TcpListener::bind(address).unwrap();
            let address = taken.local_addr().unwrap();
            let tables = TABLES.map(|table| fs::read_to_string(table).unwrap());
            let found = tables.iter().flat_map(|table| table.lines()).filter_map(listening);
            assert!(found.map(|socket| socket.address).any(|found| found == address), "{address}");
            assert_eq!(serving_tcp(address), None);
        }
    }

    #[test]
    fn an_address_is_taken_by_all_addresses_together() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(is_in_the_way(at("0.0.0.0:1"), at("127.0.0.1:1")) && is_in_the_way(at("127.0.0.1:1"), at("[::]:1")));
        assert!(!is_in_the_way(at("127.0.0.1:1"), at("127.0.0.1:2")));
        assert!(!is_in_the_way(at("127.0.0.1:1"), at("127.0.0.2:1")));
    }
}
