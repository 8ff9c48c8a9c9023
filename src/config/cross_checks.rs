//! The rules that concern more than one table: references, addresses used twice, and routes that cannot be told apart.

use crate::authorize::{Admission, Identifiers, Method};
use crate::config::reading::hints::nearest;
use crate::config::reading::report::Report;
use crate::config::reading::value::shown;
use crate::config::settings::{
    Admin, AdminAddress, Client, Key, KeyStore, ListenOn, Listener, Name, Process, Route, ServedRoutes, Trace,
};
use crate::config::tree::key_path::KeyPath;
use crate::downstream::unix_socket::UnixSocket;
use crate::downstream::{Families, TcpSocket};
use crate::http1::trace_context::{TRACE_PARENT, TRACE_STATE};
use crate::telemetry::trace::Forwarding;

/// Reports conflicts between tables that have no faults of their own. `clients` is `None` when a client has such a
/// fault: its listener would be said to have no client.
pub(crate) fn check(
    report: &Report<'_>,
    listeners: &[Listener],
    clients: Option<&[Client]>,
    routes: &[Route],
    keys: &[Key],
    admin: Option<&Admin>,
) {
    addresses(report, listeners, admin);
    if let Some(clients) = clients {
        identifiers(report, clients);
        clients.iter().for_each(|client| issued_keys(report, client, routes, keys));
        listeners.iter().for_each(|listener| nobody(report, listener, clients));
    }
    listeners.iter().for_each(|listener| unguarded_queries(report, listener, routes));
    routes.iter().for_each(|route| unreachable_scope(report, route, listeners));
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

/// Reports limits of forms that the memory for all forms could never hold.
pub(crate) fn bodies(report: &Report<'_>, routes: &[Route], process: &Process) {
    for route in routes.iter().filter(|route| route.limits.body > process.bodies) {
        let path = KeyPath::of(["route", route.name.as_str(), "limits", "body"]);
        let message = format!("more than the {} B that `process.bodies` lets all forms together have", process.bodies);
        report.value(&path, message);
    }
}

/// Reports fields that a route passes on and `trace.forward` writes: an endpoint would get two, and a trace with two
/// parents is none.
pub(crate) fn forwarded_traces(report: &Report<'_>, routes: &[Route], trace: Option<&Trace>) {
    match trace.map(|trace| trace.forwarding) {
        None | Some(Forwarding::Off) => return,
        Some(Forwarding::On) => {}
    }
    for route in routes {
        let written = [TRACE_PARENT, TRACE_STATE].into_iter();
        for name in written.filter(|name| route.forward_headers.iter().any(|listed| listed == name)) {
            let path = KeyPath::of(["route", route.name.as_str(), "forward_headers"]);
            let message = format!("`{name}` is what `trace.forward` writes itself: remove it from the list");
            report.value(&path, message);
        }
    }
}

/// A name that must be one of `names`.
pub(crate) fn reference(wanted: Name, names: &[Name], what: &str) -> Result<Name, String> {
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
    let mut all: Vec<(KeyPath, ListenOn)> = Vec::new();
    for listener in listeners {
        let path = KeyPath::of(["listener", listener.name.as_str(), "address"]);
        let is_list = listener.addresses.len() > 1;
        let at = |nth| if is_list { path.item(nth) } else { path.clone() };
        all.extend(listener.addresses.iter().enumerate().map(|(nth, address)| (at(nth), address.clone())));
    }
    let of_admin = admin.into_iter().flat_map(|admin| &admin.addresses).map(AdminAddress::listen_on);
    all.extend(of_admin.map(|address| (KeyPath::of(["admin", "address"]), address)));
    for (nth, (path, address)) in all.iter().enumerate() {
        // with port 0 each gets a port of its own
        let taken = all.iter().take(nth).find(|(_, other)| same_address(other, address));
        if let Some((other, other_address)) = taken {
            report.value(path, taken_address(address, other, other_address));
        }
    }
}

fn taken_address(address: &ListenOn, other: &KeyPath, other_address: &ListenOn) -> String {
    let serves_both = |it: &ListenOn| matches!(it, ListenOn::Tcp(TcpSocket { families: Families::Both, .. }));
    if same_text(address, other_address) {
        format!("`{address}` is the address of `{other}` too: each needs one of its own")
    } else if serves_both(address) || serves_both(other_address) {
        format!(
            "`{address}` and `{other_address}` of `{other}` overlap: each needs an address or a port of its own, and \
             `only_v6 = false` has `[::]` serve IPv4 too"
        )
    } else {
        format!("`{address}` and `{other_address}` of `{other}` overlap: each needs an address or a port of its own")
    }
}

/// Whether two addresses are written alike, whatever else is set about them.
fn same_text(one: &ListenOn, other: &ListenOn) -> bool {
    one.to_string() == other.to_string()
}

fn same_address(one: &ListenOn, other: &ListenOn) -> bool {
    match (one, other) {
        (ListenOn::Tcp(one), ListenOn::Tcp(other)) => overlap(one, other),
        (ListenOn::Unix(UnixSocket { path: one, .. }), ListenOn::Unix(UnixSocket { path: other, .. })) => one == other,
        (ListenOn::Inherited { name: one }, ListenOn::Inherited { name: other }) => one == other,
        (ListenOn::Tcp(_) | ListenOn::Unix(_) | ListenOn::Inherited { .. }, _) => false,
    }
}

/// Whether the kernel refuses the second of two sockets at these addresses. `0.0.0.0` and `[::]` contain every address
/// of their family, and `[::]` those of IPv4 where it is to serve both.
fn overlap(one: &TcpSocket, other: &TcpSocket) -> bool {
    let contains = |all: &TcpSocket, it: &TcpSocket| {
        let same_family = all.address.is_ipv4() == it.address.is_ipv4() || all.families == Families::Both;
        all.address.ip().is_unspecified() && same_family
    };
    let meet = one.address.ip() == other.address.ip() || contains(one, other) || contains(other, one);
    one.address.port() == other.address.port() && one.address.port() != 0 && meet
}

/// Reports what identifies two clients: it would identify neither.
fn identifiers(report: &Report<'_>, clients: &[Client]) {
    for (nth, second) in clients.iter().enumerate() {
        for first in clients.iter().take(nth) {
            for key in shared(&first.identifiers, &second.identifiers) {
                report.value(
                    &KeyPath::of(["client", second.name.as_str(), key]),
                    format!("identifies client `{}` too: each needs something of its own", first.name),
                );
            }
        }
    }
}

/// The keys under which both have a value in common.
fn shared(first: &Identifiers, second: &Identifiers) -> Vec<&'static str> {
    fn meet<T: PartialEq>(one: &[T], other: &[T]) -> bool {
        one.iter().any(|item| other.contains(item))
    }
    let all = [
        ("uid", meet(&first.uids, &second.uids)),
        ("gid", meet(&first.gids, &second.gids)),
        ("spiffe", meet(&first.spiffe_ids, &second.spiffe_ids)),
        ("dns", meet(&first.dns_names, &second.dns_names)),
        ("token_sha256", meet(&first.tokens, &second.tokens)),
        ("service_account", meet(&first.service_accounts, &second.service_accounts)),
        ("issued_keys", meet(&first.issued_keys, &second.issued_keys)),
    ];
    all.into_iter().filter(|(_, meet)| *meet).map(|(key, _)| key).collect()
}

