//! `countersign_load_ratio`, by which fleets are scaled: what raises it, and what does not.

use std::fs;

use crate::harness::clients::{client, token};
use crate::harness::{Client, Draft, Endpoint, FORM, Proxy, Setup, eventually};

const LOAD: &str = "countersign_load_ratio";

/// A proxy with two clients, each of which may use half of each limit.
fn start(endpoint: &Endpoint, listener: &str, route: &str) -> Proxy {
    let clients = ["greedy", "modest"].map(|name| client(name, "allow = [\"importexport:*\"]")).concat();
    let mut setup = Setup::to(endpoint).listener(listener).route(route).more(&clients);
    setup.callers = "authenticate = [\"token\"]";
    setup.start()
}

fn call_of(client: &str) -> Draft {
    Draft::form(FORM).field("Authorization", &format!("Bearer {}", token(client)))
}

#[track_caller]
fn reaches(proxy: &Proxy, sample: &str, value: f64) {
    eventually(sample, || ((proxy.metric(sample) - value).abs() < 1e-9).then_some(()));
}

#[test]
fn a_client_that_uses_its_whole_share_raises_the_load_to_its_share_and_no_further() {
    let proxy = start(&Endpoint::silent(), "", "limits.in_flight = 8");
    let wait = |client: &str, calls: usize| -> Vec<Client> {
        let waiting = (0..calls).map(|_| {
            let mut connection = proxy.connect();
            connection.send(&call_of(client));
            connection
        });
        waiting.collect()
    };
    let greedy = wait("greedy", 4);
    reaches(&proxy, r#"countersign_in_flight{route="importexport"}"#, 4.0);
    for _ in 0..10 {
        assert_eq!(proxy.call(&call_of("greedy")).status, 503, "it uses its whole share");
        assert!(proxy.metric(LOAD) <= 0.5, "one client does not make the fleet grow");
    }
    assert!((proxy.metric(LOAD) - 0.5).abs() < 1e-9);
    let modest = wait("modest", 2);
    reaches(&proxy, LOAD, 0.75);
    drop((greedy, modest));
    reaches(&proxy, r#"countersign_in_flight{route="importexport"}"#, 0.0);
}

#[test]
fn strangers_do_not_raise_the_load() {
    let proxy = start(&Endpoint::obliging(), "limits.connections = 10", "");
    let mut connections: Vec<Client> = (0..8).map(|_| proxy.connect()).collect();
    reaches(&proxy, r#"countersign_client_connections{listener="local"}"#, 8.0);
    reaches(&proxy, LOAD, 0.0);
    for connection in connections.iter_mut().take(3) {
        connection.call(&call_of("modest")).expect(200);
    }
    // an idle connection of a client is in use
    reaches(&proxy, LOAD, 0.3);
    drop(connections);
    reaches(&proxy, LOAD, 0.0);
}

#[test]
fn a_route_of_conf_d_whose_owner_lowers_its_limit_raises_the_load_like_one_with_the_usual_limit() {
    let endpoint = Endpoint::silent();
    let mut setup = Setup::to(&endpoint).more("[conf_d.team]\nkeys = [\"main\"]\nhosts = [\"team.internal\"]\n");
    setup.callers = "authenticate = [\"token\"]";
    let setup = setup.more(&client("operator", "allow = [\"importexport:*\"]"));
    let part = client("team", "allow = [\"team:*\"]");
    let url = endpoint.url().replace("http:", "https:");
    let route = format!("[route.team]\nendpoint = {url:?}\nkey = \"main\"\nhosts = [\"team.internal\"]\n");
    fs::create_dir(setup.of_vault().path("conf.d")).unwrap();
    fs::write(setup.of_vault().path("conf.d/team.toml"), format!("{part}{route}limits.in_flight = 1\n")).unwrap();
    let proxy = setup.start();
    let mut waiting = proxy.connect();
    // nobody shakes hands there
    waiting.send(&call_of("team").field("Host", "team.internal"));
    reaches(&proxy, r#"countersign_in_flight{route="team"}"#, 1.0);
    reaches(&proxy, LOAD, 1.0 / 256.0);
}
