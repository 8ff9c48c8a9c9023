//! Answers that are passed on: any status, unchanged, without what belongs to the connection behind us.

use crate::harness::{After, CREATE, Draft, Ending, Endpoint, FORM, Setup, endpoint};

#[test]
fn any_status_is_passed_on_with_its_body_and_sent_once() {
    for (status, outcome) in [
        ("200 OK", "answered_2xx"),
        ("302 Found", "answered_3xx"),
        ("403 Forbidden", "answered_4xx"),
        ("500 Internal Server Error", "answered_5xx"),
        ("503 Service Unavailable", "answered_5xx"),
        ("599 Whatever", "answered_5xx"),
    ] {
        let body = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>";
        let endpoint = Endpoint::saying(&endpoint::answer(status, body), After::KeepOpen);
        let proxy = Setup::to(&endpoint).start();
        for form in [FORM, CREATE] {
            let answer = proxy.post(form);
            assert_eq!((answer.status.to_string().as_str(), answer.text().as_str()), (&status[..3], body));
            assert_eq!(answer.head.field("content-type"), Some("text/xml"));
            assert_eq!(answer.head.field("x-proxy-sent"), None, "it is not our answer");
            assert_eq!(proxy.log.exchange(&answer.request_id())["outcome"], outcome);
        }
        assert_eq!(endpoint.requests().len(), 2);
    }
}

#[test]
fn a_redirect_is_passed_on_and_not_followed() {
    let elsewhere = Endpoint::obliging();
    let redirect =
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
    let endpoint = Endpoint::saying(redirect.as_bytes(), After::KeepOpen);
    let proxy = Setup::to(&endpoint).start();
    let answer = proxy.post(FORM).expect(307);
    assert_eq!(answer.head.field("location"), Some(elsewhere.url().as_str()));
    assert_eq!((endpoint.requests().len(), elsewhere.connections()), (1, 0));
}

#[test]
fn fields_of_the_connection_and_leave_for_web_pages_are_dropped_and_the_rest_is_kept() {
    let endpoint = Endpoint::saying(
        b"HTTP/1.1 200 A Reason of Its Own\r\n\
          Content-Length: 2\r\nContent-Type: text/xml\r\nx-amzn-RequestId: r\r\n\
          Connection: keep-alive, X-Hop\r\nConnection: x-other-hop\r\nX-Hop: 1\r\nX-Other-Hop: 1\r\n\
          Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\
          Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\
          X-Proxy-Sent: no\r\nProxy-Status: forged\r\nCountersign-Request-Id: forged\r\nAlt-Svc: h3=\":443\"\r\n\
          Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Twice: 1\r\nX-Twice: 2\r\nRetry-After: 7\r\n\r\nok",
        After::KeepOpen,
    );
    let proxy = Setup::to(&endpoint).start();
    let answer = proxy.post(FORM).expect(200);
    let names = answer.head.names();
    let expected = [
        "content-length",
        "content-type",
        "countersign-request-id",
        "date",
        "retry-after",
        "set-cookie",
        "set-cookie",
        "x-amzn-requestid",
        "x-twice",
        "x-twice",
    ];
    assert_eq!(names, expected);
    assert_eq!(answer.head.all("x-twice"), ["1", "2"]);
    assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.head.field("retry-after"), Some("7"));
    assert_eq!(answer.request_id().len(), 36);
    assert_eq!(answer.head.first_line, "HTTP/1.1 200 OK", "the endpoint's reason phrase is not passed on");
}

#[test]
fn informational_answers_are_skipped() {
    let endpoint = Endpoint::saying(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
          HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal",
        After::KeepOpen,
    );
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send(&Draft::form(FORM));
        let head = client.wire.head().unwrap().unwrap();
        assert_eq!(head.first_line, "HTTP/1.1 200 OK");
        assert_eq!(head.field("link"), None);
        let mut body = Vec::new();
        assert_eq!(client.body(&head, &mut |piece| body.extend_from_slice(piece)), Ending::Whole);
        assert_eq!(body, b"final");
    }
    assert_eq!(endpoint.connections(), 1);
}

