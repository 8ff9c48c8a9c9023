//! What the files of `conf.d/` may say: their owners get their own clients and routes, and of the rest what the main
//! file grants with `[conf_d.NAME]`.
//!
//! Only whole clients and routes stand there (`tree::merge`), and the paths of files are checked where they are read
//! (`reading::path`). This is the rest. Every field of a client and a route is named below, so that a new one does not
//! compile before somebody has decided whether it reaches beyond its own table.

use crate::authorize::{Identifiers, Mode, RouteActionPattern, RoutePattern, Rule};
use crate::config::reading::report::Report;
use crate::config::settings::{
    Client, ConfDGrant, EndpointPlace, IdentityGrant, Name, Route, RouteEndpoint, Share, Transport,
};
use crate::config::tree::key_path::KeyPath;

/// The default of a client's share, and the most that one of `conf.d` may take.
const MOST_PERCENT: u8 = 50;

/// Reports what clients and routes of `conf.d/` use without having been granted it.
pub(crate) fn check(report: &Report<'_>, grants: &[ConfDGrant], clients: &[Client], routes: &[Route]) {
    granted_twice(report, grants);
    for route in routes {
        let table = KeyPath::of(["route", route.name.as_str()]);
        if let Some((part, grant)) = report.grant_of(&table) {
            let judge = Judge { report, table, part, grant };
            of_route(&judge, route);
            probe(&judge, route, routes);
        }
    }
    for client in clients {
        let table = KeyPath::of(["client", client.name.as_str()]);
        if let Some((part, grant)) = report.grant_of(&table) {
            of_client(&Judge { report, table, part, grant }, client);
        }
    }
}

/// One table, its file, and what that may use.
struct Judge<'r> {
    report: &'r Report<'r>,
    table: KeyPath,
    part: &'r Name,
    grant: Option<&'r ConfDGrant>,
}

impl Judge<'_> {
    fn refuse(&self, key: &str, message: &str) {
        self.report.value(&self.table.join(key), message);
    }

    /// Refuses what a line of the main file would allow.
    fn not_granted(&self, key: &str, what: &str, list: &str, item: &str) {
        let (part, main) = (self.part, self.report.tree.main_file());
        let message = format!(
            "{what} is not for this file: whoever may write {main} says so there, with {list} = [\"{item}\"] in \
             [conf_d.{part}]"
        );
        self.refuse(key, &message);
    }

    fn key(&self, at: &str, name: &str) {
        if !self.grant.is_some_and(|grant| grant.keys.iter().any(|key| key.as_str() == name)) {
            self.not_granted(at, &format!("key `{name}`"), "keys", name);
        }
    }
}

fn of_route(judge: &Judge<'_>, route: &Route) {
    let Route {
        name: _,
        // the file itself says it
        tenant: _,
        // all of them below
        endpoint: _,
        fallbacks: _,
        // a proxy gets a tunnel, in which there is TLS; its files are checked where they are read
        egress: _,
        key,
        // see below
        probe: _,
        hosts,
        path: _,
        // it narrows what chooses the route
        scope: _,
        profile: _,
        clock: _,
        // whether listeners are guarded for it is checked for every route
        accept: _,
        forward_headers: _,
        safe_to_repeat: _,
        known_actions: _,
        audit_values: _,
        limits,
        timeouts: _,
    } = route;
    judge.key("key", key.as_str());
    if limits.warm > 0 {
        judge.report.value(
            &judge.table.join("limits").join("warm"),
            "a route of conf.d opens no connections ahead, since the readiness of the whole process would wait for its \
             endpoint: remove this line, or move the route to the main file",
        );
    }
    for RouteEndpoint { route: _, place, endpoint, egress: _, signing: _ } in route.endpoints() {
        let table = match place {
            EndpointPlace::Route => judge.table.clone(),
            EndpointPlace::Fallback(number) => judge.table.join("fallback").item(number.saturating_sub(1)),
        };
        match endpoint.transport {
            Transport::Tls { .. } => {}
            Transport::Plaintext => judge.report.value(
                &table.join("endpoint"),
                "a route of conf.d has an https endpoint: one without TLS could be any service of this machine, and \
                 belongs into the main file",
            ),
        }
    }
    if hosts.is_empty() {
        judge.refuse(
            "hosts",
            "missing: a route of conf.d names the Hosts that choose it, since without them it would take calls away \
             from the routes of others",
        );
    }
    for host in hosts {
        if !judge.grant.is_some_and(|grant| grant.hosts.contains(host)) {
            judge.not_granted("hosts", &format!("the Host `{host}`"), "hosts", host);
        }
    }
}