/// Reports issued keys that sign for a route too, and those whose secret is kept where countersign cannot verify with
/// it.
fn issued_keys(report: &Report<'_>, client: &Client, routes: &[Route], keys: &[Key]) {
    for name in &client.identifiers.issued_keys {
        for route in routes.iter().filter(|route| route.key.as_str() == name) {
            report.value(
                &KeyPath::of(["route", route.name.as_str(), "key"]),
                format!(
                    "key `{name}` is issued to client `{}`, who has its secret: name a key that no client has",
                    client.name
                ),
            );
        }
        let elsewhere = |key: &&Key| match key.store {
            KeyStore::Sealed { .. } | KeyStore::File(_) | KeyStore::Process(_) => false,
            KeyStore::Pkcs11(_) | KeyStore::Aws(_) => true,
        };
        if let Some(key) = keys.iter().filter(elsewhere).find(|key| key.name.as_str() == name) {
            report.value(
                &KeyPath::of(["key", key.name.as_str(), "kind"]),
                format!(
                    "key `{name}` is issued to client `{}`: what `countersign clients issue` makes is \"sealed\", \
                     \"file\" or the output of a \"process\"",
                    client.name
                ),
            );
        }
    }
}

/// Reports a route that only a scope can choose, where no listener that serves it verifies one.
fn unreachable_scope(report: &Report<'_>, route: &Route, listeners: &[Listener]) {
    let verifies = |listener: &Listener| serves(listener, route) && listener.callers.accepts(Method::IssuedKey);
    if route.scope.is_some() && !listeners.iter().any(verifies) {
        report.value(
            &KeyPath::of(["route", route.name.as_str(), "scope"]),
            "no request can choose this route: only the signatures of issued keys have a scope, and no listener that \
             serves it has \"issued-key\" in `authenticate`",
        );
    }
}

