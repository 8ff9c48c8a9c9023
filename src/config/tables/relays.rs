//! `proxy_protocol_from` of a listener: the load balancers that say whose connections they pass on.

use crate::authorize::{Admission, Method};
use crate::config::grammar::network::network;
use crate::config::reading::table::Table;
use crate::config::settings::ListenOn;
use crate::downstream::{Network, Relays, UnixRelays};

const KEY: &str = "proxy_protocol_from";
/// Stands for whoever connects to the listener's Unix sockets.
pub(crate) const UNIX: &str = "unix";

#[derive(PartialEq)]
enum Item {
    Network(Network),
    Unix,
}

/// `None` when a fault was reported, `Some(None)` when the key is absent.
pub(crate) fn read(
    table: &mut Table<'_>,
    addresses: Option<&[ListenOn]>,
    callers: Option<&Admission>,
) -> Option<Option<Relays>> {
    let items = table.list(KEY, Vec::new(), item)?;
    if !table.has(KEY) {
        return Some(None);
    }
    let unix = if items.contains(&Item::Unix) { UnixRelays::All } else { UnixRelays::None };
    let networks = items.into_iter().filter_map(|item| match item {
        Item::Network(network) => Some(network),
        Item::Unix => None,
    });
    let relays = Relays { networks: networks.collect(), unix };
    match fault(&relays, addresses?, callers) {
        Some(fault) => {
            table.fault(KEY, fault);
            None
        }
        None => Some(Some(relays)),
    }
}

fn item(text: &str) -> Result<Item, String> {
    if text == UNIX {
        return Ok(Item::Unix);
    }
    let network = network(text)?;
    if network.bits() == 0 {
        return Err(format!(
            "`{text}` is everybody: whoever connects could choose the address that log and audit show; name the \
             networks of the load balancers"
        ));
    }
    Ok(Item::Network(network))
}

/// What does not fit together. On an inherited socket, anything may.
fn fault(relays: &Relays, addresses: &[ListenOn], callers: Option<&Admission>) -> Option<&'static str> {
    let has_unix = !addresses.iter().all(|address| matches!(address, ListenOn::Tcp(_)));
    let has_tcp = !addresses.iter().all(|address| matches!(address, ListenOn::Unix(_)));
    let by_user = callers.is_some_and(|callers| callers.accepts(Method::UnixPeer));
    match (relays.networks.as_slice(), relays.unix) {
        ([], UnixRelays::None) => Some("is an empty list: name one at least, or remove the line"),
        (_, UnixRelays::All) if !has_unix => {
            Some("\"unix\" is for whoever connects to a Unix socket, of which the listener has none: remove it")
        }
        ([_, ..], _) if !has_tcp => {
            Some("networks are for addresses of TCP, of which the listener has none: write \"unix\" for its sockets")
        }
        (_, UnixRelays::All) if by_user => Some(
            "\"unix\" makes each user on a Unix socket a load balancer, and `unix-peer` takes that user for its \
             clients: remove one of the two",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, settings};
    use crate::config::settings::{Exposure, Listener};

    const CLIENT: &str = "[client.a]\nuid = 1\n\
        token_sha256 = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\n";
    const TOKEN: &str = "authenticate = [\"token\"]";

    fn text(lines: &str) -> String {
        format!("{}{CLIENT}", LEAST.replace("any_local = true", lines))
    }

    fn read(lines: &str) -> Listener {
        settings(&text(lines)).listeners.remove(0)
    }

    fn refused(lines: &str) -> String {
        let found = faults(&text(lines));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }

    #[test]
    fn load_balancers_are_networks_addresses_and_unix_sockets() {
        assert_eq!(read(TOKEN).relays, None);
        let both = "address = [\"127.0.0.1:1\", \"unix:/run/a\"]\n";
        let lines = format!("{TOKEN}\n{both}proxy_protocol_from = [\"10.0.0.0/8\", \"::1\", \"unix\"]");
        let relays = read(&lines).relays.unwrap();
        assert_eq!(relays.networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
        assert_eq!(relays.unix, UnixRelays::All);
        assert!(relays.contain("10.9.9.9".parse().unwrap()) && !relays.contain("::2".parse().unwrap()));
        for (list, why) in [
            ("[]", "is an empty list"),
            ("[\"0.0.0.0/0\"]", "is everybody"),
            ("[\"::/0\"]", "is everybody"),
            ("[\"10.0.0.1/8\"]", "write 10.0.0.0/8"),
            ("[\"lb.example\"]", "is not a network"),
            ("[\"::1\", \"::1\"]", "stands in the list twice"),
            ("[\"unix\"]", "of which the listener has none"),
            ("\"::1\"", "is not a list"),
        ] {
            assert!(refused(&format!("{TOKEN}\nproxy_protocol_from = {list}")).contains(why), "{list}");
        }
        let socket = format!("{TOKEN}\naddress = \"unix:/run/a\"\nproxy_protocol_from = ");
        assert!(refused(&format!("{socket}[\"::1\"]")).contains("networks are for addresses of TCP"));
        read(&format!("{socket}[\"unix\"]"));
        read(&format!("{TOKEN}\naddress = \"systemd:a\"\nproxy_protocol_from = [\"::1\", \"unix\"]"));
    }

    #[test]
    fn a_load_balancer_on_this_host_is_not_taken_for_its_clients() {
        let danger = "any_local = true\nproxy_protocol_from = [\"127.0.0.1\"]";
        assert!(refused(danger).contains("load balancers pass on clients of other machines"), "{}", refused(danger));
        let allowed = read(&format!("{danger}\ndanger_beyond_loopback = true"));
        assert_eq!(allowed.exposure, Exposure::DangerBeyondLoopback);
        let inherited = format!("{danger}\naddress = \"systemd:a\"");
        assert!(refused(&inherited).contains("load balancers pass on clients of other machines"));
        let socket = "authenticate = [\"unix-peer\"]\naddress = \"unix:/run/a\"\nproxy_protocol_from = [\"unix\"]";
        assert!(refused(socket).contains("`unix-peer` takes that user for its clients"));
        assert_eq!(read(&format!("{TOKEN}\nproxy_protocol_from = [\"127.0.0.1\"]")).exposure, Exposure::Loopback);
    }
}
