//! Addresses to listen on: `127.0.0.1:8021`, `unix:/path`, `systemd:NAME`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::reading::value::{Given, shown};
use crate::config::settings::{AdminAddress, ListenOn};
use crate::downstream::unix_socket::UnixSocket;
use crate::downstream::{TcpSocket, canonical};

/// Longest path of a Unix socket, in bytes (`sun_path` less its closing NUL).
const LONGEST_SOCKET_PATH: usize = 107;

/// Where clients connect: an IP address and port, `unix:/path`, or `systemd:NAME`. The mode and group of a Unix socket,
/// and whether `[::]` serves IPv4, are read from keys of their own.
pub(crate) fn listen(given: &Given<'_>) -> Result<ListenOn, String> {
    let text = given.as_text().unwrap_or_default();
    if let Some(path) = unix_path(text)? {
        return Ok(ListenOn::Unix(UnixSocket { path, mode: 0, group: None }));
    }
    if let Some(name) = text.strip_prefix("systemd:") {
        // systemd separates the names by colons
        let plain = name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        if name.is_empty() || name.len() > 255 || !plain {
            return Err(format!(
                "{} is not an inherited socket: write \"systemd:\" and its FileDescriptorName=",
                shown(text)
            ));
        }
        return Ok(ListenOn::Inherited { name: name.to_owned() });
    }
    socket(given).map(|address| ListenOn::Tcp(TcpSocket::at(canonical(address))))
}

/// The path in `unix:/path`; `None` when the text is something else.
pub(crate) fn unix_path(text: &str) -> Result<Option<PathBuf>, String> {
    let Some(path) = text.strip_prefix("unix:") else { return Ok(None) };
    let usable = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
    if !usable || path.len() > LONGEST_SOCKET_PATH {
        return Err(format!(
            "{} is not a Unix socket: write an absolute path of at most {LONGEST_SOCKET_PATH} bytes, e.g. \
             \"unix:/run/countersign/socket\"",
            shown(text)
        ));
    }
    Ok(Some(path.into()))
}

/// Where health and metrics are served: an IP address and port, or `unix:/path`.
pub(crate) fn admin(given: &Given<'_>) -> Result<AdminAddress, String> {
    match listen(given)? {
        ListenOn::Tcp(socket) => Ok(AdminAddress::Tcp(socket)),
        ListenOn::Unix(socket) => Ok(AdminAddress::Unix(socket)),
        ListenOn::Inherited { .. } => Err(format!(
            "{} cannot serve health and metrics: write an IP address with a port, or \"unix:/path\"",
            given.shown()
        )),
    }
}

/// An address to listen on: an IP address and a port. Host names are refused, because what they resolve to may change.
pub(crate) fn socket(given: &Given<'_>) -> Result<SocketAddr, String> {
    let text = match given {
        Given::Text(text) | Given::Variable(text) => *text,
        Given::Integer(port) if u16::try_from(*port).is_ok() => return Err(only_a_port(&port.to_string())),
        Given::Integer(_) | Given::Flag(_) | Given::Fraction(_) | Given::List(_) | Given::Table(_) => {
            return Err(format!("{} is not an address: write \"127.0.0.1:8021\"", given.shown()));
        }
    };
    text.parse().map_err(|_| {
        let port = text.strip_prefix(':').unwrap_or(text);
        if port.parse::<u16>().is_ok() {
            return only_a_port(port);
        }
        if let Some(port) = text.strip_prefix("localhost:").filter(|port| port.parse::<u16>().is_ok()) {
            return format!(
                "`{text}` is a name: write the address it stands for, \"127.0.0.1:{port}\" or \"[::1]:{port}\""
            );
        }
        match text.trim_matches(['[', ']']).parse() {
            Ok(std::net::IpAddr::V4(ip)) => format!("{} has no port: write e.g. \"{ip}:8021\"", shown(text)),
            Ok(std::net::IpAddr::V6(ip)) => format!("{} has no port: write e.g. \"[{ip}]:8021\"", shown(text)),
            Err(_) => format!(
                "{} is not an IP address with a port: write e.g. \"127.0.0.1:8021\" or \"[::1]:8021\" (no names)",
                shown(text)
            ),
        }
    })
}

fn only_a_port(port: &str) -> String {
    format!("`{port}` is only a port: write \"127.0.0.1:{port}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        socket(&Given::Text(text)).unwrap_err()
    }

    #[test]
    fn addresses_are_ip_addresses_with_ports() {
        for good in ["127.0.0.1:8021", "[::1]:8021", "0.0.0.0:0"] {
            assert_eq!(socket(&Given::Variable(good)).unwrap().to_string(), good);
        }
    }

    #[test]
    fn a_listener_may_be_a_unix_or_an_inherited_socket() {
        let shown = |text| listen(&Given::Variable(text)).map(|address| address.to_string());
        for good in ["unix:/run/countersign/socket", "systemd:countersign.socket", "127.0.0.1:1"] {
            assert_eq!(shown(good), Ok(good.to_owned()));
        }
        assert_eq!(shown("[::ffff:127.0.0.1]:1"), Ok("127.0.0.1:1".to_owned()));
        let long = format!("unix:/{}", "a".repeat(LONGEST_SOCKET_PATH));
        for bad in
            ["unix:", "unix:relative", "unix:/run/", "unix:@abstract", &long, "systemd:", "systemd:a:b", "systemd:a b"]
        {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn localhost_is_answered_with_the_two_addresses() {
        let expected = "write the address it stands for, \"127.0.0.1:80\" or \"[::1]:80\"";
        assert!(refused("localhost:80").ends_with(expected));
    }

    #[test]
    fn names_are_refused() {
        assert!(refused("example.com:80").contains("no names"));
        assert!(refused("").contains("127.0.0.1:8021"));
    }

    #[test]
    fn a_port_alone_is_completed() {
        for port in ["8021", ":8021"] {
            assert_eq!(refused(port), "`8021` is only a port: write \"127.0.0.1:8021\"");
        }
        assert!(socket(&Given::Integer(8021)).unwrap_err().contains("only a port"));
        assert!(socket(&Given::Integer(99999)).unwrap_err().contains("is not an address"));
    }

    #[test]
    fn an_address_without_a_port_is_completed() {
        assert!(refused("10.0.0.1").ends_with("\"10.0.0.1:8021\""));
        assert!(refused("::1").ends_with("\"[::1]:8021\""));
        assert!(refused("[::1]").ends_with("\"[::1]:8021\""));
    }
}
