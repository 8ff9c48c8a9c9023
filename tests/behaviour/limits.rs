//! More than there is room for: refused at once, survived, and over when the load is.

use std::io::Write as _;
use std::net::TcpStream;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit, setrlimit};

use crate::harness::proxy::closes;
use crate::harness::{Client, Draft, Endpoint, FORM, Outcome, Setup, eventually, started_by};

/// As many descriptors as this process can have: those it starts inherit them.
fn many_descriptors() -> usize {
    const WANTED: u64 = 40_000;
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(WANTED);
    // root may have more than it was given
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(WANTED), maximum: Some(most.max(WANTED)) });
    if raised.is_err() {
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: Some(most) }).unwrap();
    }
    usize::try_from(getrlimit(Resource::Nofile).current.unwrap_or(WANTED)).unwrap()
}

#[test]
fn forms_beyond_what_is_held_in_all_are_refused_as_their_bytes_come_and_not_for_what_they_announce() {
    let endpoint = Endpoint::obliging();
    let proxy =
        Setup::to(&endpoint).process("workers = 2\nbodies = \"300 KiB\"").route("limits.body = \"200 KiB\"").start();
    let form = format!("{FORM}&Filling={}", "x".repeat(150 * 1024));
    let draft = Draft::form(&form);
    let request = draft.bytes(&proxy.address.to_string());
    let (begin, rest) = request.split_at(request.len() - 10);
    let mut first = proxy.connect();
    first.write(begin);
    eventually("the first form's place", || (proxy.metric("countersign_bodies_held_bytes") > 150_000.0).then_some(()));
    // announced many times over, and not one byte of it sent
    let head = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let mut announcing: Vec<_> = (0..40).map(|_| proxy.connect()).collect();
    for client in &mut announcing {
        client.write(&request[..head]);
    }
    proxy.post(FORM).expect(200);
    // what comes counts, complete or not
    let mut second = announcing.remove(0);
    second.write(&request[head..request.len() - 1]);
    let refused = second.answer();
    proxy.assert_own(&refused, 503, "ServiceUnavailable", "no");
    assert!(closes(&refused.head));
    // what is small enough passes, and so does whoever was first
    proxy.post(FORM).expect(200);
    first.write(rest);
    first.answer().expect(200);
    drop(announcing);
    proxy.call(&draft).expect(200);
    eventually("all places given back", || (proxy.metric("countersign_bodies_held_bytes") == 0.0).then_some(()));
}

#[test]
fn chunks_that_outgrow_what_is_held_in_all_are_refused() {
    let endpoint = Endpoint::obliging();
    let proxy =
        Setup::to(&endpoint).process("workers = 1\nbodies = \"64 KiB\"").route("limits.body = \"64 KiB\"").start();
    let chunk = |bytes: usize| format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
    let start = || {
        let mut client = proxy.connect();
        client.send(&Draft::form("").unframed().field("Transfer-Encoding", "chunked"));
        client.write(b"c\r\nAction=A&B=x\r\n");
        client.write(chunk(40 * 1024).as_bytes());
        client
    };
    let _first = start();
    eventually("the first form's place", || (proxy.metric("countersign_bodies_held_bytes") > 40_000.0).then_some(()));
    let refused = start().answer();
    proxy.assert_own(&refused, 503, "ServiceUnavailable", "no");
}

#[test]
fn slowloris_in_head_and_body_is_cut_and_holds_up_nobody() {
    let endpoint = Endpoint::obliging();
    let limits = "limits.head_timeout = \"10s\"\nlimits.body_timeout = \"10s\"";
    let proxy = Setup::to(&endpoint).listener(limits).process("workers = 2").start();
    let request = Draft::form(FORM).bytes(&proxy.address.to_string());
    let in_body = request.len() - 5;
    let mut slow: Vec<Client> = (0..200)
        .map(|nth| {
            let mut client = proxy.connect();
            client.write(&request[..if nth % 2 == 0 { 30 } else { in_body }]);
            client
        })
        .collect();
    // all of them at once are there while others are served
    eventually("the slow ones", || {
        (proxy.metric("countersign_client_connections{listener=\"local\"}") >= 200.0).then_some(())
    });
    for _ in 0..20 {
        proxy.post(FORM).expect(200);
    }
    // one byte now and then is no progress
    for client in &mut slow {
        let _cut_already = client.wire.stream.write_all(b"x");
    }
    eventually("the end of the slow ones", || {
        (proxy.metric("countersign_client_connections{listener=\"local\"}") == 0.0).then_some(())
    });
    assert_eq!(endpoint.requests().len(), 20, "nothing that was half sent has left");
}

