//! `NO_PROXY`: the hosts that are reached without a proxy, as curl reads the list, and with ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which hosts are reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoProxy {
    /// `*`, alone: all of them.
    Every,
    /// Those that one of the entries covers.
    Listed(Vec<Entry>),
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    hosts: Hosts,
    /// The only port that it is about. curl knows no such entries, other programs do.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// A host by this name, or one below it.
    Named(String),
    /// The addresses that begin with so many bits of this one.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Reads the list. Entries are separated by commas or blanks. One that is neither a name nor an address covers
    /// nothing, as in curl.
    pub(crate) fn parse(text: &str) -> Self {
        if text == "*" {
            return Self::Every;
        }
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        Self::Listed(entries.map(Entry::parse).collect())
    }

    /// Whether `host` (a name in lower case, or an address without brackets) is reached without a proxy at `port`. A
    /// name is not looked up: entries with addresses are for URLs with addresses.
    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Every => true,
            Self::Listed(entries) => entries.iter().any(|entry| entry.covers(host, port)),
        }
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        let (host, port) = with_port(text);
        let (address, bits) = match host.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (host, None),
        };
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let network = bare.parse::<IpAddr>().ok().and_then(|address| network(address, bits));
        let hosts = network.unwrap_or_else(|| {
            let name = host.strip_suffix('.').unwrap_or(host);
            Hosts::Named(name.strip_prefix('.').unwrap_or(name).to_ascii_lowercase())
        });
        Self { hosts, port }
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        if self.port.is_some_and(|only| only != port) {
            return false;
        }
        match (&self.hosts, host.parse::<IpAddr>()) {
            (Hosts::Network(IpAddr::V4(network), bits), Ok(IpAddr::V4(address))) => {
                same_bits_v4(*network, address, *bits)
            }
            (Hosts::Network(IpAddr::V6(network), bits), Ok(IpAddr::V6(address))) => {
                same_bits_v6(*network, address, *bits)
            }
            (Hosts::Named(name), Err(_)) => is_at_or_below(host.strip_suffix('.').unwrap_or(host), name),
            (Hosts::Network(..), _) | (Hosts::Named(_), Ok(_)) => false,
        }
    }
}

/// Splits `host:port`; an IPv6 address needs brackets to have one.
fn with_port(text: &str) -> (&str, Option<u16>) {
    let split = text.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match split.map(|(host, port)| (host, port.parse().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit())))) {
        Some((host, Some(port))) => (host, Some(port)),
        Some((_, None)) | None => (text, None),
    }
}

fn network(address: IpAddr, bits: Option<&str>) -> Option<Hosts> {
    let all = match address {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    };
    let bits = match bits {
        None => all,
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= all)?,
    };
    Some(Hosts::Network(address, bits))
}

fn same_bits_v4(one: Ipv4Addr, other: Ipv4Addr, bits: u32) -> bool {
    let differing = one.to_bits() ^ other.to_bits();
    // no shift by the whole width: with no bits to compare, all are the same
    differing.checked_shr(Ipv4Addr::BITS.saturating_sub(bits)).unwrap_or(0) == 0
}

fn same_bits_v6(one: Ipv6Addr, other: Ipv6Addr, bits: u32) -> bool {
    let differing = one.to_bits() ^ other.to_bits();
    differing.checked_shr(Ipv6Addr::BITS.saturating_sub(bits)).unwrap_or(0) == 0
}

fn is_at_or_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name).is_some_and(|rest| !name.is_empty() && (rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_cover_a_name_and_what_is_below_it_networks_ports_and_everything() {
        for (list, host, covered) in [
            ("*", "sdb.amazonaws.com", true),
            ("amazonaws.com", "sdb.amazonaws.com", true),
            (".amazonaws.com", "sdb.amazonaws.com", true),
            ("amazonaws.com.", "sdb.amazonaws.com.", true),
            ("AmazonAWS.com", "amazonaws.com", true),
            ("sdb.amazonaws.com", "sdb.amazonaws.com", true),
            ("azonaws.com", "sdb.amazonaws.com", false),
            ("sdb.amazonaws.com", "amazonaws.com", false),
            ("localhost,,  amazonaws.com", "sdb.amazonaws.com", true),
            ("localhost amazonaws.com", "sdb.amazonaws.com", true),
            ("localhost,*", "sdb.amazonaws.com", false),
            ("*.amazonaws.com", "sdb.amazonaws.com", false),
            ("", "sdb.amazonaws.com", false),
            (".", "sdb.amazonaws.com", false),
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/9", "10.200.3.4", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.4", false),
            ("10.1.2.3/33", "10.1.2.3", false),
            ("10.1.2.3/x", "10.1.2.3", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2.3", "10.1.2.3", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::1", "::1", true),
            ("[::1]", "::1", true),
            ("::/0", "2001:db8::1", true),
        ] {
            assert_eq!(NoProxy::parse(list).covers(host, 443), covered, "{list} {host}");
        }
    }

    #[test]
    fn an_entry_with_a_port_is_about_this_port_alone() {
        for (entry, host) in
            [("sdb.example:8443", "sdb.example"), ("10.0.0.0/8:8443", "10.1.2.3"), ("[::1]:8443", "::1")]
        {
            let list = NoProxy::parse(entry);
            assert!(list.covers(host, 8443) && !list.covers(host, 443), "{entry}");
        }
        assert!(!NoProxy::parse("sdb.example:84x3").covers("sdb.example", 8443));
        assert!(!NoProxy::parse("sdb.example:+443").covers("sdb.example", 443));
    }
}
