//! Which endpoint a request reaches: by listener, by `Host`, by path; the most specific wins, and there is no default.

use crate::harness::{After, Answer, Client, Draft, Endpoint, FORM, Proxy, Setup, endpoint};

/// An endpoint whose answers say which one it is.
fn named(name: &str) -> Endpoint {
    Endpoint::saying(&endpoint::answer("200 OK", name), After::KeepOpen)
}

fn route(name: &str, endpoint: &Endpoint, more: &str) -> String {
    format!("[route.{name}]\nendpoint = \"{}\"\nkey = \"main\"\n{more}\n", endpoint.url())
}

#[track_caller]
fn not_found(proxy: &Proxy, answer: &Answer) {
    proxy.assert_own(answer, 404, "ProxyRouteNotFound", "no");
}

#[test]
fn a_listener_serves_the_routes_it_lists_and_no_others() {
    let (one, two) = (named("one"), named("two"));
    let proxy = Setup::to(&one)
        .listener("hosts = [\"one.internal\"]\nroutes = [\"importexport\"]")
        .more(&route("second", &two, ""))
        .more("[listener.other]\naddress = \"127.0.0.1:0\"\nany_local = true\nroutes = [\"second\"]\n")
        .start();
    assert_eq!(proxy.post(FORM).expect(200).text(), "one");
    let other = proxy.listener("other");
    assert_eq!(Client::connect(other).call(&Draft::form(FORM)).expect(200).text(), "two");
    // the name of one listener is not a name of the other
    let crossed = Draft::form(FORM).instead("Host", "one.internal");
    assert_eq!(proxy.call(&crossed).expect(200).text(), "one");
    let answer = Client::connect(other).call(&crossed);
    proxy.assert_own(&answer, 403, "AccessDenied", "no");
}

#[test]
fn a_host_chooses_a_route_before_one_without_hosts_even_with_a_longer_path() {
    let (plain, by_host) = (named("plain"), named("by host"));
    let proxy = Setup::to(&plain)
        .more(&route("sdb", &by_host, r#"hosts = ["sdb.localhost:8021"]"#))
        .more(&route("stacks", &plain, r#"path = "/stacks""#))
        .start();
    assert_eq!(proxy.post(FORM).expect(200).text(), "plain");
    for host in ["sdb.localhost:8021", "SDB.LocalHost:8021"] {
        let answer = proxy.call(&Draft::form(FORM).instead("Host", host));
        assert_eq!(answer.expect(200).text(), "by host");
    }
    let elsewhere = Draft::form(FORM).instead("Host", "sdb.localhost:8022"); // not `localhost` itself
    proxy.assert_own(&proxy.call(&elsewhere), 403, "AccessDenied", "no");
}

#[test]
fn the_longest_path_wins_and_what_remains_of_a_path_is_not_found() {
    let (root, stacks, deeper) = (named("root"), named("stacks"), named("deeper"));
    let proxy = Setup::to(&root)
        .more(&route("stacks", &stacks, r#"path = "/stacks""#))
        .more(&route("deeper", &deeper, r#"path = "/stacks/v1""#))
        .start();
    let paths = [
        ("/", "root"),
        ("/stacks", "stacks"),
        ("/stacks/", "stacks"),
        ("/stacks/v1", "deeper"),
        ("/stacks/v1/", "deeper"),
    ];
    for (path, name) in paths {
        assert_eq!(proxy.call(&Draft::form(FORM).path(path)).expect(200).text(), name, "{path}");
    }
    for path in ["/x", "/stack", "/stacksx", "/stacks/v2", "/stacks/v1/x", "/stacks//", "/STACKS", "/stacks/../"] {
        not_found(&proxy, &proxy.call(&Draft::form(FORM).path(path)));
    }
    assert_eq!(root.requests().len() + stacks.requests().len() + deeper.requests().len(), paths.len());
    // the endpoint's path comes from the configuration alone
    assert!(stacks.requests().iter().all(|request| request.head.first_line == "POST / HTTP/1.1"));
}

#[test]
fn a_listener_without_a_route_for_the_root_has_no_default() {
    let only = named("only");
    let proxy = Setup::to(&only).route(r#"path = "/import""#).start();
    not_found(&proxy, &proxy.post(FORM));
    assert_eq!(proxy.call(&Draft::form(FORM).path("/import")).expect(200).text(), "only");
    assert_eq!(only.requests().len(), 1);
}

#[test]
fn each_route_signs_with_its_own_key() {
    use crate::harness::{ID, OTHER_ID, OTHER_SECRET, SECRET, Vault};
    let (one, two) = (named("one"), named("two"));
    let other = Vault::with(OTHER_ID, OTHER_SECRET);
    let key = format!("[key.other]\nfile = {:?}\nidentity_file = {:?}\n", other.key_file(), other.identity_file());
    let second = format!("[route.second]\nendpoint = \"{}\"\nkey = \"other\"\npath = \"/second\"\n", two.url());
    let proxy = Setup::to(&one).more(&key).more(&second).start();
    proxy.post(FORM).expect(200);
    proxy.call(&Draft::form(&format!("{FORM}&AWSAccessKeyId={ID}")).path("/second")).expect(200);
    assert_eq!(one.only_request().verify(ID, SECRET, None), Ok(()));
    assert_eq!(two.only_request().verify(OTHER_ID, OTHER_SECRET, None), Ok(()));
}
