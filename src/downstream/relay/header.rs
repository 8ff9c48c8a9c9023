//! The grammar of the PROXY protocol's header, version 2: section 2.2 of HAProxy's `proxy-protocol.txt`.
//!
//! Sixteen bytes that end in a length, addresses, and then fields (TLVs), which nobody here needs: a certificate or a
//! name that somebody else has verified is no evidence. The checksum among them (CRC32c) is not verified either: TCP
//! has one, and nothing but a log depends on the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

/// What every header begins with.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What headers of version 1, which are text, begin with.
const VERSION_1: &[u8] = b"PROXY";
/// The bytes up to the length.
pub const PREFIX: usize = 16;
/// The most bytes behind those. The specification has a header fit into one segment of TCP.
pub const LONGEST: usize = 4096;
/// The bytes of the two longest addresses that count: those of IPv6.
pub const ADDRESSES: usize = 36;
const ADDRESSES_V4: usize = 12;

/// Why a connection does not begin as the load balancer's must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderFault {
    /// Something else came: TLS, or a request.
    #[error(
        "the connection does not begin with a header of the PROXY protocol, which `proxy_protocol_from` has required \
         from this address"
    )]
    Missing,
    /// Version 1.
    #[error(
        "the header is of version 1 of the PROXY protocol: let the load balancer send version 2 (HAProxy: \
         `send-proxy-v2`; nginx 1.31.4 or later: `proxy_protocol v2`)"
    )]
    Version1,
    /// An unknown version.
    #[error("the header is of version {0} of the PROXY protocol, and only 2 is known")]
    Version(u8),
    /// Neither `LOCAL` nor `PROXY`.
    #[error("the header has the command {0}, and only 0 (LOCAL) and 1 (PROXY) are known")]
    Command(u8),
    /// An unknown family of addresses, or an unknown transport.
    #[error("the header has the family and transport {0:#04x}, which are not known")]
    Family(u8),
    /// The addresses do not fit into the length.
    #[error("the header has {length} bytes for addresses that have {needed}")]
    Short {
        /// How many bytes it has.
        length: usize,
        /// How many bytes the addresses have.
        needed: usize,
    },
    /// The length is larger than any sender needs.
    #[error("the header announces {0} bytes, more than {LONGEST}")]
    Long(usize),
}

/// The first 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    addresses: Addresses,
    length: usize,
}

/// Which addresses stand behind the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Addresses {
    /// None that count: the load balancer speaks for itself, such as to check health, or does not know the client's
    /// address, or it is a Unix socket's.
    Ignored,
    V4,
    V6,
}

/// Whether so few bytes can be the beginning of a header. Judged as soon as possible: whoever speaks something else may
/// wait for a response.
///
/// # Errors
/// They cannot.
pub fn begins(bytes: &[u8]) -> Result<(), HeaderFault> {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes.get(..common) == SIGNATURE.get(..common) || VERSION_1.starts_with(bytes) {
        Ok(())
    } else if bytes.starts_with(VERSION_1) {
        Err(HeaderFault::Version1)
    } else {
        Err(HeaderFault::Missing)
    }
}

