//! What the files of `conf.d/` may say: their owners get their own clients and routes, and of the rest what the main
//! file grants with `[conf_d.NAME]`.
//!
//! Only whole clients and routes stand there (`tree::merge`), and the paths of files are checked where they are read
//! (`reading::path`). This is the rest. Every field of a client and a route is named below, so that a new one does not
//! compile before somebody has decided whether it reaches beyond its own table.

use crate::authorize::{Mode, RouteActionPattern, RoutePattern, Rule};
use crate::config::reading::report::Report;
use crate::config::settings::{Client, ConfDGrant, Name, Route, Share, Transport};
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
        endpoint,
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
        limits: _,
        timeouts: _,
    } = route;
    judge.key("key", key.as_str());
    match endpoint.transport {
        Transport::Tls { .. } => {}
        Transport::Plaintext => judge.refuse(
            "endpoint",
            "a route of conf.d has an https endpoint: one without TLS could be any service of this machine, and \
             belongs into the main file",
        ),
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
        identifiers,
        mode,
        // a limit
        rate: _,
        share,
        allow,
        // they take nothing from others
        deny: _,
        rules,
    } = client;
    identifiers.issued_keys.iter().for_each(|key| judge.key("issued_keys", key));
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
        for (url, more) in [("http://127.0.0.1:9/", ""), ("http://b.example/", "danger_plaintext = true\n")] {
            let fault = refused(&format!("{}{more}", ROUTE.replace("https://b.example/", url)));
            assert!(fault.contains("a route of conf.d has an https endpoint"), "{fault}");
        }
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