/// Refuses the probe of a route whose key signs for routes of others too. A key that fails one probe is used for none
/// of its routes, and the owner of this one chooses the endpoint that the probe asks.
fn probe(judge: &Judge<'_>, route: &Route, routes: &[Route]) {
    let home = |route: &Route| {
        let table = KeyPath::of(["route", route.name.as_str()]);
        judge.report.grant_of(&table).map(|(part, _)| part)
    };
    let is_of_another = |other: &&Route| other.key == route.key && home(other) != Some(judge.part);
    if let Some(other) = routes.iter().find(is_of_another).filter(|_| route.probe.is_some()) {
        let (key, other) = (&route.key, &other.name);
        judge.refuse(
            "probe",
            &format!(
                "key `{key}` signs for route `{other}` too, which is not of this file: while the probe fails, a new \
                 `{key}` would be used for neither; remove this line, or have a key for this file alone"
            ),
        );
    }
}

fn of_client(judge: &Judge<'_>, client: &Client) {
    let Client {
        name: _,
        // the file itself says it
        tenant: _,
        identifiers,
        mode,
        // a limit
        rate: _,
        // likewise: whose file it is could leave it out, so a smaller one takes nothing from others
        quota: _,
        share,
        allow,
        // they take nothing from others
        deny: _,
        rules,
    } = client;
    identities(judge, identifiers);
    match mode {
        Mode::Enforce => {}
        Mode::Record => judge.refuse(
            "mode",
            "a client of conf.d cannot be in record mode, in which every call passes, those of other routes too: move \
             the client to the main file for that time",
        ),
    }
    match share {
        None => {}
        Some(Share::Percent(percent)) if *percent <= MOST_PERCENT => {}
        Some(Share::Percent(_) | Share::Places(_)) => judge.refuse(
            "share",
            "a client of conf.d takes at most \"50%\" of each limit: more is decided in the main file",
        ),
    }
    patterns(judge, "allow", allow);
    for Rule { id: _, effect: _, patterns: actions, conditions: _, only: _ } in rules {
        patterns(judge, "rule", actions);
    }
}

/// Refuses what identifies a client without being granted. Without a list of `identities`, only what identifies another
/// client is refused, where all clients are compared: a caller with two identities (a user and its group, two names of
/// a certificate), of which the client of another file lists one, could still be claimed by the other.
fn identities(judge: &Judge<'_>, identifiers: &Identifiers) {
    let Identifiers { uids, gids, spiffe_ids, dns_names, tokens, service_accounts, issued_keys } = identifiers;
    issued_keys.iter().for_each(|key| judge.key("issued_keys", key));
    let Some(granted) = judge.grant.and_then(|grant| grant.identities.as_deref()) else { return };
    let check = |key: &str, item: String, is_granted: &dyn Fn(&IdentityGrant) -> bool| {
        if !granted.iter().any(is_granted) {
            judge.not_granted(key, &format!("the identity `{item}`"), "identities", &item);
        }
    };
    for uid in uids {
        check("uid", format!("uid:{uid}"), &|grant| matches!(grant, IdentityGrant::Uids(range) if range.contains(uid)));
    }
    for gid in gids {
        check("gid", format!("gid:{gid}"), &|grant| matches!(grant, IdentityGrant::Gids(range) if range.contains(gid)));
    }
    for id in spiffe_ids {
        check("spiffe", id.clone(), &|grant| matches!(grant, IdentityGrant::Spiffe(names) if names.includes(id)));
    }
    for name in dns_names {
        let granted = |grant: &IdentityGrant| matches!(grant, IdentityGrant::Dns(names) if names.includes(name));
        check("dns", format!("dns:{name}"), &granted);
    }
    for account in service_accounts {
        let granted =
            |grant: &IdentityGrant| matches!(grant, IdentityGrant::ServiceAccounts(names) if names.includes(account));
        check("service_account", format!("service_account:{account}"), &granted);
    }
    if !tokens.is_empty() {
        check("token_sha256", "token".to_owned(), &|grant| *grant == IdentityGrant::Tokens);
    }
}

