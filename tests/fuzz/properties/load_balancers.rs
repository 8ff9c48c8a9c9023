//! The PROXY protocol's header, version 2, as a load balancer writes it and as anybody else might.

use std::net::{IpAddr, SocketAddr};

use countersign::downstream::relay::header::{ADDRESSES, LONGEST, PREFIX, Prefix, begins};

/// What a header says, read by its specification and nothing else: the client, and where the connection goes on.
/// `None`: it has to be refused, or is not complete.
fn plainly(input: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let rest = input.strip_prefix(b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A")?;
    let [version_and_command, family, high, low, rest @ ..] = rest else { return None };
    let length = usize::from(*high) * 256 + usize::from(*low);
    if length > LONGEST || rest.len() < length {
        return None;
    }
    let end = PREFIX + length;
    let block = &rest[..length];
    match (version_and_command, family) {
        (0x20, _) | (0x21, 0x00..=0x02 | 0x10 | 0x20 | 0x30..=0x32) => Some((None, end)),
        (0x21, 0x11 | 0x12) if length >= 12 => {
            let ip: [u8; 4] = block[..4].try_into().unwrap();
            Some((Some(address(ip.into(), &block[8..10])), end))
        }
        (0x21, 0x21 | 0x22) if length >= 36 => {
            let ip: [u8; 16] = block[..16].try_into().unwrap();
            Some((Some(address(ip.into(), &block[32..34])), end))
        }
        _ => None,
    }
}

fn address(ip: IpAddr, port: &[u8]) -> SocketAddr {
    let ip = match ip {
        IpAddr::V6(v6) if v6.octets()[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::from([a, b, c, d])
        }
        IpAddr::V4(_) | IpAddr::V6(_) => ip,
    };
    SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]]))
}

/// What countersign reads, which is given the bytes in the pieces that it asks for.
fn read(input: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let first: &[u8; PREFIX] = input.first_chunk()?;
    let prefix = Prefix::read(first).ok()?;
    let rest = input[PREFIX..].get(..prefix.length())?;
    let mut addresses = [0; ADDRESSES];
    let known = rest.len().min(ADDRESSES);
    addresses[..known].copy_from_slice(&rest[..known]);
    Some((prefix.client(&addresses), PREFIX + prefix.length()))
}

/// A header is read as the specification has it, to its last byte and no further, and what cannot become one is known
/// from its beginning.
pub fn proxy_header(input: &[u8]) {
    assert_eq!(read(input), plainly(input));
    let Some(first) = input.first_chunk::<PREFIX>() else { return };
    let refused: Vec<bool> = (0..=PREFIX).map(|length| begins(&first[..length]).is_err()).collect();
    assert!(refused.is_sorted(), "what is refused is refused whatever follows");
    if Prefix::read(first).is_ok() {
        assert!(!refused[PREFIX]);
    }
    assert_eq!(refused[PREFIX], !first.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
}
