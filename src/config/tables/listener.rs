//! `[listener.NAME]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::authorize::Admission;
use crate::config::cross_checks::reference;
use crate::config::grammar::{address, header, identifier, route_choice};
use crate::config::reading::quantity::{count, duration, rate};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, name, text};
use crate::config::settings::{ListenOn, Listener, ListenerLimits, ListenerTls, Name, ServedRoutes, ServiceAccount};
use crate::config::tables::callers;
use crate::config::tables::listener_tls;
use crate::downstream::MinimumRate;
use crate::downstream::unix_socket::{Group, UnixSocket};

const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8021);
/// The owner and the group may connect.
pub(crate) const SOCKET_MODE: u32 = 0o660;
/// The fault when `mode` or `group` is set without a Unix socket.
pub(crate) const NOT_A_SOCKET_OF_OURS: &str =
    "is for Unix sockets that countersign makes, `address = \"unix:/...\"`: remove it";
/// 1 KiB/s: an SDK is not usable over a link that is slower than this.
const MINIMUM_RATE: NonZeroU32 = NonZeroU32::new(1024).unwrap();
/// A larger number is a typing error: file descriptors run out long before.
pub(crate) const MOST_CONNECTIONS: usize = 1_000_000;

/// Reads a listener; `routes` are the names of all routes.
pub(crate) fn read(called: Option<Name>, mut table: Table<'_>, routes: &[Name]) -> Option<Listener> {
    let address = listen_address(&mut table);
    let who = callers::read(&mut table);
    let tls = tls(&mut table);
    let service_account = service_account(&mut table);
    let exposure = callers::exposure(&mut table, who.as_ref(), address.as_ref(), tls.as_ref().and_then(Option::as_ref));
    if let (Some(who), Some(address), Some(tls), Some(service_account)) = (&who, &address, &tls, &service_account) {
        let methods = match who {
            Admission::AnyLocal => &[],
            Admission::Clients(methods) => methods.as_slice(),
        };
        callers::check_methods(&table, methods, address, tls.as_ref(), service_account.as_ref());
    }
    let hosts = table.list("hosts", Vec::new(), route_choice::listener_host);
    let required_header = table.get("required_header", None, |given| header::required_header(text(given)?).map(Some));
    let served = served_routes(&mut table, routes);
    let limits = limits(table.section("limits"));
    table.finish();
    Some(Listener {
        name: called?,
        address: address?,
        callers: who?,
        hosts: hosts?,
        required_header: required_header?,
        routes: served?,
        exposure: exposure?,
        tls: tls?,
        service_account: service_account?,
        limits: limits?,
    })
}

/// The address, and for a Unix socket its mode and group.
fn listen_address(table: &mut Table<'_>) -> Option<ListenOn> {
    let address = table.get("address", ListenOn::Tcp(ADDRESS), address::listen);
    let mode = table.get("mode", SOCKET_MODE, permissions);
    let group = table.get("group", None, |given| group(given).map(Some));
    match address? {
        ListenOn::Unix(UnixSocket { path, .. }) => {
            Some(ListenOn::Unix(UnixSocket { path, mode: mode?, group: group? }))
        }
        other @ (ListenOn::Tcp(_) | ListenOn::Inherited { .. }) => {
            for key in ["mode", "group"] {
                if table.has(key) {
                    table.fault(key, NOT_A_SOCKET_OF_OURS);
                }
            }
            Some(other)
        }
    }
}

/// Permission bits in octal, as for `chmod`.
pub(crate) fn permissions(given: &Given<'_>) -> Result<u32, String> {
    let wrong = || {
        // the file may say 0o660, and whoever wrote it does not know it as 432
        if let Given::Integer(number @ 0..) = given {
            return format!(
                "the number {number} (octal 0o{number:o}) is not a mode: write octal digits in quotes, as \"0660\""
            );
        }
        format!("{} is not a mode: write e.g. \"0660\", in quotes", given.shown())
    };
    let text = given.as_text().ok_or_else(wrong)?;
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(wrong)
}