#[test]
fn a_flood_of_informational_answers_is_no_answer() {
    let answer = |informational: usize| {
        let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(informational);
        let endpoint = Endpoint::saying(
            &[&hints[..], b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal"].concat(),
            After::KeepOpen,
        );
        let proxy = Setup::to(&endpoint).start();
        let answer = proxy.post(FORM);
        if answer.status != 200 {
            proxy.assert_own(&answer, 502, "ProxyOutcomeUnknown", "yes");
        }
        answer.status
    };
    assert_eq!((answer(20), answer(21), answer(2000)), (200, 502, 502));
}

#[test]
fn an_answer_without_a_body_has_none() {
    let endpoint = Endpoint::saying(b"HTTP/1.1 204 No Content\r\n\r\n", After::KeepOpen);
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM));
    let head = client.answer_head();
    assert!(head.first_line.starts_with("HTTP/1.1 204 "), "{head:?}");
    assert_eq!((head.field("content-length"), head.field("transfer-encoding")), (None, None));
}

#[test]
fn an_endpoint_that_codes_its_answer_beyond_chunked_gets_nothing_of_it_relayed() {
    const CODINGS: [&str; 9] = [
        "gzip, chunked",
        "gzip",
        "identity",
        "chunked, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked, gzip",
        "x-foo",
        "aws-chunked",
        "",
    ];
    let endpoint = Endpoint::scripted(|exchange| {
        let number: usize = exchange.request.parameter("JobId").parse().unwrap();
        let coding = CODINGS.get(number).copied().unwrap_or("Chunked");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: aws-chunked\r\nTransfer-Encoding: {coding}\r\n\r\n");
        exchange.write(format!("{head}6\r\nmarker\r\n0\r\n\r\n").as_bytes());
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).start();
    for number in 0..CODINGS.len() {
        for (action, status) in [("GetStatus", 502), ("CreateJob", 409)] {
            let answer = proxy.post(&format!("Action={action}&JobId={number}"));
            proxy.assert_own(&answer, status, "ProxyOutcomeUnknown", "yes");
            assert!(answer.element("Message").contains("Transfer-Encoding other than one `chunked`"), "{number}");
            assert!(!answer.text().contains("marker"));
            assert_eq!(answer.head.field("content-encoding"), None);
        }
    }
    assert_eq!(endpoint.requests().len(), 2 * CODINGS.len(), "sent once each");
    let answer = proxy.post(&format!("Action=GetStatus&JobId={}", CODINGS.len())).expect(200);
    assert_eq!(answer.text(), "marker");
    assert_eq!(answer.head.field("content-encoding"), Some("aws-chunked"), "it is the content's, whatever it means");
}

#[test]
fn a_field_of_the_endpoint_that_imitates_one_of_the_framing_or_of_ours_is_not_relayed() {
    let endpoint = Endpoint::saying(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer_Encoding: gzip\r\nCONTENT_LENGTH: 7\r\n\
          Transfer.Encoding: chunked\r\nX_Proxy_Sent: no\r\nCountersign_Request_Id: forged\r\n\
          Access_Control_Allow_Origin: *\r\nX_Kept: 1\r\n\r\nok",
        After::KeepOpen,
    );
    let answer = Setup::to(&endpoint).start().post(FORM).expect(200);
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.head.names(), ["content-length", "countersign-request-id", "date", "x_kept"]);
}

/// What an endpoint does that has answered before it has read all of a request.
#[derive(Clone, Copy, Debug)]
enum Early {
    /// FIN, and reads the rest.
    Closes,
    /// Closes with the rest unread, which sends a RST.
    Resets,
    /// Keeps the connection open and reads nothing more.
    StandsStill,
}

/// Answers the first request on every connection after its first bytes. Gives the URL, and tells of every connection.
fn hasty(early: Early) -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (connected, connections) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let mut standing = Vec::new();
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            connected.send(()).unwrap();
            socket.read_exact(&mut [0; 16]).unwrap();
            socket.write_all(&endpoint::answer("413 Too Large", "early")).unwrap();
            match early {
                Early::Closes => {
                    socket.shutdown(std::net::Shutdown::Write).unwrap();
                    let _rest = socket.read_to_end(&mut Vec::new());
                }
                Early::Resets => drop(socket),
                Early::StandsStill => standing.push(socket),
            }
        }
    });
    (url, connections)
}

#[test]
fn an_early_answer_is_passed_on_and_its_connection_not_used_again() {
    // more than the kernel takes for a reader that reads nothing
    let long = format!("{FORM}&fill={}", "x".repeat(12 << 20));
    for early in [Early::Closes, Early::Resets, Early::StandsStill] {
        let (url, connections) = hasty(early);
        let proxy = Setup::to_url(&url).route(r#"limits.body = "16 MiB""#).start();
        let mut client = proxy.connect();
        for _ in 0..10 {
            let answer = client.call(&Draft::form(&long));
            assert_eq!(answer.expect(413).text(), "early", "{early:?}");
        }
        assert_eq!(connections.try_iter().count(), 10, "{early:?}");
    }
}
