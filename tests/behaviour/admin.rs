//! The admin listener: health, readiness and metrics, apart from the listeners that sign.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use crate::harness::{After, Client, Draft, Endpoint, FORM, Proxy, Setup, endpoint};

/// Whose Actions metrics name, at a host that does not say so.
const KNOWN: &str = "profile.service = \"importexport\"";

#[test]
fn it_answers_five_paths_and_nothing_else() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    assert_eq!(proxy.admin("/").expect(200).head.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(proxy.admin("/status").expect(200).head.field("content-type"), Some("application/json"));
    assert_eq!(proxy.admin("/livez").expect(200).text(), "alive\n");
    assert_eq!(proxy.admin("/readyz").expect(200).text(), "ready\n");
    proxy.admin("/metrics").expect(200);
    for path in ["/status/", "/index.html", "/livez/", "/config", "/debug/pprof", "/keys"] {
        proxy.admin(path).expect(404);
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = proxy.admin_call(&format!("{method} /readyz HTTP/1.1")).expect(405);
        assert_eq!(answer.head.field("allow"), Some("GET, HEAD"));
    }
    let mut client = Client::connect(proxy.admin);
    client.send(&Draft::form("").line("HEAD /livez HTTP/1.1").field("Connection", "close"));
    assert_eq!(client.answer_head().first_line, "HTTP/1.1 200 OK");
    assert_eq!(client.until_closed(), b"");
}

#[test]
fn a_caller_from_elsewhere_gets_health_and_metrics_and_no_names() {
    // which address this machine would call another one from; nothing is sent
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("198.51.100.1:9").expect("a machine with a network");
    let own = socket.local_addr().unwrap().ip();
    let setup = Setup::to(&Endpoint::obliging()).admin("0.0.0.0:0");
    let get = |proxy: &Proxy, ip: IpAddr, path: &str| {
        let mut client = Client::connect(SocketAddr::new(ip, proxy.admin.port()));
        client.call(&Draft::form("").line(&format!("GET {path} HTTP/1.1")))
    };
    let proxy = setup.clone().start();
    for path in ["/", "/status"] {
        get(&proxy, Ipv4Addr::LOCALHOST.into(), path).expect(200);
        let refused = get(&proxy, own, path).expect(404);
        assert!(refused.text().contains("`status = true`"), "{}", refused.text());
        assert!(!refused.text().contains("importexport"), "{}", refused.text());
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        get(&proxy, own, path).expect(200);
    }
    assert!(proxy.log.text().contains("\"status\":\"callers on this host\""), "{}", proxy.log.text());
    let everybody = setup.start_with(|command| command.env("COUNTERSIGN__ADMIN__STATUS", "true"));
    get(&everybody, own, "/status").expect(200);
}

#[test]
fn it_signs_nothing_and_the_proxys_listener_tells_nothing() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    Client::connect(proxy.admin).call(&Draft::form(FORM)).expect(405);
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = proxy.call(&Draft::form("").line(&format!("GET {path} HTTP/1.1")));
        proxy.assert_own(&answer, 404, "ProxyRouteNotFound", "no");
    }
    assert_eq!(endpoint.connections(), 0);
}

#[test]
fn counters_move_and_no_text_of_a_client_becomes_a_label() {
    let endpoint = Endpoint::saying(&endpoint::answer("200 OK", "12345"), After::KeepOpen);
    let proxy = Setup::to(&endpoint).route(KNOWN).start();
    let count = |action: &str, outcome: &str| {
        let labels = format!(r#"route="importexport",action="{action}",outcome="{outcome}""#);
        proxy.metric(&format!("countersign_exchanges_total{{{labels}}}"))
    };
    let calls = [
        Draft::form(FORM),
        Draft::form(FORM),
        Draft::form("Action=MARKERACTION&MARKERNAME=MARKERVALUE"),
        Draft::form("MARKERNAME=1&MARKERNAME=2"),
        Draft::form(FORM).path("/MARKERPATH"),
        Draft::form(FORM).instead("Host", "markerhost"),
        Draft::form(FORM).field("Origin", "https://marker.example"),
    ];
    for call in &calls {
        let answer = proxy.call(call);
        proxy.log.exchange(&answer.request_id()); // counted when it is logged
    }
    assert_eq!([count("GetStatus", "answered_2xx"), count("other", "answered_2xx")].map(|n| n as u32), [2, 1]);
    assert_eq!(count("other", "refused") as u32, 3);
    assert_eq!(count("CreateJob", "answered_2xx") as u32, 0);
    assert!(proxy.metric(r#"countersign_response_body_bytes_total{route="importexport"}"#) > 15.0);
    assert_eq!(proxy.metric(r#"countersign_sign_seconds_count{route="importexport"}"#) as u32, 3);
    let text = proxy.admin("/metrics").text();
    assert!(!text.to_lowercase().contains("marker"), "{text}");
}

#[test]
fn a_log_that_nobody_reads_costs_lines_and_no_calls() {
    let endpoint = Endpoint::obliging();
    let mut proxy = Setup::to(&endpoint).start();
    proxy.log.stop_reading();
    let mut client = proxy.connect();
    for _ in 0..12_000 {
        client.call(&Draft::form(FORM)).expect(200); // far more than a pipe and the queue hold
    }
    proxy.log.read_on();
    let lost =
        proxy.log.json("word of the loss", |line| line["message"].as_str().unwrap().starts_with("log lines were lost"));
    assert!(lost["lost"].as_u64().unwrap() > 1000, "{lost}");
    let last = client.call(&Draft::form(FORM)).expect(200);
    proxy.log.exchange(&last.request_id());
    drop(client);
    proxy.signal(rustix::process::Signal::TERM);
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(proxy.log.to_the_end().lines().last().unwrap().contains("\"drained\""), "the last line is there");
}

#[test]
fn a_log_whose_reader_has_left_costs_no_calls() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(KNOWN).start_with_log_closed();
    for _ in 0..20 {
        proxy.post(FORM).expect(200);
    }
    // an exchange is counted when its answer is over, which the client may know first
    let labels = r#"route="importexport",action="GetStatus",outcome="answered_2xx""#;
    let calls = || proxy.metric(&format!("countersign_exchanges_total{{{labels}}}")) as u32;
    crate::harness::eventually("twenty exchanges in the metrics", || (calls() == 20).then_some(()));
}

#[test]
fn client_connections_are_counted_while_they_last() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    let mut clients: Vec<Client> = (0..3).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.call(&Draft::form(FORM)).expect(200);
    }
    let gauge = || proxy.metric(r#"countersign_client_connections{listener="local"}"#);
    assert_eq!(gauge() as u32, 3);
    drop(clients);
    crate::harness::eventually("connections to be gone", || (gauge() < 0.5).then_some(()));
}

#[test]
fn health_on_all_ipv6_addresses_is_for_ipv4_too_where_only_v6_is_false() {
    for (line, serves_v4) in [("only_v6 = false", true), ("only_v6 = true", false), ("", false)] {
        let setup = Setup::to(&Endpoint::obliging()).admin(&format!("[::]:0\"\n{line}\n#"));
        let proxy = setup.start();
        let port = proxy.admin.port();
        let (v4, v6) = (SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        let call = |at| Client::connect(at).call(&Draft::form("").unframed().line("GET /status HTTP/1.1"));
        call(v6).expect(200);
        assert_eq!(TcpStream::connect(v4).is_ok(), serves_v4, "{line}");
        if serves_v4 {
            call(v4).expect(200); // the page for callers on this host: 127.0.0.1 is one, as IPv4 and not as ::ffff:...
        }
    }
}
