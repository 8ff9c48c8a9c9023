//! `[listener.NAME]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::authorize::{Admission, RateLimitFields};
use crate::config::cross_checks::reference;
use crate::config::grammar::{address, header, identifier, route_choice};
use crate::config::reading::quantity::{count, duration, rate};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, name, text};
use crate::config::settings::{ListenOn, Listener, ListenerLimits, ListenerTls, Name, ServedRoutes, ServiceAccount};
use crate::config::tables::callers;
use crate::config::tables::listener_tls;
use crate::config::tables::only_v6;
use crate::config::tables::relays;
use crate::downstream::unix_socket::{Group, UnixSocket};
use crate::downstream::{KeepAlive, MinimumRate, TcpSocket};

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
/// A larger number is a typing error: it is a request each millisecond for eleven days.
pub(crate) const MOST_REQUESTS: usize = 1_000_000_000;

/// Reads a listener; `routes` are the names of all routes.
pub(crate) fn read(called: Option<Name>, mut table: Table<'_>, routes: &[Name]) -> Option<Listener> {
    let addresses = listen_addresses(&mut table);
    let who = callers::read(&mut table);
    let tls = tls(&mut table);
    let service_account = service_account(&mut table);
    let relays = relays::read(&mut table, addresses.as_deref(), who.as_ref());
    let given_relays = relays.as_ref().and_then(Option::as_ref);
    let given_tls = tls.as_ref().and_then(Option::as_ref);
    let exposure = callers::exposure(&mut table, who.as_ref(), addresses.as_deref(), given_tls, given_relays);
    if let (Some(who), Some(addresses), Some(tls), Some(service_account)) = (&who, &addresses, &tls, &service_account) {
        let methods = match who {
            Admission::AnyLocal => &[],
            Admission::Clients(methods) => methods.as_slice(),
        };
        callers::check_methods(&table, methods, addresses, tls.as_ref(), service_account.as_ref());
    }
    let hosts = table.list("hosts", Vec::new(), route_choice::listener_host);
    let required_header = table.get("required_header", None, |given| header::required_header(text(given)?).map(Some));
    let served = served_routes(&mut table, routes);
    let view = callers::route_view(&mut table, who.as_ref());
    let rate_limit_fields = table.get("rate_limit_fields", RateLimitFields::Off, choice(&RateLimitFields::WORDS));
    let limits = limits(table.section("limits"));
    table.finish();
    Some(Listener {
        name: called?,
        addresses: addresses?,
        callers: who?,
        hosts: hosts?,
        required_header: required_header?,
        routes: served?,
        view: view?,
        rate_limit_fields: rate_limit_fields?,
        exposure: exposure?,
        relays: relays?,
        tls: tls?,
        service_account: service_account?,
        limits: limits?,
    })
}