/// Checks that patterns name only routes of the same file, and granted ones.
fn patterns(judge: &Judge<'_>, key: &str, patterns: &[RouteActionPattern]) {
    for RouteActionPattern { route, action } in patterns {
        let route = match route {
            RoutePattern::Named(route) => route,
            RoutePattern::Any => {
                let message = format!("`*:{action}` is for the routes of others too: name the route");
                judge.refuse(key, &message);
                continue;
            }
        };
        let home = judge.report.tree.part_of(&KeyPath::of(["route", route]));
        let is_own = home.is_some_and(|home| home.name == *judge.part);
        if !is_own && !judge.grant.is_some_and(|grant| grant.routes.iter().any(|granted| granted.as_str() == route)) {
            judge.not_granted(key, &format!("route `{route}`"), "routes", route);
        }
    }
}

/// Two files that may have the same Host could take each other's calls, with a longer path.
fn granted_twice(report: &Report<'_>, grants: &[ConfDGrant]) {
    for (nth, second) in grants.iter().enumerate() {
        for first in grants.iter().take(nth) {
            for host in second.hosts.iter().filter(|host| first.hosts.contains(host)) {
                report.value(
                    &KeyPath::of(["conf_d", second.name.as_str(), "hosts"]),
                    format!(
                        "the Host `{host}` is that of [conf_d.{}] too: its file and this one could take each other's \
                         calls",
                        first.name
                    ),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::files::Text;
    use crate::config::load::parts_faults;

    const MAIN: &str = "[listener.local]\naddress = \"unix:/run/c.sock\"\nauthenticate = [\"unix-peer\"]\n\
        [client.admin]\nuid = 0\nallow = [\"*:*\"]\n\
        [route.main]\nendpoint = \"https://a.example/\"\nkey = \"main\"\n\
        [key.main]\nfile = \"a\"\nidentity_file = \"b\"\n\
        [key.team]\nfile = \"c\"\nidentity_file = \"d\"\n\
        [conf_d.team]\nkeys = [\"team\"]\nhosts = [\"team.internal\"]\nroutes = []\nfiles = [\"team\"]\n";
    const ROUTE: &str =
        "[route.team]\nendpoint = \"https://b.example/\"\nkey = \"team\"\nhosts = [\"team.internal\"]\n";
    const CLIENT: &str = "[client.team]\nuid = 7\nallow = [\"team:List*\"]\ndeny = [\"*:Delete*\"]\n";

    fn found(part: &str) -> Vec<String> {
        parts_faults(MAIN, &[("conf.d/team.toml", part)])
    }

    /// The one fault.
    fn refused(part: &str) -> String {
        let found = found(part);
        assert_eq!(found.len(), 1, "{found:?}\nin\n{part}");
        found[0].clone()
    }

    #[test]
    fn a_file_has_its_own_clients_and_routes_and_what_it_was_granted() {
        assert_eq!(found(&format!("{ROUTE}ca_file = \"../team/ca.pem\"\n{CLIENT}")).len(), 1, "`..` is refused");
        assert_eq!(
            found(&format!("{ROUTE}ca_file = \"/etc/countersign/team/ca.pem\"\n{CLIENT}")),
            Vec::<String>::new()
        );
        let read = Text::of(&[("countersign.toml", MAIN), ("conf.d/team.toml", &format!("{ROUTE}{CLIENT}"))]);
        let settings = read.settings([]).unwrap();
        assert_eq!((settings.routes.len(), settings.clients.len()), (2, 2));
        assert_eq!(settings.places.of("route.team").unwrap().to_string(), "conf.d/team.toml:1:8");
    }

    #[test]
    fn a_key_of_somebody_else_is_refused() {
        let fault = refused(&ROUTE.replace("key = \"team\"", "key = \"main\""));
        assert!(fault.starts_with("conf.d/team.toml:3:7: route.team.key: key `main` is not for this file"), "{fault}");
        assert!(fault.ends_with("with keys = [\"main\"] in [conf_d.team]"), "{fault}");
        let other = parts_faults(MAIN, &[("conf.d/other.toml", ROUTE)]);
        assert!(other[0].contains("in [conf_d.other]") && other.len() == 2, "{other:?}");
        let issued = found(&format!("{ROUTE}{CLIENT}issued_keys = [\"main\"]\n"));
        let refused = "client.team.issued_keys: key `main` is not for this file";
        assert!(issued.iter().any(|fault| fault.contains(refused)), "{issued:?}");
    }

    #[test]
    fn a_host_that_was_not_granted_and_no_host_are_refused() {
        let fault = refused(&ROUTE.replace("team.internal", "a.example"));
        assert!(fault.contains("route.team.hosts: the Host `a.example` is not for this file"), "{fault}");
        let none = found(&ROUTE.replace("hosts = [\"team.internal\"]\n", ""));
        assert!(none.iter().any(|fault| fault.contains("route.team.hosts: missing")), "{none:?}");
        let twice = format!("{MAIN}[conf_d.other]\nhosts = [\"team.internal\"]\n");
        let fault = parts_faults(&twice, &[]);
        assert!(
            fault.len() == 1
                && fault[0].contains("conf_d.team.hosts: the Host `team.internal` is that of [conf_d.other] too"),
            "{fault:?}"
        );
    }

    #[test]
    fn a_probe_with_a_key_that_signs_for_routes_of_others_is_refused() {
        let probed = format!("{ROUTE}probe = \"ListJobs\"\n");
        assert_eq!(found(&probed), Vec::<String>::new(), "the key signs for this file alone");
        let granted = MAIN.replace("keys = [\"team\"]", "keys = [\"team\", \"main\"]");
        let shared = probed.replace("key = \"team\"", "key = \"main\"");
        let fault = parts_faults(&granted, &[("conf.d/team.toml", &shared)]);
        let message = "route.team.probe: key `main` signs for route `main` too";
        assert!(fault.len() == 1 && fault[0].contains(message), "{fault:?}");
        let other = format!("{MAIN}[conf_d.other]\nkeys = [\"team\"]\nhosts = [\"other.internal\"]\n");
        let route = ROUTE.replace("team.internal", "other.internal").replace("[route.team]", "[route.other]");
        let fault = parts_faults(&other, &[("conf.d/team.toml", &probed), ("conf.d/other.toml", &route)]);
        assert!(fault.len() == 1 && fault[0].contains("signs for route `other` too"), "{fault:?}");
    }

    #[test]
    fn a_rule_for_a_route_of_somebody_else_is_refused() {
        for (rule, message) in [
            ("\"main:List*\"", "client.team.allow: route `main` is not for this file"),
            ("\"*:List*\"", "client.team.allow: `*:List*` is for the routes of others too"),
        ] {
            let fault = refused(&format!("{ROUTE}{}", CLIENT.replace("\"team:List*\"", rule)));
            assert!(fault.contains(message), "{fault}");
        }
        let rule = "[[client.team.rule]]\neffect = \"allow\"\nactions = [\"main:List*\"]\n";
        assert!(refused(&format!("{ROUTE}{CLIENT}{rule}")).contains("client.team.rule: route `main` is not"));
        let granted = MAIN.replace("routes = []", "routes = [\"main\"]");
        let client = CLIENT.replace("team:List*", "main:List*");
        assert_eq!(parts_faults(&granted, &[("conf.d/team.toml", &client)]), Vec::<String>::new());
        let other = parts_faults(
            MAIN,
            &[("conf.d/team.toml", ROUTE), ("conf.d/other.toml", &client.replace("main:", "team:"))],
        );
        assert!(other.len() == 1 && other[0].contains("in [conf_d.other]"), "{other:?}");
    }

    #[test]
    fn record_mode_a_large_share_and_an_endpoint_without_tls_are_for_the_main_file() {
        for line in ["mode = \"record\"", "share = \"51%\"", "share = 1"] {
            let fault = refused(&format!("{ROUTE}{CLIENT}{line}\n"));
            assert!(fault.contains("a client of conf.d"), "{fault}");
        }
        assert_eq!(found(&format!("{ROUTE}{CLIENT}share = \"50%\"\n")), Vec::<String>::new());
        let fault = refused(&format!("{ROUTE}limits.warm = 1\n"));
        assert!(fault.contains("a route of conf.d opens no connections ahead"), "{fault}");
        for (url, more) in [("http://127.0.0.1:9/", ""), ("http://b.example/", "danger_plaintext = true\n")] {
            let fault = refused(&format!("{}{more}", ROUTE.replace("https://b.example/", url)));
            assert!(fault.contains("a route of conf.d has an https endpoint"), "{fault}");
        }
        let fallback = format!("{ROUTE}[[route.team.fallback]]\nendpoint = \"http://127.0.0.1:9/\"\n");
        let fault = refused(&fallback);
        assert!(fault.contains("route.team.fallback[1].endpoint: a route of conf.d has an https"), "{fault}");
        let trusting =
            format!("{}ca_file = \"/etc/x/ca.pem\"\n", fallback.replace("http://127.0.0.1:9/", "https://c/"));
        assert!(refused(&trusting).contains("with `files` of [conf_d.team]"));
    }

    #[test]
    fn an_identity_that_was_not_granted_is_refused_where_identities_are_listed() {
        let all = "uid = [7, 2000]\ngid = 2999\nspiffe = \"spiffe://a/team/x\"\ndns = \"x.team.example\"\n\
            service_account = \"team/x\"\n\
            token_sha256 = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"\n";
        let client = format!("{ROUTE}{}", CLIENT.replace("uid = 7\n", all));
        let with = |identities: &str| {
            let main = MAIN.replace("[conf_d.team]\n", &format!("[conf_d.team]\nidentities = [{identities}]\n"));
            parts_faults(&main, &[("conf.d/team.toml", &client)])
        };
        assert_eq!(found(&client), Vec::<String>::new(), "without a list, whatever identifies nobody else");
        let granted = "\"uid:7\", \"uid:2000-2999\", \"gid:2000-2999\", \"spiffe://a/team/*\", \
            \"dns:*.team.example\", \"service_account:team/*\", \"token\"";
        assert_eq!(with(granted), Vec::<String>::new());
        assert_eq!(with("").len(), 7);
        for (missing, fault) in [
            ("\"uid:7\", ", "client.team.uid: the identity `uid:7` is not for this file"),
            ("\"gid:2000-2999\", ", "client.team.gid: the identity `gid:2999` is not"),
            ("\"spiffe://a/team/*\", ", "client.team.spiffe: the identity `spiffe://a/team/x` is not"),
            ("\"dns:*.team.example\", ", "client.team.dns: the identity `dns:x.team.example` is not"),
            ("\"service_account:team/*\", ", "client.team.service_account: the identity `service_account:team/x`"),
            (", \"token\"", "with identities = [\"token\"] in [conf_d.team]"),
        ] {
            let found = with(&granted.replace(missing, ""));
            assert!(found.len() == 1 && found[0].contains(fault), "{missing}: {found:?}");
        }
        let sibling = with(&granted.replace("spiffe://a/team/*", "spiffe://a/tea/*"));
        assert_eq!(sibling.len(), 1, "{sibling:?}");
    }

    #[test]
    fn a_path_outside_the_directories_of_the_file_is_refused_for_every_key_that_takes_one() {
        for key in ["ca_file", "client_certificate", "egress_ca_file", "egress_credentials_file"] {
            for path in ["/etc/countersign/other/x", "/etc/countersign/teams/x", "/etc/countersign/team/../x", "x"] {
                let found = found(&format!("{ROUTE}{key} = \"{path}\"\n"));
                let bounded = |fault: &&String| fault.contains("with `files` of [conf_d.team]");
                assert_eq!(found.iter().filter(bounded).count(), 1, "{key} {path}: {found:?}");
            }
        }
        let socket = |path: &str| found(&format!("{ROUTE}connect = \"unix:{path}\"\n"));
        let refused = socket("/run/docker.sock");
        assert!(refused.len() == 1 && refused[0].contains("with `files` of [conf_d.team]"), "{refused:?}");
        assert_eq!(socket("/etc/countersign/team/mesh.sock"), Vec::<String>::new());
    }
}
