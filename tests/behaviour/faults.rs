//! Endpoints that give no usable answer: what the client is told, by whether the request may have been carried out.

use std::net::SocketAddr;

use crate::harness::{After, CREATE, Draft, Endpoint, FORM, Setup, endpoint};

/// What an endpoint does after it has received a request.
type Deed = fn(&mut crate::harness::Exchange<'_>) -> After;

/// How often an Action that only reads is sent to an endpoint with this fault.
#[derive(Clone, Copy, PartialEq)]
enum Sends {
    Once,
    /// When an answer could still be in time, and the next attempt may well end otherwise.
    OnceMore,
}

/// A fault after sending: the status for GetStatus; CreateJob gets 409 each time, and is never sent again.
#[track_caller]
fn unknown(status: u16, sends: Sends, deed: Deed) {
    let endpoint = Endpoint::scripted(move |exchange| {
        if exchange.request.parameter("Action") == "ListJobs" {
            exchange.write(&endpoint::answer("200 OK", "all is well"));
            return After::KeepOpen;
        }
        deed(exchange)
    });
    let proxy = Setup::to(&endpoint).route(r#"timeouts.first_byte = "3s""#).start();
    let mut client = proxy.connect();
    let safe = client.call(&Draft::form(FORM));
    proxy.assert_own(&safe, status, "ProxyOutcomeUnknown", "yes");
    let unsafe_to_repeat = client.call(&Draft::form(CREATE));
    proxy.assert_own(&unsafe_to_repeat, 409, "ProxyOutcomeUnknown", "yes");
    assert!(unsafe_to_repeat.element("Message").contains("may have been carried out"));
    for answer in [&safe, &unsafe_to_repeat] {
        assert_eq!(proxy.log.exchange(&answer.request_id())["outcome"], "unknown");
        assert_eq!(answer.element("Type"), "Receiver");
    }
    let seen: Vec<String> = endpoint.requests().iter().map(|request| request.parameter("Action")).collect();
    match sends {
        Sends::Once => assert_eq!(seen, ["GetStatus", "CreateJob"]),
        Sends::OnceMore => assert_eq!(seen, ["GetStatus", "GetStatus", "CreateJob"]),
    }
    let repeats = proxy.log.exchange(&safe.request_id())["attempts"].as_u64();
    assert_eq!(repeats, (sends == Sends::OnceMore).then_some(2));
    assert_eq!(endpoint.connections(), seen.len(), "a connection in doubt is not used again");
    assert_eq!(client.call(&Draft::form("Action=ListJobs")).expect(200).text(), "all is well");
}

#[track_caller]
fn unreachable(setup: Setup) {
    let proxy = setup.start();
    for form in [FORM, CREATE] {
        let answer = proxy.post(form);
        proxy.assert_own(&answer, 502, "ProxyUpstreamUnreachable", "no");
        assert!(answer.element("Message").ends_with("the request was not sent"), "{}", answer.text());
        assert_eq!(proxy.log.exchange(&answer.request_id())["outcome"], "unavailable");
    }
}

#[test]
fn an_endpoint_that_refuses_connections_was_not_sent_anything() {
    // bound and not listening: nobody else can get this port, and nobody answers on it
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = held.local_addr().unwrap().as_socket().unwrap().port();
    unreachable(Setup::to_url(&format!("http://127.0.0.1:{port}/")));
}

#[test]
fn an_endpoint_whose_name_does_not_resolve_was_not_sent_anything() {
    let authority = countersign::sandbox::Authority::generate(countersign::clock::now()).unwrap();
    let setup = Setup::to_url("https://countersign.invalid/").trusting(authority.pem());
    unreachable(setup.route(r#"timeouts.connect = "60s""#));
}

#[test]
fn an_endpoint_that_accepts_and_never_speaks_tls_is_given_up_in_time() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", mute.local_addr().unwrap());
    let authority = countersign::sandbox::Authority::generate(countersign::clock::now()).unwrap();
    let proxy = Setup::to_url(&url).trusting(authority.pem()).route(r#"timeouts.connect = "200ms""#).start();
    let answer = proxy.post(CREATE);
    proxy.assert_own(&answer, 504, "ProxyUpstreamUnreachable", "no");
}

#[test]
fn silence_is_an_unknown_outcome() {
    unknown(504, Sends::Once, |exchange| {
        exchange.is_left();
        After::Close
    });
}

#[test]
fn silence_in_the_middle_of_the_head_is_an_unknown_outcome() {
    unknown(504, Sends::Once, |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Le");
        exchange.is_left();
        After::Close
    });
}

#[test]
fn a_head_that_drips_has_one_deadline_for_all_of_it() {
    unknown(504, Sends::Once, |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nX-Drip: ");
        while exchange.try_write(b"x").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(20)); // the drip itself
        }
        After::Close
    });
}