/// Reports a listener whose methods identify no client at all.
fn nobody(report: &Report<'_>, listener: &Listener, clients: &[Client]) {
    let methods = match &listener.callers {
        Admission::AnyLocal => return,
        Admission::Clients(methods) => methods,
    };
    let known = clients.iter().any(|client| methods.iter().any(|method| client.identifiers.include(*method)));
    if !known {
        let words: Vec<_> = methods.iter().map(|method| format!("`{}`", method.as_str())).collect();
        report.value(
            &KeyPath::of(["listener", listener.name.as_str(), "authenticate"]),
            format!(
                "nobody could call: no client can be identified by {}; say who they are with `[client.NAME]`",
                words.join(" or ")
            ),
        );
    }
}

/// Reports routes that take forms in query strings from whoever can connect to a TCP port. A web page can make a
/// browser send a GET by an image, without the marks of a form, and a server that fetches URLs for others sends one for
/// anybody.
fn unguarded_queries(report: &Report<'_>, listener: &Listener, routes: &[Route]) {
    let is_socket_file = listener.addresses.iter().all(|address| match address {
        ListenOn::Unix(_) => true,
        // what kind of socket it is is known only at the start
        ListenOn::Tcp(_) | ListenOn::Inherited { .. } => false,
    }) && listener.relays.is_none();
    let authenticates = match listener.callers {
        Admission::AnyLocal => false,
        Admission::Clients(_) => true,
    };
    if is_socket_file || authenticates || listener.required_header.is_some() {
        return;
    }
    let takes_queries = |route: &&Route| route.accept.iter().any(|place| place.is_query());
    for route in routes.iter().filter(|route| serves(listener, route)).filter(takes_queries) {
        report.value(
            &KeyPath::of(["route", route.name.as_str(), "accept"]),
            format!(
                "listener `{0}` serves this route to whoever can connect, and any web page can make a browser send a \
                 form in a query string: let `{0}` `authenticate` clients, give it a `required_header` or the address \
                 of a Unix socket (\"unix:/...\"), or leave the route out of its `routes`",
                listener.name
            ),
        );
    }
}

fn serves(listener: &Listener, route: &Route) -> bool {
    match &listener.routes {
        ServedRoutes::All => true,
        ServedRoutes::Named(names) => names.contains(&route.name),
    }
}

/// Whether two routes would choose the same requests. A route with hosts goes before one for any host, so those differ.
fn ambiguous(first: &Route, second: &Route) -> bool {
    let any_host = first.hosts.is_empty() && second.hosts.is_empty();
    first.path == second.path
        && first.scope == second.scope
        && (any_host || first.hosts.iter().any(|host| second.hosts.contains(host)))
}

fn indistinct(report: &Report<'_>, listener: &Listener, first: &Route, second: &Route) {
    let shared = first.hosts.iter().find(|host| second.hosts.contains(host));
    let host = shared.map_or_else(|| "any host".to_owned(), |host| format!("the host `{host}`"));
    report.value(
        &KeyPath::of(["route", second.name.as_str()]),
        format!(
            "routes `{}` and `{}` cannot be told apart on listener `{}`: both answer to {host} and the path `{}`; give \
             them different `hosts`, `path` or `scope`, or the listener its `routes`",
            first.name, second.name, listener.name, second.path
        ),
    );
}

#[cfg(test)]
mod tests {
    use crate::config::sample::{LEAST, faults, settings, with};

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
    fn an_address_in_all_addresses_is_taken_with_them() {
        let wide = "[listener.two]\nany_local = true\ndanger_beyond_loopback = true\naddress = ";
        let found = faults(&format!("{LEAST}{wide}\"0.0.0.0:8021\""));
        let words = "`0.0.0.0:8021` and `127.0.0.1:8021` of `listener.local.address` overlap";
        assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
        settings(&format!("{LEAST}{wide}\"[::]:8021\""));
    }