/// The group of a socket, by number or name.
pub(crate) fn group(given: &Given<'_>) -> Result<Group, String> {
    let wrong = || format!("{} is not a group: write its name, or its number without quotes", given.shown());
    let digits = given.as_text().is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    match given {
        Given::Integer(_) => identifier::id(given).map(Group::Id),
        Given::Variable(_) if digits => identifier::id(given).map(Group::Id),
        Given::Text(name) | Given::Variable(name) => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
            let named = !digits && (1..=32).contains(&name.len()) && name.bytes().all(plain);
            if named { Ok(Group::Name((*name).to_owned())) } else { Err(wrong()) }
        }
        Given::Flag(_) | Given::Fraction(_) | Given::List(_) | Given::Table(_) => Err(wrong()),
    }
}

/// `None` when a fault was reported, `Some(None)` when the table is absent.
fn tls(table: &mut Table<'_>) -> Option<Option<ListenerTls>> {
    let there = table.has("tls");
    let below = table.section("tls");
    if there { listener_tls::tls(below).map(Some) } else { Some(None) }
}

/// `None` when a fault was reported, `Some(None)` when the table is absent.
fn service_account(table: &mut Table<'_>) -> Option<Option<ServiceAccount>> {
    let there = table.has("service_account");
    let below = table.section("service_account");
    if there { listener_tls::service_account(below).map(Some) } else { Some(None) }
}

fn served_routes(table: &mut Table<'_>, routes: &[Name]) -> Option<ServedRoutes> {
    let named = table.list("routes", Vec::new(), |text| reference(name(text)?, routes, "route"))?;
    if !table.has("routes") {
        return Some(ServedRoutes::All);
    }
    if named.is_empty() {
        table.fault("routes", "names no route: nothing would be served; remove the line to serve all");
        return None;
    }
    Some(ServedRoutes::Named(named))
}