#[test]
fn a_connection_closed_or_reset_before_the_answer_is_an_unknown_outcome() {
    unknown(502, Sends::OnceMore, |_| After::Close);
    unknown(502, Sends::OnceMore, |_| After::Reset);
}

#[test]
fn a_connection_closed_or_reset_in_the_head_is_an_unknown_outcome() {
    unknown(502, Sends::OnceMore, |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Le");
        After::Close
    });
    unknown(502, Sends::OnceMore, |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Le");
        After::Reset
    });
}

#[test]
fn what_is_sent_again_is_signed_anew() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let endpoint = Endpoint::scripted(move |exchange| {
        if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            // into another millisecond than that of the signature
            let signed = exchange.request.parameter("Timestamp");
            crate::harness::eventually("the next millisecond", || {
                (countersign::signing::RequestTimestamp::at(countersign::clock::now()).as_str() > signed.as_str())
                    .then_some(())
            });
            return After::Close;
        }
        exchange.write(&endpoint::answer("200 OK", "<Done/>"));
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).start();
    let answer = proxy.post(FORM).expect(200);
    assert_eq!(proxy.log.exchange(&answer.request_id())["attempts"], 2);
    assert!((proxy.metric(r#"countersign_repeats_total{route="importexport"}"#) - 1.0).abs() < 0.1);
    let requests = endpoint.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.verify(crate::harness::ID, crate::harness::SECRET, None), Ok(()));
    }
    for name in ["Timestamp", "Signature"] {
        assert_ne!(requests[0].parameter(name), requests[1].parameter(name));
    }
}

#[test]
fn that_a_call_was_sent_is_not_forgotten_when_the_next_attempt_cannot_connect() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::Read as _;
        let (mut socket, _) = listener.accept().unwrap();
        drop(listener); // from here on nobody listens
        let _request = socket.read(&mut [0; 4096]).unwrap();
    });
    let proxy = Setup::to_url(&url).start();
    let answer = proxy.post(FORM);
    proxy.assert_own(&answer, 502, "ProxyOutcomeUnknown", "yes");
}

#[test]
fn an_answer_that_is_no_http_is_an_unknown_outcome() {
    for deed in [
        (|exchange| {
            exchange.write(b"\x15\x03\x03\x00\x02\x02\x46 garbage \r\n\r\n");
            After::Close
        }) as Deed,
        |exchange| {
            exchange.write(b"<html>HTTP/0.9</html>");
            After::Close
        },
        |exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\nContent-Length: 0\r\n\r\n");
            After::Close
        },
        |exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n");
            After::Close
        },
    ] {
        unknown(502, Sends::Once, deed);
    }
}

#[test]
fn a_status_line_of_another_protocol_is_an_unknown_outcome() {
    for deed in [
        (|exchange| {
            exchange.write(b"HTTP/1.1 99 Too Low\r\nContent-Length: 0\r\n\r\n");
            After::KeepOpen
        }) as Deed,
        |exchange| {
            exchange.write(b"HTTP/1.1 twohundred OK\r\nContent-Length: 0\r\n\r\n");
            After::KeepOpen
        },
        |exchange| {
            exchange.write(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
            After::KeepOpen
        },
        |exchange| {
            exchange.write(b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n");
            After::KeepOpen
        },
    ] {
        unknown(502, Sends::Once, deed);
    }
}

#[test]
fn a_length_that_is_no_length_is_an_unknown_outcome() {
    for deed in [
        (|exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
            After::KeepOpen
        }) as Deed,
        |exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok");
            After::KeepOpen
        },
        |exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok");
            After::KeepOpen
        },
        |exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: x\r\n\r\nok");
            After::KeepOpen
        },
    ] {
        unknown(502, Sends::Once, deed);
    }
}

