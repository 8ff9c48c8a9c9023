//! Who may call a listener, and whether that fits its address: beyond loopback clients must authenticate, tokens must
//! not cross the network in clear, and every method must be able to work there.

use crate::authorize::{Admission, Method, RouteView};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, flag};
use crate::config::settings::{Exposure, ListenOn, ListenerTls, ServiceAccount};
use crate::downstream::Relays;

const ANOTHER_MACHINE: &str =
    "`loopback-owner` needs a loopback address: who owns a socket on another machine is not known here";

/// The value of a `danger_` key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Danger {
    Off,
    On,
}

/// There is deliberately no default: "every process on this machine" must be a decision.
pub(crate) fn read(table: &mut Table<'_>) -> Option<Admission> {
    const WHY: &str = "a listener must say who may call it: `authenticate = [\"token\"]` (or another method) the \
                       clients in `[client.NAME]`; `any_local = true` every process that can connect, that is any on \
                       this machine or in this pod";
    let any_local = table.get("any_local", None, |given| flag(given).map(Some));
    let methods = table.list("authenticate", Vec::new(), |text| choice(&Method::WORDS)(&Given::Text(text)));
    match (any_local?, table.has("authenticate")) {
        (Some(true), false) => Some(Admission::AnyLocal),
        (Some(true), true) => {
            table.fault("authenticate", "`any_local = true` lets in whoever can connect: remove one of the two");
            None
        }
        (Some(false) | None, true) => {
            let methods = methods?;
            if methods.is_empty() {
                table.fault("authenticate", format!("nobody may call this listener: {WHY}; or remove the listener"));
                return None;
            }
            Some(Admission::Clients(methods))
        }
        (Some(false), false) => {
            table.fault("any_local", format!("nobody may call this listener: {WHY}; or remove the listener"));
            None
        }
        (None, false) => {
            table.missing("any_local", WHY);
            None
        }
    }
}

/// Reports methods that cannot work on any of the addresses, addresses on which none of the methods can, and tables
/// that belong to no method.
pub(crate) fn check_methods(
    table: &Table<'_>,
    methods: &[Method],
    addresses: &[ListenOn],
    tls: Option<&ListenerTls>,
    service_account: Option<&ServiceAccount>,
) {
    for method in methods {
        let fault = match method {
            Method::Mtls if tls.is_none_or(|tls| tls.clients.is_none()) => {
                Some("`mtls` needs `tls.certificate`, `tls.private_key`, and `tls.client_ca` for those of clients")
            }
            Method::ServiceAccount if service_account.is_none() => Some(
                "`service-account` needs `[listener.NAME.service_account]` with `issuer`, `audience`, `algorithm` and \
                 `jwks_file`",
            ),
            method if addresses.iter().any(|address| works_on(*method, address)) => None,
            Method::UnixPeer => Some(
                "`unix-peer` needs a Unix socket: write `address = \"unix:/...\"`; on loopback, `loopback-owner` tells \
                 users",
            ),
            Method::LoopbackOwner if addresses.iter().any(|address| matches!(address, ListenOn::Tcp(_))) => {
                Some(ANOTHER_MACHINE)
            }
            Method::LoopbackOwner => {
                Some("`loopback-owner` needs a loopback address of TCP; on a Unix socket, `unix-peer` tells users")
            }
            Method::Mtls | Method::BearerToken | Method::ServiceAccount | Method::IssuedKey => None,
        };
        if let Some(fault) = fault {
            table.fault("authenticate", fault);
        }
    }
    let is_deaf = |address: &&ListenOn| !methods.iter().any(|method| works_on(*method, address));
    // one address is told of by its methods
    for address in addresses.iter().filter(|_| addresses.len() > 1 && !methods.is_empty()).filter(is_deaf) {
        let why = match address {
            ListenOn::Tcp(_) if methods.contains(&Method::LoopbackOwner) => ANOTHER_MACHINE,
            ListenOn::Tcp(_) | ListenOn::Unix(_) | ListenOn::Inherited { .. } => {
                "none of the methods in `authenticate` can identify a client there"
            }
        };
        let fault = format!("nobody could call at `{address}`: {why}; add a method that can, or remove the address");
        table.fault("address", fault);
    }
    if tls.is_some_and(|tls| tls.clients.is_some()) && !methods.contains(&Method::Mtls) {
        table.fault(
            "authenticate",
            "`tls.client_ca` is given, and certificates do not count: add \"mtls\", or remove it",
        );
    }
    if service_account.is_some() && !methods.contains(&Method::ServiceAccount) {
        table.fault(
            "authenticate",
            "`service_account` is given, and its tokens do not count: add \"service-account\", or remove the table",
        );
    }
    if tls.is_some() && addresses.iter().any(|address| matches!(address, ListenOn::Unix(_))) {
        let fault = match addresses {
            [_] => "a Unix socket has nobody on the way: remove the table",
            _ => "a Unix socket has nobody on the way: give it a listener of its own, without this table",
        };
        table.fault("tls", fault);
    }
}