fn limits(mut table: Table<'_>) -> Option<ListenerLimits> {
    let head_timeout = table.get("head_timeout", Duration::from_secs(10), duration);
    let body_timeout = table.get("body_timeout", Duration::from_secs(30), duration);
    let idle_timeout = table.get("idle_timeout", Duration::from_secs(60), duration);
    let bytes = table.get("minimum_rate", MINIMUM_RATE, rate);
    let grace = table.get("rate_grace", Duration::from_secs(20), duration);
    let connections = table.get("connections", 4096, count(1..=MOST_CONNECTIONS));
    table.finish();
    Some(ListenerLimits {
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        idle_timeout: idle_timeout?,
        slowest: MinimumRate { bytes: bytes?, grace: grace? },
        connections: connections?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, fault, faults, faults_with, listener, parse_with};
    use crate::config::settings::Exposure;

    #[test]
    fn a_listener_has_the_documented_defaults() {
        let limits = ListenerLimits {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            slowest: MinimumRate { bytes: MINIMUM_RATE, grace: Duration::from_secs(20) },
            connections: 4096,
        };
        let expected = Listener {
            name: Name::parse("local").unwrap(),
            address: ListenOn::Tcp("127.0.0.1:8021".parse().unwrap()),
            callers: Admission::AnyLocal,
            hosts: Vec::new(),
            required_header: None,
            routes: ServedRoutes::All,
            exposure: Exposure::Loopback,
            tls: None,
            service_account: None,
            limits,
        };
        assert_eq!(listener(""), expected);
    }

    #[test]
    fn every_line_of_a_listener_is_read() {
        let read = listener(
            "address = \"[::]:80\"\ndanger_beyond_loopback = true\nhosts = [\"ie.internal\"]\n\
             required_header = \"x-asked-by\"\nroutes = [\"ie\"]\nlimits.head_timeout = \"1s\"\n\
             limits.body_timeout = \"2s\"\nlimits.idle_timeout = \"3s\"\nlimits.connections = 4",
        );
        assert_eq!(read.address.to_string(), "[::]:80");
        assert_eq!(read.exposure, Exposure::DangerBeyondLoopback);
        assert_eq!(read.hosts, ["ie.internal"]);
        assert_eq!(read.required_header.as_deref(), Some("x-asked-by"));
        assert_eq!(read.routes, ServedRoutes::Named(vec![Name::parse("ie").unwrap()]));
        let seconds = [read.limits.head_timeout, read.limits.body_timeout, read.limits.idle_timeout];
        assert_eq!(seconds.map(|d| d.as_secs()), [1, 2, 3]);
        assert_eq!(read.limits.connections, 4);
    }

    #[test]
    fn a_listener_that_does_not_say_who_may_call_is_refused() {
        let missing = faults(&LEAST.replace("any_local = true", ""));
        assert!(
            missing[0].starts_with("f:1:11: listener.local.any_local: missing: a listener must say"),
            "{missing:?}"
        );
        let off = faults(&LEAST.replace("any_local = true", "any_local = false"));
        assert!(off[0].starts_with("f:2:13: listener.local.any_local: nobody may call"), "{off:?}");
    }

    #[test]
    fn a_text_is_not_a_flag() {
        let text = faults(&LEAST.replace("any_local = true", "any_local = \"yes\""));
        assert_eq!(text, ["f:2:13: listener.local.any_local: `yes` is neither true nor false"]);
    }

    #[test]
    fn an_address_beyond_loopback_needs_the_danger_line() {
        for address in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80"] {
            let fault = fault("listener.local", &format!("address = \"{address}\""));
            assert!(fault.starts_with("f:2:11: listener.local.address: ") && fault.contains("danger_"), "{fault}");
        }
        fault("listener.local", "address = \"10.0.0.1:80\"\ndanger_beyond_loopback = false");
    }

    #[test]
    fn the_danger_line_changes_nothing_on_loopback() {
        for address in ["127.0.0.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            let read = listener(&format!("address = \"{address}\"\ndanger_beyond_loopback = true"));
            assert_eq!(read.exposure, Exposure::Loopback);
        }
    }

    #[test]
    fn routes_must_exist() {
        assert_eq!(
            fault("listener.local", "routes = [\"ie\", \"ei\"]"),
            "f:2:17: listener.local.routes[2]: `ei` names no route: did you mean `ie`?"
        );
        assert!(fault("listener.local", "routes = []").contains("names no route"));
        assert!(fault("listener.local", "routes = [\"ie\", \"ie\"]").contains("stands in the list twice"));
        assert!(fault("listener.local", "routes = [\"Ie\"]").contains("is not a name"));
        assert!(fault("listener.local", "routes = \"ie\"").contains("is not a list"));
        assert!(fault("listener.local", "routes = [1]").contains("is not a text"));
    }

    #[test]
    fn hosts_are_checked_one_by_one() {
        let found = faults(&crate::config::sample::with("listener.local", "hosts = [\"A\", \"b\", \"c:80\"]"));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("f:2:10: listener.local.hosts[1]: `A`"), "{found:?}");
    }

    #[test]
    fn lists_in_the_environment_are_separated_by_commas() {
        let read = parse_with(LEAST, &[("COUNTERSIGN__LISTENER__LOCAL__HOSTS", "a, b:81")]).unwrap();
        assert_eq!(read.listeners[0].hosts, ["a", "b:81"]);
        let none = parse_with(LEAST, &[("COUNTERSIGN__LISTENER__LOCAL__HOSTS", "")]).unwrap();
        assert!(none.listeners[0].hosts.is_empty());
        let found = faults_with(LEAST, &[("COUNTERSIGN__LISTENER__LOCAL__HOSTS", "a,,B")]);
        assert_eq!(found.len(), 2);
        assert!(found[1].starts_with("COUNTERSIGN__LISTENER__LOCAL__HOSTS: listener.local.hosts[3]: `B`"), "{found:?}");
    }

    #[test]
    fn limits_are_in_bounds() {
        for line in [
            "limits.connections = 0",
            "limits.head_timeout = \"0s\"",
            "limits.idle_timeout = 60",
            "limits.minimum_rate = \"0 B/s\"",
            "limits.minimum_rate = \"1 KiB\"",
            "limits.minimum_rate = \"2 MiB/s\"",
            "limits.minimum_rate = 1024",
            "limits.rate_grace = \"0s\"",
            "limits = 3",
        ] {
            fault("listener.local", line);
        }
    }
}