#[test]
fn a_head_of_too_many_fields_is_an_unknown_outcome() {
    unknown(502, Sends::Once, |exchange| {
        let fields = "X-Field: 1\r\n".repeat(200);
        exchange.write(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n").as_bytes());
        After::KeepOpen
    });
}

#[test]
fn a_flood_of_informational_answers_is_an_unknown_outcome() {
    unknown(502, Sends::Once, |exchange| {
        while exchange.try_write(&b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(8)).is_ok() {}
        After::Close
    });
}

#[test]
fn twenty_informational_answers_are_no_flood() {
    let answer = [b"HTTP/1.1 102 Processing\r\n\r\n".repeat(20), endpoint::answer("200 OK", "patient")].concat();
    let endpoint = Endpoint::saying(&answer, After::KeepOpen);
    let proxy = Setup::to(&endpoint).start();
    for _ in 0..3 {
        assert_eq!(proxy.post(CREATE).expect(200).text(), "patient");
    }
    assert_eq!(endpoint.connections(), 1);
}

#[test]
fn an_endless_head_leaves_memory_flat() {
    let endpoint = Endpoint::scripted(|exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\n");
        let filler = b"X-Filler: ....................................\r\n".repeat(64);
        while exchange.try_write(&filler).is_ok() {}
        After::Close
    });
    let proxy = Setup::to(&endpoint).start();
    proxy.post(CREATE);
    let before = proxy.status_kib("VmHWM");
    for _ in 0..50 {
        proxy.assert_own(&proxy.post(CREATE), 409, "ProxyOutcomeUnknown", "yes");
    }
    let grown = proxy.status_kib("VmHWM") - before;
    assert!(grown < 8 * 1024, "{grown} KiB for fifty heads of 64 KiB");
}

#[test]
fn an_answer_with_two_possible_ends_is_an_unknown_outcome() {
    for deed in [
        (|exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc");
            After::KeepOpen
        }) as Deed,
        |exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab");
            After::KeepOpen
        },
        |exchange| {
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab");
            After::KeepOpen
        },
        |exchange| {
            exchange.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            );
            After::KeepOpen
        },
    ] {
        unknown(502, Sends::Once, deed);
    }
}

#[test]
fn an_unasked_switch_of_protocols_is_an_unknown_outcome() {
    unknown(502, Sends::Once, |exchange| {
        exchange.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
        After::KeepOpen
    });
}

#[test]
fn a_status_that_does_not_exist_is_an_unknown_outcome() {
    for deed in [
        (|exchange| {
            exchange.write(b"HTTP/1.1 600 Beyond\r\nContent-Length: 2\r\n\r\nab");
            After::KeepOpen
        }) as Deed,
        |exchange| {
            exchange.write(b"HTTP/1.1 999 Beyond\r\nContent-Length: 2\r\n\r\nab");
            After::KeepOpen
        },
    ] {
        unknown(502, Sends::Once, deed);
    }
}

#[test]
fn an_endless_head_is_an_unknown_outcome_and_does_not_fill_memory() {
    unknown(502, Sends::Once, |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\n");
        while exchange.try_write(&b"X-Filler: ....................................\r\n".repeat(64)).is_ok() {}
        After::Close
    });
}

#[test]
fn an_action_listed_as_safe_is_told_apart_by_pattern_and_by_exact_name() {
    let endpoint = Endpoint::saying(b"", After::Close);
    let proxy = Setup::to(&endpoint).route(r#"safe_to_repeat = ["Select", "Get*"]"#).start();
    for (action, status) in [("Select", 502), ("GetX", 502), ("Get", 502), ("Selects", 409), ("ListJobs", 409)] {
        let answer = proxy.post(&format!("Action={action}"));
        proxy.assert_own(&answer, status, "ProxyOutcomeUnknown", "yes");
    }
}

#[test]
fn a_stalled_endpoint_does_not_hold_up_another() {
    let stalled = Endpoint::silent();
    let quick = Endpoint::saying(&endpoint::answer("200 OK", "quick"), After::KeepOpen);
    let more = format!("[route.quick]\nendpoint = \"{}\"\nkey = \"main\"\npath = \"/quick\"\n", quick.url());
    let proxy = Setup::to(&stalled).more(&more).start();
    let mut waiting = proxy.connect();
    waiting.send(&Draft::form(FORM));
    // the stalled one would take its 30 seconds; all of these come before it
    for _ in 0..20 {
        assert_eq!(proxy.call(&Draft::form(FORM).path("/quick")).expect(200).text(), "quick");
    }
}