/// Whether a method can identify clients on an address, if it has what it needs.
fn works_on(method: Method, address: &ListenOn) -> bool {
    match (method, address) {
        (Method::UnixPeer, ListenOn::Tcp(_)) => false,
        (Method::LoopbackOwner, ListenOn::Tcp(_)) => is_local(address),
        (Method::LoopbackOwner, ListenOn::Unix(_) | ListenOn::Inherited { .. }) => false,
        // with TLS: there is none on Unix sockets
        (Method::Mtls, ListenOn::Unix(_)) => false,
        (Method::UnixPeer, ListenOn::Unix(_) | ListenOn::Inherited { .. })
        | (Method::Mtls, ListenOn::Tcp(_) | ListenOn::Inherited { .. })
        | (Method::BearerToken | Method::ServiceAccount | Method::IssuedKey, _) => true,
    }
}

/// What clients learn of routes on which their rules allow nothing.
pub(crate) fn route_view(table: &mut Table<'_>, callers: Option<&Admission>) -> Option<RouteView> {
    let hides = table.get("hide_routes", false, flag);
    match (hides?, callers) {
        (false, _) => Some(RouteView::All),
        (true, Some(Admission::AnyLocal)) => {
            table.fault(
                "hide_routes",
                "with `any_local = true` there are no rules that could hide a route: let the listener `authenticate` \
                 its clients, or remove this line",
            );
            None
        }
        (true, Some(Admission::Clients(_)) | None) => Some(RouteView::Own),
    }
}

/// How far the listener may reach.
pub(crate) fn exposure(
    table: &mut Table<'_>,
    callers: Option<&Admission>,
    addresses: Option<&[ListenOn]>,
    tls: Option<&ListenerTls>,
    relays: Option<&Relays>,
) -> Option<Exposure> {
    let read = |given: &Given<'_>| flag(given).map(|danger| if danger { Danger::On } else { Danger::Off });
    let anywhere = table.get("danger_beyond_loopback", Danger::Off, read);
    let cleartext = table.get("danger_cleartext_tokens", Danger::Off, read);
    let (callers, addresses, anywhere, cleartext) = (callers?, addresses?, anywhere?, cleartext?);
    if relays.is_some() && *callers == Admission::AnyLocal {
        if anywhere == Danger::On {
            return Some(Exposure::DangerBeyondLoopback);
        }
        table.fault(
            "proxy_protocol_from",
            "load balancers pass on clients of other machines, and `any_local` lets in whoever can connect: name who \
             may call with `authenticate`, or set `danger_beyond_loopback = true` on this listener",
        );
        return None;
    }
    // an inherited socket is known only at the start: another address that is beyond loopback comes first
    let is_unknown = |address: &&ListenOn| matches!(address, ListenOn::Inherited { .. });
    let mut beyond = addresses.iter().filter(|address| !is_local(address));
    let Some(address) = beyond.clone().find(|address| !is_unknown(address)).or_else(|| beyond.next()) else {
        return Some(Exposure::Loopback);
    };
    // a signature does not give its key away, but whoever reads the request can send it again for five minutes, and
    // the response is not signed at all
    let token = |method: &Method| matches!(method, Method::BearerToken | Method::ServiceAccount | Method::IssuedKey);
    match callers {
        Admission::AnyLocal if anywhere == Danger::On => Some(Exposure::DangerBeyondLoopback),
        Admission::Clients(_) if tls.is_some() => Some(Exposure::Authenticated),
        Admission::Clients(methods) if methods.iter().any(token) && cleartext == Danger::On => {
            Some(Exposure::DangerCleartextTokens)
        }
        Admission::AnyLocal | Admission::Clients(_) if is_unknown(&address) => Some(Exposure::Loopback),
        Admission::AnyLocal => {
            table.fault(
                "address",
                format!(
                    "`{address}` is beyond loopback: whoever reaches it could have requests signed; listen on \
                     127.0.0.1, name who may call with `authenticate`, or set `danger_beyond_loopback = true` on this \
                     listener"
                ),
            );
            None
        }
        Admission::Clients(methods) if methods.iter().any(token) => {
            table.fault(
                "address",
                format!(
                    "`{address}` is beyond loopback, and {} would cross the network in clear: add \
                     `[listener.NAME.tls]`, listen on 127.0.0.1, or set `danger_cleartext_tokens = true` on this \
                     listener",
                    in_clear(methods)
                ),
            );
            None
        }
        // the remaining methods cannot work beyond loopback: `check_methods` reports them
        Admission::Clients(_) => None,
    }
}