impl Prefix {
    /// Reads the first 16 bytes.
    ///
    /// # Errors
    /// What the specification has receivers refuse, or more than [`LONGEST`] bytes behind them.
    pub fn read(bytes: &[u8; PREFIX]) -> Result<Self, HeaderFault> {
        begins(bytes)?;
        let [.., version_and_command, family_and_transport, high, low] = *bytes;
        let (version, command) = (version_and_command >> 4, version_and_command & 0x0f);
        if version != 2 {
            return Err(HeaderFault::Version(version));
        }
        let addresses = match command {
            // the rest, also the family, is to be discarded
            0 => Addresses::Ignored,
            1 => Addresses::of(family_and_transport)?,
            other => return Err(HeaderFault::Command(other)),
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let needed = addresses.length();
        if length < needed {
            return Err(HeaderFault::Short { length, needed });
        }
        if length > LONGEST {
            return Err(HeaderFault::Long(length));
        }
        Ok(Self { addresses, length })
    }

    /// How many bytes of the header are behind these.
    #[must_use]
    pub const fn length(self) -> usize {
        self.length
    }

    /// The client's address, if there is one among the first bytes behind the prefix.
    #[must_use]
    pub fn client(self, rest: &[u8; ADDRESSES]) -> Option<SocketAddr> {
        let (ip, port): (IpAddr, [u8; 2]) = match self.addresses {
            Addresses::Ignored => return None,
            Addresses::V4 => {
                let [a, b, c, d, _, _, _, _, high, low, ..] = *rest;
                (Ipv4Addr::new(a, b, c, d).into(), [high, low])
            }
            Addresses::V6 => {
                let (source, rest) = rest.split_first_chunk::<16>()?;
                let (_destination, ports) = rest.split_first_chunk::<16>()?;
                (Ipv6Addr::from(*source).into(), *ports.first_chunk()?)
            }
        };
        Some(SocketAddr::new(ip.to_canonical(), u16::from_be_bytes(port)))
    }
}

impl Addresses {
    fn of(family_and_transport: u8) -> Result<Self, HeaderFault> {
        match (family_and_transport >> 4, family_and_transport & 0x0f) {
            (0x4.., _) | (_, 0x3..) => Err(HeaderFault::Family(family_and_transport)),
            (0x1, 0x1 | 0x2) => Ok(Self::V4),
            (0x2, 0x1 | 0x2) => Ok(Self::V6),
            // unspecified, or a Unix socket's
            (0x0..=0x3, _) => Ok(Self::Ignored),
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::Ignored => 0,
            Self::V4 => ADDRESSES_V4,
            Self::V6 => ADDRESSES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(version_and_command: u8, family: u8, length: u16) -> Result<Prefix, HeaderFault> {
        let mut bytes = [0; PREFIX];
        bytes[..12].copy_from_slice(&SIGNATURE);
        (bytes[12], bytes[13]) = (version_and_command, family);
        bytes[14..].copy_from_slice(&length.to_be_bytes());
        Prefix::read(&bytes)
    }

    fn rest(bytes: &[u8]) -> [u8; ADDRESSES] {
        let mut rest = [0; ADDRESSES];
        rest[..bytes.len()].copy_from_slice(bytes);
        rest
    }

    #[test]
    fn the_clients_address_is_the_first_of_the_two() {
        let v4 = rest(&[192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb]);
        for transport in [0x11, 0x12] {
            let read = prefix(0x21, transport, 12).unwrap();
            assert_eq!(read.client(&v4), Some("192.0.2.1:4660".parse().unwrap()));
        }
        let mut v6 = [0; ADDRESSES];
        v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        v6[16..32].copy_from_slice(&"2001:db8::8".parse::<Ipv6Addr>().unwrap().octets());
        v6[32..].copy_from_slice(&[0, 80, 1, 187]);
        assert_eq!(prefix(0x21, 0x21, 36).unwrap().client(&v6), Some("[2001:db8::7]:80".parse().unwrap()));
        v6[..16].copy_from_slice(&"::ffff:192.0.2.1".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(prefix(0x21, 0x22, 60).unwrap().client(&v6), Some("192.0.2.1:80".parse().unwrap()));
    }

    #[test]
    fn a_load_balancer_that_speaks_for_itself_or_does_not_know_its_client_names_none() {
        let addresses = rest(&[1; ADDRESSES]);
        for (command, family, length) in [
            (0x20, 0x00, 0),
            (0x20, 0x11, 12),
            (0x20, 0xff, 3),
            (0x21, 0x00, 0),
            (0x21, 0x00, 40),
            (0x21, 0x10, 0),
            (0x21, 0x01, 12),
            (0x21, 0x31, 216),
            (0x21, 0x32, 216),
        ] {
            let read = prefix(command, family, length).unwrap();
            assert_eq!((read.client(&addresses), read.length()), (None, length.into()), "{command:x} {family:x}");
        }
    }

    #[test]
    fn what_the_specification_has_receivers_refuse_is_refused() {
        assert_eq!(prefix(0x11, 0x11, 12), Err(HeaderFault::Version(1)));
        assert_eq!(prefix(0x31, 0x11, 12), Err(HeaderFault::Version(3)));
        assert_eq!(prefix(0x22, 0x11, 12), Err(HeaderFault::Command(2)));
        for family in [0x13, 0x1f, 0x41, 0xf1, 0x03] {
            assert_eq!(prefix(0x21, family, 500), Err(HeaderFault::Family(family)));
        }
        assert_eq!(prefix(0x21, 0x11, 11), Err(HeaderFault::Short { length: 11, needed: 12 }));
        assert_eq!(prefix(0x21, 0x21, 35), Err(HeaderFault::Short { length: 35, needed: 36 }));
        prefix(0x21, 0x11, 4096).unwrap();
        assert_eq!(prefix(0x21, 0x11, 4097), Err(HeaderFault::Long(4097)));
        assert_eq!(prefix(0x20, 0x00, u16::MAX), Err(HeaderFault::Long(65535)));
    }

    #[test]
    fn whatever_is_no_header_is_known_by_its_first_byte_that_differs() {
        for length in 0..=12 {
            assert_eq!(begins(&SIGNATURE[..length]), Ok(()));
        }
        assert_eq!(begins(b"\r\n\r\n\x01"), Err(HeaderFault::Missing));
        assert_eq!(begins(b"GET"), Err(HeaderFault::Missing));
        assert_eq!(begins(b"\x16\x03\x01"), Err(HeaderFault::Missing), "TLS");
        assert_eq!((begins(b"PROX"), begins(b"PROXY TCP4")), (Ok(()), Err(HeaderFault::Version1)));
        assert_eq!(begins(b"POST"), Err(HeaderFault::Missing));
        assert_eq!(Prefix::read(b"PROXY UNKNOWN\r\nG"), Err(HeaderFault::Version1));
    }

    /// A header of a Network Load Balancer: `addresses`, a checksum, the ID of the endpoint of a VPC where the client
    /// came through one (`PP2_TYPE_AWS`, `PP2_SUBTYPE_AWS_VPCE_ID`), and zeros up to 100 bytes.
    fn of_network_load_balancer(command: u8, family: u8, addresses: &[u8], vpc_endpoint: Option<&str>) -> Vec<u8> {
        let field = |kind: u8, value: &[u8]| {
            let length = u16::try_from(value.len()).unwrap().to_be_bytes();
            [&[kind], length.as_slice(), value].concat()
        };
        let mut rest = [addresses, &field(0x03, &[0xbc, 0xe5, 0x95, 0x1f])].concat();
        if let Some(id) = vpc_endpoint {
            rest.extend(field(0xea, &[&[0x01], id.as_bytes()].concat()));
        }
        let padding = 84_usize.saturating_sub(rest.len().saturating_add(3));
        rest.extend(field(0x04, &vec![0; padding]));
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, &rest].concat()
    }

    /// The length and the client, read from all bytes of a header.
    fn read_whole(header: &[u8]) -> (usize, Option<SocketAddr>) {
        let (first, behind) = header.split_first_chunk().unwrap();
        let read = Prefix::read(first).unwrap();
        assert_eq!(read.length(), behind.len());
        (read.length(), read.client(&rest(&behind[..ADDRESSES])))
    }

    #[test]
    fn what_a_network_load_balancer_of_aws_sends_is_read_and_its_fields_are_passed_over() {
        let v4 = [203, 0, 113, 7, 10, 0, 1, 11, 0xc0, 0x01, 0x1f, 0x55];
        let client = Some("203.0.113.7:49153".parse().unwrap());
        for vpc_endpoint in [None, Some("vpce-08d2bf15fac5001c9")] {
            assert_eq!(read_whole(&of_network_load_balancer(0x21, 0x11, &v4, vpc_endpoint)), (84, client));
        }
        let v6: [u8; 32] = ["2001:db8::7", "2001:db8:0:1::b"]
            .map(|ip| ip.parse::<Ipv6Addr>().unwrap().octets())
            .concat()
            .try_into()
            .unwrap();
        let header = of_network_load_balancer(0x21, 0x21, &[&v6, &v4[8..]].concat(), Some("vpce-08d2bf15fac5001c9"));
        assert_eq!(read_whole(&header), (84, Some("[2001:db8::7]:49153".parse().unwrap())));
        // a health check as it was captured in kubernetes/kubernetes#57250: LOCAL, a family, and no addresses
        let check = of_network_load_balancer(0x20, 0x11, &[], None);
        assert!(check.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x54\x03\0\x04\xbc\xe5\x95\x1f\x04\0\x4a\0"));
        assert_eq!(read_whole(&check), (84, None));
    }
}