#[test]
fn ten_thousand_idle_connections_are_kept_in_bounded_memory_and_hold_up_nobody() {
    let descriptors = many_descriptors();
    // where the system allows no more than 20,000 descriptors, a few less: half of them are for clients, and some call
    // besides
    let count = 10_000.min(descriptors / 2 - 100);
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).listener("limits.connections = 15000").process("workers = 2").start();
    let connect =
        |wanted: usize| -> Vec<TcpStream> { (0..wanted).map(|_| TcpStream::connect(proxy.address).unwrap()).collect() };
    let open = |wanted: usize| {
        eventually("the connections", || {
            (proxy.metric("countersign_client_connections{listener=\"local\"}") >= wanted as f64).then_some(())
        });
    };
    proxy.post(FORM).expect(200);
    let before = proxy.status_kib("VmRSS");
    let _fresh = connect(count / 2);
    open(count / 2);
    let fresh = (proxy.status_kib("VmRSS") - before) * 1024 / (count / 2) as u64;
    // the other half have had a request answered
    let before = proxy.status_kib("VmRSS");
    let request = Draft::form(FORM).bytes(&proxy.address.to_string());
    // one after the other: a busy machine would let the last of many wait for longer than a first head may take
    let _used: Vec<Client> = (0..count / 2)
        .map(|_| {
            let mut client = Client::over(TcpStream::connect(proxy.address).unwrap());
            client.write(&request);
            client.answer().expect(200);
            client
        })
        .collect();
    let used = (proxy.status_kib("VmRSS") - before) * 1024 / (count / 2) as u64;
    println!("{count} idle connections: {fresh} bytes each that is fresh, {used} each that was used");
    assert!(fresh < 16 * 1024 && used < 16 * 1024, "{fresh} and {used} bytes: what is printed at the start is wrong");
    for _ in 0..20 {
        proxy.post(FORM).expect(200);
    }
    proxy.admin("/readyz").expect(200);
}

#[test]
fn clients_leave_descriptors_for_health_the_endpoint_and_a_reload_whatever_they_do() {
    let endpoint = Endpoint::obliging();
    let few = ["-c", "ulimit -n 256 && exec \"$0\" \"$@\""];
    let setup = Setup::to(&endpoint).process("workers = 2");
    let proxy = setup.start_with(|command| started_by(command, "sh", &few));
    proxy.log.wait_for("warning", |line| line.contains("this process may have 256 descriptors").then_some(()));
    let mut inside: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
    for client in &mut inside {
        client.call(&Draft::form(FORM)).expect(200);
    }
    let crowd: Vec<_> = (0..300).map(|_| proxy.connect()).collect();
    proxy.log.wait_for("warning", |line| line.contains("too many client connections").then_some(()));
    let probes: Vec<_> = (0..100).map(|_| Client::connect(proxy.admin)).collect();
    for path in ["/livez", "/readyz", "/metrics"] {
        proxy.admin(path).expect(200);
    }
    for client in &mut inside {
        client.call(&Draft::form(FORM)).expect(200);
    }
    proxy.signal(Signal::HUP);
    proxy.log.wait_for("reload", |line| line.contains("was read again and is in use").then_some(()));
    drop((crowd, probes));
    eventually("room for others", || {
        let mut client = proxy.connect();
        client.wire.stream.write_all(&Draft::form(FORM).bytes(&proxy.address.to_string())).ok()?;
        client.wire.head().ok()?.filter(|head| head.first_line.contains("200"))
    });
    let failed = proxy.log.text().lines().find(|line| line.contains("cannot accept connections")).map(str::to_owned);
    assert_eq!(failed, None);
}

#[test]
fn too_few_descriptors_to_keep_health_and_the_endpoint_reachable_are_refused_by_check_and_run_in_the_same_words() {
    let setup = Setup::to(&Endpoint::obliging()).process("workers = 2");
    let few = ["-c", "ulimit -n 128 && exec \"$0\" \"$@\""];
    let said = ["check", "run"].map(|subcommand| {
        let mut command = setup.command(subcommand);
        let outcome = Outcome::of(started_by(&mut command, "sh", &few), "");
        assert_eq!((outcome.code, outcome.stdout.as_str()), (71, ""), "{subcommand}: {}", outcome.stderr);
        outcome.stderr
    });
    assert_eq!(said[0], said[1]);
    let words = "this process may have 128 descriptors, which leaves none for clients";
    assert!(said[0].contains(words) && said[0].contains("LimitNOFILE="), "{}", said[0]);
}

#[test]
fn without_descriptors_the_proxy_waits_and_recovers() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    proxy.post(FORM).expect(200);
    // as if something else had taken them all
    let pid = Some(Pid::from_raw(proxy.id().try_into().unwrap()).unwrap());
    let (before, none) = (getrlimit(Resource::Nofile), Rlimit { current: Some(8), maximum: Some(4096) });
    prlimit(pid, Resource::Nofile, Rlimit { maximum: before.maximum, ..none }).unwrap();
    let mut waiting = proxy.connect();
    waiting.send(&Draft::form(FORM));
    eventually("three attempts", || {
        (proxy.log.count(|line| line.contains("cannot accept connections, trying again")) >= 3).then_some(())
    });
    prlimit(pid, Resource::Nofile, before).unwrap();
    waiting.answer().expect(200);
    let warnings = proxy.log.count(|line| line.contains("cannot accept connections"));
    assert!(warnings < 200, "{warnings}: it pauses between attempts");
}
