//! Networks: `10.0.0.0/8`, `2001:db8::1`.

use std::net::IpAddr;

use crate::config::reading::value::shown;
use crate::downstream::Network;

/// A network in CIDR notation, or one address. Exactly as meant: bits beyond the network's are an error, since whoever
/// wrote them thought of another network.
pub(crate) fn network(text: &str) -> Result<Network, String> {
    let wrong =
        || format!("{} is not a network: write e.g. \"10.0.0.0/8\", \"2001:db8::/32\" or one address", shown(text));
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    if address.to_canonical() != address {
        return Err(format!("{} is an IPv4 address in the form of an IPv6 one: write it as IPv4", shown(text)));
    }
    let Some(bits) = bits else { return Ok(Network::only(address)) };
    let plain = bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let bits = bits.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
    let network = Network::new(address, bits).ok_or_else(wrong)?;
    if network.first() != address {
        return Err(format!("{} has bits beyond its first {bits}: write {}/{bits}", shown(text), network.first()));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_in_one_way() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::1/128"] {
            assert_eq!(network(good).unwrap().to_string(), good);
        }
        assert_eq!(network("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        for bad in ["", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10/8", "[::1]", "::/129", "a/8"]
        {
            assert!(network(bad).unwrap_err().contains("is not a network"), "{bad}");
        }
        assert_eq!(network("10.1.2.3/8").unwrap_err(), "`10.1.2.3/8` has bits beyond its first 8: write 10.0.0.0/8");
        assert!(network("::ffff:10.0.0.0/104").unwrap_err().contains("write it as IPv4"));
    }
}
