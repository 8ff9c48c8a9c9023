//! Who may call a listener, and whether that fits its address: beyond loopback clients must authenticate, tokens must
//! not cross the network in clear, and every method must be able to work there.

use crate::authorize::{Admission, Method};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, flag};
use crate::config::settings::{Exposure, ListenOn, ListenerTls, ServiceAccount};

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

/// Reports methods that cannot work on this address, and tables that belong to no method.
pub(crate) fn check_methods(
    table: &Table<'_>,
    methods: &[Method],
    address: &ListenOn,
    tls: Option<&ListenerTls>,
    service_account: Option<&ServiceAccount>,
) {
    for method in methods {
        let fault = match (method, address) {
            (Method::IssuedKey, _) => None,
            (Method::UnixPeer, ListenOn::Tcp(_)) => Some(
                "`unix-peer` needs a Unix socket: write `address = \"unix:/...\"`; on loopback, `loopback-owner` tells \
                 users",
            ),
            (Method::LoopbackOwner, ListenOn::Unix(_) | ListenOn::Inherited { .. }) => {
                Some("`loopback-owner` needs a loopback address of TCP; on a Unix socket, `unix-peer` tells users")
            }
            (Method::LoopbackOwner, ListenOn::Tcp(_)) if !is_local(address) => Some(
                "`loopback-owner` needs a loopback address: who owns a socket on another machine is not known here",
            ),
            (Method::Mtls, _) if tls.is_none_or(|tls| tls.clients.is_none()) => {
                Some("`mtls` needs `tls.certificate`, `tls.private_key`, and `tls.client_ca` for those of clients")
            }
            (Method::ServiceAccount, _) if service_account.is_none() => Some(
                "`service-account` needs `[listener.NAME.service_account]` with `issuer`, `audience`, `algorithm` and \
                 `jwks_file`",
            ),
            (Method::UnixPeer, ListenOn::Unix(_) | ListenOn::Inherited { .. })
            | (Method::LoopbackOwner, ListenOn::Tcp(_))
            | (Method::Mtls | Method::BearerToken | Method::ServiceAccount, _) => None,
        };
        if let Some(fault) = fault {
            table.fault("authenticate", fault);
        }
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
    if tls.is_some() && matches!(address, ListenOn::Unix(_)) {
        table.fault("tls", "a Unix socket has nobody on the way: remove the table");
    }
}

/// How far the listener may reach.
pub(crate) fn exposure(
    table: &mut Table<'_>,
    callers: Option<&Admission>,
    address: Option<&ListenOn>,
    tls: Option<&ListenerTls>,
) -> Option<Exposure> {
    let read = |given: &Given<'_>| flag(given).map(|danger| if danger { Danger::On } else { Danger::Off });
    let anywhere = table.get("danger_beyond_loopback", Danger::Off, read);
    let cleartext = table.get("danger_cleartext_tokens", Danger::Off, read);
    let (callers, address, anywhere, cleartext) = (callers?, address?, anywhere?, cleartext?);
    if is_local(address) {
        return Some(Exposure::Loopback);
    }
    // an inherited socket is known only at the start
    let unknown = matches!(address, ListenOn::Inherited { .. });
    // a signature does not give its key away, but whoever reads the request can send it again for five minutes, and
    // the response is not signed at all
    let token = |method: &Method| matches!(method, Method::BearerToken | Method::ServiceAccount | Method::IssuedKey);
    match callers {
        Admission::AnyLocal if anywhere == Danger::On => Some(Exposure::DangerBeyondLoopback),
        Admission::Clients(_) if tls.is_some() => Some(Exposure::Authenticated),
        Admission::Clients(methods) if methods.iter().any(token) && cleartext == Danger::On => {
            Some(Exposure::DangerCleartextTokens)
        }
        Admission::AnyLocal | Admission::Clients(_) if unknown => Some(Exposure::Loopback),
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
        ListenOn::Tcp(address) => address.ip().to_canonical().is_loopback(),
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
        let socket = |lines: &str| match read(&format!("address = \"unix:/s\"\nany_local = true\n{lines}")).address {
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