/// The addresses, with the mode and group of Unix sockets, and the families of `[::]`.
fn listen_addresses(table: &mut Table<'_>) -> Option<Vec<ListenOn>> {
    let given = table.several("address", address::listen);
    let mode = table.get("mode", SOCKET_MODE, permissions);
    let group = table.get("group", None, |given| group(given).map(Some));
    let given = given?;
    let addresses = if given.is_empty() { vec![ListenOn::Tcp(TcpSocket::at(ADDRESS))] } else { given };
    if !addresses.iter().any(|address| matches!(address, ListenOn::Unix(_))) {
        for key in ["mode", "group"].into_iter().filter(|key| table.has(key)) {
            table.fault(key, NOT_A_SOCKET_OF_OURS);
        }
    }
    let sockets = addresses.iter().filter_map(|address| match address {
        ListenOn::Tcp(socket) => Some(*socket),
        ListenOn::Unix(_) | ListenOn::Inherited { .. } => None,
    });
    let families = only_v6::read(table, sockets);
    let (mode, group, families) = (mode?, group?, families?);
    let complete = |address| match address {
        ListenOn::Unix(UnixSocket { path, .. }) => ListenOn::Unix(UnixSocket { path, mode, group: group.clone() }),
        ListenOn::Tcp(socket) => ListenOn::Tcp(only_v6::with(families, socket)),
        inherited @ ListenOn::Inherited { .. } => inherited,
    };
    Some(addresses.into_iter().map(complete).collect())
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
    let requests = table.get("requests_per_connection", None, |given| count(1..=MOST_REQUESTS)(given).map(Some));
    let lifetime = table.get("connection_lifetime", None, |given| duration(given).map(Some));
    table.finish();
    Some(ListenerLimits {
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        idle_timeout: idle_timeout?,
        slowest: MinimumRate { bytes: bytes?, grace: grace? },
        connections: connections?,
        keep_alive: KeepAlive { requests: requests?, lifetime: lifetime? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::RouteView;
    use crate::config::sample::{LEAST, fault, faults, faults_with, listener, parse_with};
    use crate::config::settings::Exposure;
    use crate::downstream::Families;

    #[test]
    fn a_listener_has_the_documented_defaults() {
        let limits = ListenerLimits {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            slowest: MinimumRate { bytes: MINIMUM_RATE, grace: Duration::from_secs(20) },
            connections: 4096,
            keep_alive: KeepAlive::UNLIMITED,
        };
        let expected = Listener {
            name: Name::parse("local").unwrap(),
            addresses: vec![ListenOn::Tcp(TcpSocket::at("127.0.0.1:8021".parse().unwrap()))],
            callers: Admission::AnyLocal,
            hosts: Vec::new(),
            required_header: None,
            routes: ServedRoutes::All,
            view: RouteView::All,
            rate_limit_fields: RateLimitFields::Off,
            exposure: Exposure::Loopback,
            relays: None,
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
             limits.body_timeout = \"2s\"\nlimits.idle_timeout = \"3s\"\nlimits.connections = 4\n\
             limits.requests_per_connection = 5\nlimits.connection_lifetime = \"6s\"",
        );
        assert_eq!(read.shown_addresses(), "[::]:80");
        assert_eq!(read.exposure, Exposure::DangerBeyondLoopback);
        assert_eq!(read.hosts, ["ie.internal"]);
        assert_eq!(read.required_header.as_deref(), Some("x-asked-by"));
        assert_eq!(read.routes, ServedRoutes::Named(vec![Name::parse("ie").unwrap()]));
        let seconds = [read.limits.head_timeout, read.limits.body_timeout, read.limits.idle_timeout];
        assert_eq!(seconds.map(|d| d.as_secs()), [1, 2, 3]);
        assert_eq!(read.limits.connections, 4);
        let keep_alive = KeepAlive { requests: Some(5), lifetime: Some(Duration::from_secs(6)) };
        assert_eq!(read.limits.keep_alive, keep_alive);
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
    fn routes_are_hidden_only_by_a_listener_that_knows_its_clients() {
        let refused = fault("listener.local", "hide_routes = true");
        assert!(
            refused.contains("listener.local.hide_routes: with `any_local = true` there are no rules"),
            "{refused}"
        );
        assert_eq!(listener("hide_routes = false").view, RouteView::All);
        let client = "[client.a]\nuid = 1\nallow = [\"*:*\"]\n";
        let text = LEAST.replace("any_local = true", "authenticate = [\"loopback-owner\"]\nhide_routes = true");
        let read = crate::config::sample::settings(&format!("{text}{client}"));
        assert_eq!(read.listeners[0].view, RouteView::Own);
    }

    #[test]
    fn what_is_left_of_a_rate_is_told_in_one_of_two_ways() {
        assert_eq!(listener("rate_limit_fields = \"draft\"").rate_limit_fields, RateLimitFields::Draft);
        assert_eq!(listener("rate_limit_fields = \"x\"").rate_limit_fields, RateLimitFields::X);
        fault("listener.local", "rate_limit_fields = \"yes\"");
        fault("listener.local", "rate_limit_fields = true");
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
    fn a_listener_may_have_several_addresses_and_the_furthest_decides_what_it_needs() {
        let several = "address = [\"127.0.0.1:1\", \"[::1]:1\", \"unix:/run/a\", \"systemd:a\"]";
        let read = listener(several);
        assert_eq!(read.shown_addresses(), "127.0.0.1:1, [::1]:1, unix:/run/a, systemd:a");
        assert_eq!(read.exposure, Exposure::Loopback);
        let mode = listener(&format!("{several}\nmode = \"0600\"")).addresses.remove(2);
        assert!(matches!(mode, ListenOn::Unix(UnixSocket { mode: 0o600, .. })), "{mode:?}");
        let wide = fault("listener.local", "address = [\"127.0.0.1:1\", \"10.0.0.1:1\"]");
        assert!(wide.contains("`10.0.0.1:1` is beyond loopback"), "{wide}");
        let danger = listener("address = [\"127.0.0.1:1\", \"10.0.0.1:1\"]\ndanger_beyond_loopback = true");
        assert_eq!(danger.exposure, Exposure::DangerBeyondLoopback);
        let variable = [("COUNTERSIGN__LISTENER__LOCAL__ADDRESS", "127.0.0.1:1, [::1]:1")];
        assert_eq!(parse_with(LEAST, &variable).unwrap().listeners[0].shown_addresses(), "127.0.0.1:1, [::1]:1");
        for (line, why) in [
            ("address = []", "is an empty list"),
            ("address = [\"127.0.0.1:1\", \"127.0.0.1:1\"]", "stands in the list twice"),
            ("address = [\"127.0.0.1:1\"]\nmode = \"0600\"", "is for Unix sockets"),
        ] {
            let fault = fault("listener.local", line);
            assert!(fault.contains(why), "{line}: {fault}");
        }
    }

    #[test]
    fn all_ipv6_addresses_serve_ipv4_too_only_where_that_is_said() {
        let families = |lines: &str| match listener(&format!("{lines}\ndanger_beyond_loopback = true")).addresses[0] {
            ListenOn::Tcp(socket) => socket.families,
            ref other @ (ListenOn::Unix(_) | ListenOn::Inherited { .. }) => panic!("{other}"),
        };
        assert_eq!(families("address = \"[::]:80\""), Families::Own);
        assert_eq!(families("address = \"[::]:80\"\nonly_v6 = true"), Families::Own);
        assert_eq!(families("address = [\"[::]:80\", \"10.0.0.1:81\"]\nonly_v6 = false"), Families::Both);
        for lines in [
            "only_v6 = false",
            "address = \"[::1]:80\"\nonly_v6 = true",
            "address = \"0.0.0.0:80\"\n\
             danger_beyond_loopback = true\nonly_v6 = false",
        ] {
            assert!(fault("listener.local", lines).contains("only_v6: is for `[::]`"), "{lines}");
        }
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
            "limits.requests_per_connection = 0",
            "limits.requests_per_connection = 1000000001",
            "limits.connection_lifetime = \"0s\"",
            "limits.connection_lifetime = \"61m\"",
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
