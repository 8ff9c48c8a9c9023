//! A range of IP addresses: `10.0.0.0/8`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// The addresses that have their first `bits` in common with `address`; `None` if it has fewer bits.
    #[must_use]
    pub const fn new(address: IpAddr, bits: u32) -> Option<Self> {
        if bits <= width(address) { Some(Self { address, bits }) } else { None }
    }

    /// One address.
    #[must_use]
    pub const fn only(address: IpAddr) -> Self {
        Self { address, bits: width(address) }
    }

    /// Whether `address` is one of them. An IPv6 address is never one of an IPv4 network, nor the other way round.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                // no shift by the whole width: with no bits to compare, all are the same
                differing.checked_shr(Ipv4Addr::BITS.saturating_sub(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(Ipv6Addr::BITS.saturating_sub(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// How many of the first bits are the same.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// The lowest address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        let width = width(self.address);
        let host_bits = width.saturating_sub(self.bits);
        match self.address {
            IpAddr::V4(address) => {
                let network = address.to_bits().checked_shr(host_bits).and_then(|bits| bits.checked_shl(host_bits));
                Ipv4Addr::from_bits(network.unwrap_or(0)).into()
            }
            IpAddr::V6(address) => {
                let network = address.to_bits().checked_shr(host_bits).and_then(|bits| bits.checked_shl(host_bits));
                Ipv6Addr::from_bits(network.unwrap_or(0)).into()
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

const fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, bits: u32) -> Network {
        Network::new(address.parse().unwrap(), bits).unwrap()
    }

    #[test]
    fn a_network_has_the_addresses_that_share_its_first_bits() {
        for (of, bits, address, expected) in [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.0", false),
            ("10.0.0.128", 25, "10.0.0.127", false),
            ("10.0.0.1", 32, "10.0.0.1", true),
            ("10.0.0.1", 32, "10.0.0.0", false),
            ("0.0.0.0", 0, "203.0.113.9", true),
            ("0.0.0.0", 0, "::1", false),
            ("2001:db8::", 32, "2001:db8:ffff::1", true),
            ("2001:db8::", 33, "2001:db8:8000::", false),
            ("::1", 128, "::1", true),
            ("::", 0, "10.0.0.1", false),
        ] {
            assert_eq!(network(of, bits).contains(address.parse().unwrap()), expected, "{of}/{bits} {address}");
        }
        assert!(Network::new("10.0.0.0".parse().unwrap(), 33).is_none());
        assert!(Network::new("::".parse().unwrap(), 129).is_none());
    }

    #[test]
    fn the_first_address_has_no_bit_beyond_those_of_the_network() {
        let first = |address: &str, bits| network(address, bits).first().to_string();
        assert_eq!(first("10.1.2.3", 8), "10.0.0.0");
        assert_eq!(first("10.1.2.3", 0), "0.0.0.0");
        assert_eq!(first("10.1.2.3", 32), "10.1.2.3");
        assert_eq!(first("2001:db8:ffff::1", 33), "2001:db8:8000::");
        assert_eq!(first("::1", 0), "::");
    }
}
