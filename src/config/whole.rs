//! The rules that concern more than one table: references, addresses used twice, and routes that cannot
//! be told apart.

use std::net::SocketAddr;

use super::hints::nearest;
use super::path::KeyPath;
use super::report::Report;
use super::settings::{Admin, Listener, Name, Route, ServedRoutes};
use super::value::shown;

/// Reports clashes between tables that are each in order.
pub(super) fn check(report: &Report<'_>, listeners: &[Listener], routes: &[Route], admin: Option<&Admin>) {
    addresses(report, listeners, admin);
    for (nth, second) in routes.iter().enumerate() {
        for first in routes.iter().take(nth) {
            if let Some(listener) = listeners.iter().find(|l| serves(l, first) && serves(l, second))
                && ambiguous(first, second)
            {
                indistinct(report, listener, first, second);
            }
        }
    }
}

/// A name that must be one of `names`.
pub(super) fn reference(wanted: Name, names: &[Name], what: &str) -> Result<Name, String> {
    if names.contains(&wanted) {
        return Ok(wanted);
    }
    let near = nearest(wanted.as_str(), names.iter().map(Name::as_str));
    let hint = match (near, names) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "there is none at all".to_owned(),
        (None, _) => {
            let all: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("known are {}", all.join(", "))
        }
    };
    Err(format!("{} names no {what}: {hint}", shown(wanted.as_str())))
}

fn addresses(report: &Report<'_>, listeners: &[Listener], admin: Option<&Admin>) {
    let named = |l: &Listener| (KeyPath::of(["listener", l.name.as_str(), "address"]), l.address);
    let mut all: Vec<(KeyPath, SocketAddr)> = listeners.iter().map(named).collect();
    all.extend(admin.map(|admin| (KeyPath::of(["admin", "address"]), admin.address)));
    for (nth, (path, address)) in all.iter().enumerate() {
        // with port 0 each gets one of its own
        let taken = all.iter().take(nth).find(|(_, other)| other == address && address.port() != 0);
        if let Some((other, _)) = taken {
            report.value(path, format!("`{address}` is the address of `{other}` too: each needs one of its own"));
        }
    }
}

fn serves(listener: &Listener, route: &Route) -> bool {
    match &listener.routes {
        ServedRoutes::All => true,
        ServedRoutes::Named(names) => names.contains(&route.name),
    }
}

/// A route with hosts goes before one for any host, so these two differ.
fn ambiguous(first: &Route, second: &Route) -> bool {
    let any_host = first.hosts.is_empty() && second.hosts.is_empty();
    first.path == second.path && (any_host || first.hosts.iter().any(|host| second.hosts.contains(host)))
}

fn indistinct(report: &Report<'_>, listener: &Listener, first: &Route, second: &Route) {
    let shared = first.hosts.iter().find(|host| second.hosts.contains(host));
    let host = shared.map_or_else(|| "any host".to_owned(), |host| format!("the host `{host}`"));
    report.value(
        &KeyPath::of(["route", second.name.as_str()]),
        format!(
            "routes `{}` and `{}` cannot be told apart on listener `{}`: both answer to {host} and the path `{}`; give \
             them different `hosts` or `path`, or the listener its `routes`",
            first.name, second.name, listener.name, second.path
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::super::sample::{LEAST, faults, settings};

    fn second_route(lines: &str) -> String {
        format!("{LEAST}[route.two]\nendpoint = \"https://sdb.amazonaws.com\"\n{lines}")
    }

    #[test]
    fn two_listeners_need_two_addresses() {
        let found = faults(&format!("{LEAST}[listener.two]\nany_local = true\naddress = \"127.0.0.1:8021\""));
        assert_eq!(
            found,
            ["f:12:11: listener.two.address: `127.0.0.1:8021` is the address of `listener.local.address` too: each \
              needs one of its own"]
        );
        let admin = faults(&format!("{LEAST}[admin]\naddress = \"127.0.0.1:8021\""));
        assert!(admin[0].starts_with("f:11:11: admin.address: "), "{admin:?}");
    }

    #[test]
    fn port_0_is_never_taken() {
        let text = LEAST.replace("any_local", "address = \"127.0.0.1:0\"\nany_local");
        settings(&format!("{text}[admin]\naddress = \"127.0.0.1:0\""));
    }

    #[test]
    fn two_routes_that_cannot_be_told_apart_are_refused() {
        let found = faults(&second_route(""));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("f:10:8: route.two: routes `ie` and `two` cannot be told apart on listener `local`"),
            "{found:?}"
        );
        let hosts = second_route("hosts = [\"a\", \"b\"]").replace("[key", "hosts = [\"b\"]\n[key");
        assert!(faults(&hosts)[0].contains("the host `b` and the path `/`"));
    }

    #[test]
    fn routes_differ_by_path_host_or_listener() {
        settings(&second_route("path = \"/two\""));
        settings(&second_route("hosts = [\"two\"]"));
        settings(&second_route("hosts = [\"a\"]").replace("[key", "hosts = [\"b\"]\n[key"));
        let apart = "[listener.other]\nany_local = true\naddress = \"127.0.0.1:1\"\nroutes = [\"two\"]";
        settings(&second_route(apart).replacen("any_local", "routes = [\"ie\"]\nany_local", 1));
    }
}
