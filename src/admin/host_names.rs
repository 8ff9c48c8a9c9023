//! The names that the admin listener may be called by.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::http1::without_port;

/// Which values of `Host` are accepted: any IP address, `localhost`, and names of the configuration. A web page whose
/// own name resolves to our address (DNS rebinding) can send none of these.
#[derive(Debug, Clone)]
pub struct HostNames(Vec<String>);

impl HostNames {
    /// Addresses, `localhost` and these names, in lower case. A name without a port may be called with any.
    #[must_use]
    pub const fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    pub(super) fn admit(&self, host: &[u8]) -> bool {
        let Some(host) = std::str::from_utf8(host).ok().filter(|host| host.is_ascii()) else { return false };
        let Some(name) = without_port(host) else { return false };
        let is_address = match name.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
            None => name.parse::<Ipv4Addr>().is_ok(),
        };
        let is_ours = |ours: &String| ours.eq_ignore_ascii_case(name) || ours.eq_ignore_ascii_case(host);
        is_address || name.eq_ignore_ascii_case("localhost") || self.0.iter().any(is_ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_configured_names_are_accepted_and_no_others() {
        let names = HostNames::new(vec!["countersign.internal".to_owned(), "metrics:8022".to_owned()]);
        for ours in [
            "127.0.0.1:8022",
            "10.1.2.3",
            "192.0.2.7:80",
            "[::1]:8022",
            "[2001:db8::1]",
            "localhost",
            "LocalHost:1",
            "countersign.internal",
            "Countersign.Internal:8022",
            "metrics:8022",
        ] {
            assert!(names.admit(ours.as_bytes()), "{ours}");
        }
        for foreign in [
            "attacker.example",
            "attacker.example:8022",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "127.0.0.1:8022:attacker.example",
            "[::1].attacker.example",
            "[::1",
            "::1",
            "metrics",
            "metrics:80",
            "localhost:",
            "localhost:+1",
            "localhost:99999",
            "0x7f.1",
            "2130706433",
            "",
            ":80",
            "\u{fc}",
        ] {
            assert!(!names.admit(foreign.as_bytes()), "{foreign}");
        }
    }
}