    #[test]
    fn the_addresses_of_one_list_are_told_apart_like_those_of_two_listeners() {
        let with =
            |lines: &str| LEAST.replace("any_local", &format!("{lines}\ndanger_beyond_loopback = true\nany_local"));
        let found = faults(&with("address = [\"127.0.0.1:1\", \"0.0.0.0:1\"]"));
        let told =
            "f:2:27: listener.local.address[2]: `0.0.0.0:1` and `127.0.0.1:1` of `listener.local.address[1]` overlap";
        assert!(found.len() == 1 && found[0].starts_with(told), "{found:?}");
        settings(&with("address = [\"0.0.0.0:1\", \"[::]:1\"]"));
        settings(&with("address = [\"0.0.0.0:1\", \"[::]:1\"]\nonly_v6 = true"));
        for v4 in ["0.0.0.0:1", "10.0.0.1:1"] {
            let found = faults(&with(&format!("address = [\"{v4}\", \"[::]:1\"]\nonly_v6 = false")));
            let told = "`only_v6 = false` has `[::]` serve IPv4 too";
            assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
            settings(&with(&format!("address = [\"{v4}\", \"[::]:2\"]\nonly_v6 = false")));
        }
        let both = with("address = [\"[::]:1\", \"unix:/run/a\"]\nonly_v6 = false");
        let found = faults(&format!("{both}[admin]\naddress = [\"10.0.0.1:1\", \"unix:/run/a\"]"));
        assert_eq!(found.len(), 2, "{found:?}");
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
    fn a_query_string_is_taken_only_where_no_web_page_can_have_sent_it() {
        for word in ["get", "post-query"] {
            let accept = with("route.ie", &format!("accept = [\"post\", \"{word}\"]"));
            let found = faults(&accept);
            let told = "f:5:10: route.ie.accept: listener `local` serves this route to whoever can connect";
            assert!(found.len() == 1 && found[0].starts_with(told), "{found:?}");
            let client = format!("{accept}[client.a]\nuid = 1\nallow = [\"*:*\"]\n");
            for guarded in [
                accept.replace("any_local = true", "any_local = true\nrequired_header = \"x-requested-by\""),
                accept.replace("any_local = true", "any_local = true\naddress = \"unix:/run/a\""),
                client.replace("any_local = true", "authenticate = [\"loopback-owner\"]"),
            ] {
                settings(&guarded);
            }
            let inherited = accept.replace("any_local = true", "any_local = true\naddress = \"systemd:http\"");
            assert!(faults(&inherited)[0].contains("`required_header`"));
        }
        // the route is judged by the listeners that serve it
        let other = "hosts = [\"a\"]\naccept = [\"post\", \"get\"]\n[listener.b]\naddress = \"unix:/run/b\"\n\
                     any_local = true\n";
        settings(&second_route(other).replacen("any_local", "routes = [\"ie\"]\nany_local", 1));
        assert_eq!(faults(&second_route(other)).len(), 1);
    }

    #[test]
    fn routes_differ_by_path_host_or_listener() {
        settings(&second_route("path = \"/two\""));
        settings(&second_route("hosts = [\"two\"]"));
        let scoped = |scope: &str, listener: &str| {
            let issued = "[client.a]\nissued_keys = [\"i\"]\n[key.i]\nfile = \"i\"\nidentity_file = \"i\"\n";
            format!("{}\n{issued}", second_route(scope)).replace("any_local = true", listener)
        };
        settings(&scoped("scope = \"ec2/eu-central-1\"", "authenticate = [\"issued-key\"]"));
        let unreachable = faults(&scoped("scope = \"ec2/eu-central-1\"", "any_local = true"));
        assert!(
            unreachable.iter().any(|fault| fault.contains("route.two.scope: no request can choose")),
            "{unreachable:?}"
        );
        settings(&second_route("hosts = [\"a\"]").replace("[key", "hosts = [\"b\"]\n[key"));
        let apart = "[listener.other]\nany_local = true\naddress = \"127.0.0.1:1\"\nroutes = [\"two\"]";
        settings(&second_route(apart).replacen("any_local", "routes = [\"ie\"]\nany_local", 1));
    }
}
