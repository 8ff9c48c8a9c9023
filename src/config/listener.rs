//! `[listener.NAME]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::address;
use super::quantity::{count, duration};
use super::settings::{Callers, Exposure, Listener, ListenerLimits, Name, ServedRoutes};
use super::table::Table;
use super::value::{flag, name};
use super::whole::reference;
use super::words;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8021);
/// More is a slip of the finger: descriptors run out long before.
const MOST_CONNECTIONS: usize = 1_000_000;

/// What `danger_beyond_loopback` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    LoopbackOnly,
    DangerAnywhere,
}

/// Reads a listener; `routes` are the names of all routes.
pub(super) fn read(called: Option<Name>, mut table: Table<'_>, routes: &[Name]) -> Option<Listener> {
    let address = table.get("address", ADDRESS, address::socket);
    let callers = callers(&mut table);
    let reach = table.get("danger_beyond_loopback", Reach::LoopbackOnly, |given| {
        flag(given).map(|danger| if danger { Reach::DangerAnywhere } else { Reach::LoopbackOnly })
    });
    let exposure = address.zip(reach).and_then(|(address, reach)| exposure(&table, address, reach));
    let hosts = table.list("hosts", Vec::new(), words::host);
    let served = served_routes(&mut table, routes);
    let limits = limits(table.section("limits"));
    table.finish();
    Some(Listener {
        name: called?,
        address: address?,
        callers: callers?,
        hosts: hosts?,
        routes: served?,
        exposure: exposure?,
        limits: limits?,
    })
}

/// There is no default on purpose: "everyone on this machine" must be a decision.
fn callers(table: &mut Table<'_>) -> Option<Callers> {
    const WHY: &str = "a listener must say who may call it; `any_local = true` lets every process that can connect, \
                       that is any on this machine or in this pod";
    if table.required("any_local", WHY, flag)? {
        return Some(Callers::AnyLocal);
    }
    table.fault("any_local", format!("nobody may call this listener: {WHY}; or remove the listener"));
    None
}

fn exposure(table: &Table<'_>, address: SocketAddr, reach: Reach) -> Option<Exposure> {
    if address.ip().to_canonical().is_loopback() {
        return Some(Exposure::Loopback);
    }
    match reach {
        Reach::DangerAnywhere => Some(Exposure::DangerBeyondLoopback),
        Reach::LoopbackOnly => {
            table.fault(
                "address",
                format!(
                    "`{address}` is beyond loopback: whoever reaches it could have requests signed; listen on 127.0.0.1, \
                     or set `danger_beyond_loopback = true` on this listener"
                ),
            );
            None
        }
    }
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
    let connections = table.get("connections", 4096, count(1..=MOST_CONNECTIONS));
    table.finish();
    Some(ListenerLimits {
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        idle_timeout: idle_timeout?,
        connections: connections?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{LEAST, fault, faults, faults_with, listener, parse_with};
    use super::*;

    #[test]
    fn a_listener_has_the_documented_defaults() {
        let limits = ListenerLimits {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            connections: 4096,
        };
        let expected = Listener {
            name: Name::parse("local").unwrap(),
            address: "127.0.0.1:8021".parse().unwrap(),
            callers: Callers::AnyLocal,
            hosts: Vec::new(),
            routes: ServedRoutes::All,
            exposure: Exposure::Loopback,
            limits,
        };
        assert_eq!(listener(""), expected);
    }

    #[test]
    fn every_line_of_a_listener_is_read() {
        let read = listener(
            "address = \"[::]:80\"\ndanger_beyond_loopback = true\nhosts = [\"ie.internal\"]\nroutes = [\"ie\"]\n\
             limits.head_timeout = \"1s\"\nlimits.body_timeout = \"2s\"\nlimits.idle_timeout = \"3s\"\nlimits.connections = 4",
        );
        assert_eq!(read.address.to_string(), "[::]:80");
        assert_eq!(read.exposure, Exposure::DangerBeyondLoopback);
        assert_eq!(read.hosts, ["ie.internal"]);
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
        let found = faults(&super::super::sample::with("listener.local", "hosts = [\"A\", \"b\", \"c:80\"]"));
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
        for line in ["limits.connections = 0", "limits.head_timeout = \"0s\"", "limits.idle_timeout = 60", "limits = 3"]
        {
            fault("listener.local", line);
        }
    }
}
