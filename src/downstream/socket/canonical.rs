//! One form for each address.

use std::net::{IpAddr, SocketAddr};

/// An IPv4 address where it is written as an IPv6 one, `::ffff:192.0.2.1`: sockets for both families show their IPv4
/// peers so, and one client would have two addresses.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address, // with its scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ipv4_address_in_the_form_of_an_ipv6_one_changes() {
        for (given, expected) in [
            ("[::ffff:192.0.2.1]:7", "192.0.2.1:7"),
            ("192.0.2.1:7", "192.0.2.1:7"),
            ("[fe80::1%2]:7", "[fe80::1%2]:7"),
            ("[::192.0.2.1]:7", "[::c000:201]:7"),
        ] {
            assert_eq!(canonical(given.parse().unwrap()).to_string(), expected);
        }
    }
}
