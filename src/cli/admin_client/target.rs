//! Where an admin listener is asked: `http://127.0.0.1:8022` or `unix:/path`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::cli::output::printable;
use crate::config::settings::AdminAddress;
use crate::downstream::{Families, TcpSocket};

/// One place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A name or address, IPv6 without brackets, and a port.
    Tcp { host: String, port: u16 },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Target {
    /// Where a listener with this address is asked from the same machine; none for port 0, which the system chose.
    pub(super) fn of(address: &AdminAddress) -> Vec<Self> {
        match address {
            AdminAddress::Tcp(socket) if socket.address.port() == 0 => Vec::new(),
            AdminAddress::Tcp(socket) => {
                let tcp = |ip: IpAddr| Self::Tcp { host: ip.to_string(), port: socket.address.port() };
                reachable(*socket).into_iter().map(tcp).collect()
            }
            AdminAddress::Unix(socket) => vec![Self::Unix(socket.path.clone())],
        }
    }

    /// The value of `Host`. On a Unix socket every one is accepted.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// Every address of the machine stands for its loopback address: nobody connects to 0.0.0.0. A socket at `[::]` takes
/// IPv4 as well with `only_v6 = false`, and IPv6 may be switched off on the loopback interface.
fn reachable(socket: TcpSocket) -> Vec<IpAddr> {
    match (socket.address.ip(), socket.families) {
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), _) => vec![Ipv4Addr::LOCALHOST.into()],
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), Families::Own) => vec![Ipv6Addr::LOCALHOST.into()],
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), Families::Both) => {
            vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
        }
        (ip @ (IpAddr::V4(_) | IpAddr::V6(_)), _) => vec![ip],
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { .. } => write!(f, "http://{}", printable(&self.authority())),
            Self::Unix(path) => write!(f, "unix:{}", printable(&path.to_string_lossy())),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
            if !path.starts_with('/') || path.contains('\0') {
                return Err("a Unix socket is written with its absolute path, e.g. unix:/run/countersign/admin".into());
            }
            return Ok(Self::Unix(path.into()));
        }
        if text.starts_with("https://") {
            return Err("an admin listener has no TLS: write http://".into());
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) || authority.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("only the listener's address is wanted, without a path: http://127.0.0.1:8022".into());
        }
        parse_authority(authority).ok_or_else(|| {
            "an address and a port are wanted, e.g. http://127.0.0.1:8022, http://[::1]:8022 or unix:/path".to_owned()
        })
    }
}

/// `HOST:PORT`; a wildcard address stands for the loopback address.
fn parse_authority(authority: &str) -> Option<Target> {
    let (host, port) = authority.rsplit_once(':')?;
    let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
    if let Ok(address) = authority.parse::<SocketAddr>() {
        let ip = reachable(TcpSocket::at(address)).into_iter().next()?;
        return Some(Target::Tcp { host: ip.to_string(), port });
    }
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_name.then(|| Target::Tcp { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Target>().map_or_else(|error| format!("refused: {error}"), |target| target.to_string())
    }

    #[test]
    fn a_target_is_an_address_with_a_port_or_a_unix_socket() {
        for (text, expected) in [
            ("http://127.0.0.1:9090", "http://127.0.0.1:9090"),
            ("http://127.0.0.1:9090/", "http://127.0.0.1:9090"),
            ("127.0.0.1:9090", "http://127.0.0.1:9090"),
            ("http://[::1]:9090", "http://[::1]:9090"),
            ("http://localhost:9090", "http://localhost:9090"),
            ("http://0.0.0.0:9090", "http://127.0.0.1:9090"),
            ("http://[::]:9090", "http://[::1]:9090"),
            ("unix:/run/admin", "unix:/run/admin"),
            ("unix:///run/admin", "unix:/run/admin"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "",
            "http://",
            "http://127.0.0.1",
            "http://127.0.0.1:0",
            "http://127.0.0.1:99999",
            "http://::1:9090",
            "http://127.0.0.1:9090/readyz",
            "http://user@127.0.0.1:9090",
            "https://127.0.0.1:9090",
            "http://a b:1",
            "http://a\u{1b}[2J:1",
            "unix:relative",
            "unix:",
            "ftp://127.0.0.1:1",
        ] {
            assert!(shown(text).starts_with("refused: "), "{text}: {}", shown(text));
        }
    }

    #[test]
    fn a_wildcard_of_the_configuration_is_asked_on_loopback_and_port_zero_nowhere() {
        let targets = |address: &str| -> Vec<String> {
            let all = Target::of(&AdminAddress::Tcp(TcpSocket::at(address.parse().unwrap())));
            all.iter().map(ToString::to_string).collect()
        };
        let both = TcpSocket { families: Families::Both, ..TcpSocket::at("[::]:8022".parse().unwrap()) };
        let all = Target::of(&AdminAddress::Tcp(both));
        assert_eq!(
            all.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["http://[::1]:8022", "http://127.0.0.1:8022"]
        );
        assert_eq!(targets("0.0.0.0:8022"), ["http://127.0.0.1:8022"]);
        assert_eq!(targets("[::]:8022"), ["http://[::1]:8022"]);
        assert_eq!(targets("192.0.2.7:8022"), ["http://192.0.2.7:8022"]);
        assert_eq!(targets("127.0.0.1:0"), Vec::<String>::new());
    }
}