/// What others could read on the way.
fn in_clear(methods: &[Method]) -> &'static str {
    if methods.contains(&Method::BearerToken) || methods.contains(&Method::ServiceAccount) {
        "bearer tokens"
    } else {
        "signed forms, which can be sent again for five minutes, and their responses"
    }
}

fn is_local(address: &ListenOn) -> bool {
    match address {
        ListenOn::Tcp(socket) => socket.address.ip().to_canonical().is_loopback(),
        ListenOn::Unix(_) => true,
        ListenOn::Inherited { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, settings};
    use crate::config::settings::Listener;

    const TLS: &str = "tls = { certificate = \"c\", private_key = \"k\" }\n";
    const MTLS: &str = "tls = { certificate = \"c\", private_key = \"k\", client_ca = \"ca\" }\n";
    const CLIENT: &str = "[client.a]\nuid = 1\ndns = \"a.example\"\nservice_account = \"n/a\"\n\
        token_sha256 = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\n";

    /// A listener of these lines, beside a client whom every method can identify.
    fn text(lines: &str) -> String {
        format!("{}{CLIENT}", LEAST.replace("any_local = true", lines))
    }

    fn read(lines: &str) -> Listener {
        settings(&text(lines)).listeners.remove(0)
    }

    fn fault(lines: &str) -> String {
        let found = faults(&text(lines));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }

    #[test]
    fn a_listener_authenticates_or_lets_anyone_call_and_not_both() {
        let both = ["mtls", "token"].map(|word| format!("\"{word}\"")).join(", ");
        let callers = read(&format!("authenticate = [{both}]\n{MTLS}")).callers;
        assert_eq!(callers, Admission::Clients(vec![Method::Mtls, Method::BearerToken]));
        read("authenticate = [\"token\"]\nany_local = false");
        assert!(fault("authenticate = [\"token\"]\nany_local = true").contains("remove one of the two"));
        assert!(fault("authenticate = []").contains("nobody may call"));
        assert!(fault("authenticate = [\"password\"]").contains("is not known here: write \"unix-peer\" or"));
        assert!(fault("authenticate = [\"token\", \"token\"]").contains("twice"));
    }

    #[test]
    fn methods_must_fit_the_address() {
        assert!(fault("authenticate = [\"unix-peer\"]").contains("needs a Unix socket"));
        for address in ["unix:/run/c/s", "systemd:c.socket"] {
            let line = |method: &str| format!("address = \"{address}\"\nauthenticate = [\"{method}\"]");
            assert!(fault(&line("loopback-owner")).contains("needs a loopback address"), "{address}");
            read(&line("unix-peer"));
        }
        assert!(fault("address = \"10.0.0.1:1\"\nauthenticate = [\"loopback-owner\"]").contains("another machine"));
        read("authenticate = [\"loopback-owner\"]");
    }

    #[test]
    fn each_method_works_on_one_of_several_addresses_and_each_address_has_one() {
        let with = |addresses: &str, methods: &str| format!("address = [{addresses}]\nauthenticate = [{methods}]");
        let both = "\"unix:/run/c/s\", \"127.0.0.1:1\"";
        read(&with(both, "\"unix-peer\", \"loopback-owner\""));
        read(&with(both, "\"token\""));
        for (methods, address) in [("\"unix-peer\"", "127.0.0.1:1"), ("\"loopback-owner\"", "unix:/run/c/s")] {
            let found = fault(&with(both, methods));
            assert!(found.contains(&format!("listener.local.address: nobody could call at `{address}`")), "{found}");
        }
        // beyond loopback, an owner cannot be told: without that, nothing would be said of the second address
        let owners = fault(&with("\"127.0.0.1:1\", \"10.0.0.1:1\"", "\"loopback-owner\""));
        assert!(owners.contains("nobody could call at `10.0.0.1:1`"), "{owners}");
        let tls = format!("{}\n{MTLS}", with("\"127.0.0.1:1\", \"10.0.0.1:1\"", "\"mtls\""));
        assert_eq!(read(&tls).exposure, Exposure::Authenticated);
        let mixed = format!("{}\n{TLS}", with(both, "\"token\""));
        assert!(fault(&mixed).contains("give it a listener of its own"));
        let inherited = with("\"systemd:c\", \"10.0.0.1:1\"", "\"token\"");
        assert!(fault(&inherited).contains("`10.0.0.1:1` is beyond loopback, and bearer tokens"));
    }

    #[test]
    fn methods_need_their_tables_and_tables_their_methods() {
        assert!(fault("authenticate = [\"mtls\"]").contains("needs `tls.certificate`"));
        assert!(fault(&format!("authenticate = [\"mtls\"]\n{TLS}")).contains("`tls.client_ca`"));
        assert!(fault(&format!("authenticate = [\"token\"]\n{MTLS}")).contains("add \"mtls\""));
        assert!(fault("authenticate = [\"service-account\"]").contains("service_account]"));
        let tokens = "service_account = { issuer = \"i\", audience = \"a\", algorithm = \"ES256\", jwks_file = \"j\" }";
        read(&format!("authenticate = [\"service-account\"]\n{tokens}"));
        assert!(fault(&format!("authenticate = [\"token\"]\n{tokens}")).contains("add \"service-account\""));
        assert!(fault("authenticate = [\"token\"]\ntls.certificate = \"c\"").contains("private_key"));
        let weak = tokens.replace("ES256", "HS256");
        assert!(fault(&format!("authenticate = [\"service-account\"]\n{weak}")).contains("is not known here"));
    }

    #[test]
    fn beyond_loopback_tokens_need_tls_or_the_danger_line() {
        let beyond = "address = \"10.0.0.1:1\"\nauthenticate = [\"token\"]\n";
        assert!(fault(beyond).contains("bearer tokens would cross the network in clear"));
        assert!(fault(&format!("{beyond}danger_beyond_loopback = true")).contains("danger_cleartext_tokens"));
        assert_eq!(read(&format!("{beyond}{TLS}")).exposure, Exposure::Authenticated);
        let signed = "address = \"10.0.0.1:1\"\nauthenticate = [\"issued-key\"]\n";
        let issued = |lines: &str| {
            format!("{}\n[key.i]\nfile = \"i\"\nidentity_file = \"i\"\n", text(lines))
                .replace("uid = 1", "uid = 1\nissued_keys = [\"i\"]")
        };
        let found = faults(&issued(signed));
        assert!(found.len() == 1 && found[0].contains("signed forms, which can be sent again for five"), "{found:?}");
        let exposed = |lines: &str| settings(&issued(&format!("{signed}{lines}"))).listeners.remove(0).exposure;
        assert_eq!(exposed(TLS), Exposure::Authenticated);
        assert_eq!(exposed("danger_cleartext_tokens = true"), Exposure::DangerCleartextTokens);
        let danger = read(&format!("{beyond}danger_cleartext_tokens = true"));
        assert_eq!(danger.exposure, Exposure::DangerCleartextTokens);
        assert_eq!(read("authenticate = [\"token\"]").exposure, Exposure::Loopback);
        let mtls = read(&format!("address = \"10.0.0.1:1\"\nauthenticate = [\"mtls\"]\n{MTLS}"));
        assert_eq!(mtls.exposure, Exposure::Authenticated);
    }

    #[test]
    fn an_inherited_socket_must_be_local_unless_said_otherwise() {
        let line = |lines: &str| read(&format!("address = \"systemd:c\"\n{lines}")).exposure;
        assert_eq!(line("any_local = true"), Exposure::Loopback);
        assert_eq!(line("any_local = true\ndanger_beyond_loopback = true"), Exposure::DangerBeyondLoopback);
        assert_eq!(line("authenticate = [\"token\"]"), Exposure::Loopback);
        assert_eq!(line(&format!("authenticate = [\"token\"]\n{TLS}")), Exposure::Authenticated);
    }

    #[test]
    fn mode_and_group_are_for_unix_sockets() {
        use crate::downstream::unix_socket::{Group, UnixSocket};
        let socket = |lines: &str| match read(&format!("address = \"unix:/s\"\nany_local = true\n{lines}"))
            .addresses
            .remove(0)
        {
            ListenOn::Unix(UnixSocket { mode, group, .. }) => (mode, group),
            other @ (ListenOn::Tcp(_) | ListenOn::Inherited { .. }) => panic!("{other}"),
        };
        assert_eq!(socket(""), (0o660, None));
        assert_eq!(socket("mode = \"0600\"\ngroup = 5"), (0o600, Some(Group::Id(5))));
        assert_eq!(socket("group = \"www-data\""), (0o660, Some(Group::Name("www-data".to_owned()))));
        for wrong in
            ["mode = 660", "mode = \"0888\"", "mode = \"rw\"", "mode = \"1777\"", "group = \"5\"", "group = \"a b\""]
        {
            fault(&format!("address = \"unix:/s\"\nany_local = true\n{wrong}"));
        }
        assert!(fault("any_local = true\nmode = \"0660\"").contains("for Unix sockets"));
        assert!(fault(&format!("address = \"unix:/s\"\nany_local = true\n{TLS}")).contains("nobody on the way"));
    }

    #[test]
    fn a_listener_that_no_client_can_call_is_refused() {
        let nobody = LEAST.replace("any_local = true", "authenticate = [\"token\"]");
        assert!(faults(&nobody)[0].contains("nobody could call: no client can be identified by `token`"));
        assert_eq!(faults(&format!("{nobody}[client.b]\nuid = 1")).len(), 1);
        assert_eq!(faults(&format!("{nobody}[client.b]\nuid = \"x\"")).len(), 1, "one fault is enough");
    }
}
