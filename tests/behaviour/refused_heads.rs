//! Requests refused by their head: each with its status, code and dialect, nothing sent, the connection closed.

use crate::harness::proxy::closes;
use crate::harness::{Client, Draft, Endpoint, FORM, Proxy, Setup};

/// A proxy with its endpoint, to which nothing may have been sent in the end but what `Fixture::finish` sends.
struct Fixture {
    endpoint: Endpoint,
    proxy: Proxy,
}

impl Fixture {
    fn new() -> Self {
        let endpoint = Endpoint::obliging();
        let proxy = Setup::to(&endpoint).start();
        Self { endpoint, proxy }
    }

    /// Sends `draft`, with a good request right behind it on the same connection.
    #[track_caller]
    fn refused(&self, draft: &Draft, status: u16, code: &str) {
        let mut client = self.proxy.connect();
        let authority = self.proxy.address.to_string();
        client.write(&[draft.bytes(&authority), Draft::form(FORM).bytes(&authority)].concat());
        let answer = client.answer();
        self.proxy.assert_own(&answer, status, code, "no");
        assert!(closes(&answer.head), "{:?}", answer.head);
        assert_eq!(answer.head.field("allow"), (status == 405).then_some("POST"));
        assert_eq!(client.until_closed(), b"", "what lies behind a refused request is no request");
    }

    /// Raw bytes that are no request by HTTP's own rules: answered like every other refusal, logged at `level`, and
    /// closed.
    #[track_caller]
    fn malformed(&self, bytes: &[u8], status: u16, level: &str) {
        let mut client = self.proxy.connect();
        client.write(&[bytes, &Draft::form(FORM).bytes(&self.proxy.address.to_string())].concat());
        let answer = client.answer();
        let code = match status {
            405 => "ProxyMethodNotAllowed",
            431 => "ProxyRequestTooLarge",
            _ => "ProxyMalformedRequest",
        };
        assert_eq!(answer.status, status, "to {}", String::from_utf8_lossy(bytes));
        self.proxy.assert_own(&answer, status, code, "no");
        assert!(closes(&answer.head), "{:?}", answer.head);
        assert_eq!(client.until_closed(), b"");
        let line = self.proxy.log.exchange(answer.head.field("countersign-request-id").unwrap());
        assert_eq!((line["level"].as_str(), line["outcome"].as_str()), (Some(level), Some("refused")), "{line}");
    }

    /// One good request, which must be all that the endpoint ever saw.
    #[track_caller]
    fn finish(self) {
        self.proxy.post(FORM).expect(200);
        assert_eq!((self.endpoint.connections(), self.endpoint.requests().len()), (1, 1));
    }
}

fn form() -> Draft {
    Draft::form(FORM)
}

#[test]
fn a_path_that_no_route_claims_is_not_found() {
    let fixture = Fixture::new();
    for path in ["/unknown", "//", "/%2e", "/..", "/livez", "/metrics"] {
        fixture.refused(&form().path(path), 404, "ProxyRouteNotFound");
    }
    fixture.finish();
}

#[test]
fn a_request_for_no_route_is_told_what_it_named_and_the_log_which_routes_there_are() {
    let fixture = Fixture::new();
    let answer = fixture.proxy.call(&form().path("/123456789012/queue"));
    fixture.proxy.assert_own(&answer, 404, "ProxyRouteNotFound", "no");
    let message = answer.element("Message");
    let authority = fixture.proxy.address.to_string();
    assert!(message.contains(&authority) && message.contains("/123456789012/queue"), "{message}");
    assert!(message.contains("such as queue URLs, are not supported") && !message.contains("serves"), "{message}");
    let line = fixture.proxy.log.exchange(answer.head.field("countersign-request-id").unwrap());
    assert!(line["error"].as_str().unwrap().contains("this listener serves importexport at /"), "{line}");
    fixture.finish();
}

#[test]
fn who_takes_countersign_for_a_forward_proxy_is_told_to_set_the_endpoint_url() {
    let fixture = Fixture::new();
    for (line, status) in [
        ("CONNECT sdb.amazonaws.com:443 HTTP/1.1", 405),
        ("POST http://sdb.amazonaws.com/ HTTP/1.1", 403),
        ("GET http://sdb.amazonaws.com/ HTTP/1.1", 403),
    ] {
        let answer = fixture.proxy.call(&form().line(line)).expect(status);
        let message = answer.element("Message");
        assert!(message.contains("not a forward proxy: set the SDK"), "{line}: {message}");
    }
    fixture.finish();
}

#[test]
fn every_method_but_post_is_refused() {
    let fixture = Fixture::new();
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "post", "POSTX"] {
        fixture.refused(&form().line(&format!("{method} / HTTP/1.1")), 405, "ProxyMethodNotAllowed");
    }
    fixture.refused(&form().line("CONNECT example.com:443 HTTP/1.1"), 405, "ProxyMethodNotAllowed");
    fixture.finish();
}

#[test]
fn what_is_not_a_form_in_utf8_is_refused() {
    let fixture = Fixture::new();
    let unsupported = |draft: &Draft| fixture.refused(draft, 415, "ProxyUnsupportedMediaType");
    for media_type in [
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded, text/plain",
    ] {
        unsupported(&form().instead("Content-Type", media_type));
    }
    unsupported(&form().without("Content-Type"));
    unsupported(&form().field("Content-Type", "text/plain"));
    let json = fixture.proxy.call(&form().instead("Content-Type", "application/x-amz-json-1.0"));
    assert!(json.element("Message").contains("application/x-amz-json-1.0"), "{}", json.text());
    for coding in ["gzip", "identity, gzip", "br"] {
        unsupported(&form().field("Content-Encoding", coding));
    }
    fixture.finish();
}

#[test]
fn a_form_is_taken_in_every_charset_in_which_it_means_the_same() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let call = |charset: &str, form: &str| {
        let media_type = format!("application/x-www-form-urlencoded{charset}");
        proxy.call(&Draft::form(form).instead("Content-Type", &media_type).field("Content-Encoding", "identity"))
    };
    let accents = format!("{FORM}&Note=%C3%A9");
    for charset in [";", "; charset=utf8", ";charset=\"Utf-8\";", "; CHARSET=UTF8 ; "] {
        call(charset, &accents).expect(200);
    }
    for charset in ["; charset=ISO-8859-1", ";charset=us-ascii", ";charset='windows-1252'"] {
        call(charset, FORM).expect(200);
        let answer = call(charset, &accents);
        proxy.assert_own(&answer, 400, "MalformedQueryString", "no");
        assert!(answer.element("Message").contains("say charset=utf-8"), "{}", answer.text());
    }
    assert_eq!(endpoint.requests().len(), 7);
}

#[test]
fn a_web_page_is_refused_and_gets_no_leave_to_read_the_answer() {
    let fixture = Fixture::new();
    for (name, value) in [
        ("Origin", "https://attacker.example"),
        ("Origin", "null"),
        ("Origin", ""),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-origin"),
    ] {
        fixture.refused(&form().field(name, value), 403, "AccessDenied");
    }
    let preflight = Draft::form("")
        .line("OPTIONS / HTTP/1.1")
        .field("Origin", "https://attacker.example")
        .field("Access-Control-Request-Method", "POST");
    let answer = fixture.proxy.call(&preflight);
    fixture.proxy.assert_own(&answer, 403, "AccessDenied", "no");
    assert!(answer.head.names().iter().all(|name| !name.starts_with("access-control-")), "{:?}", answer.head);
    fixture.finish();
}

#[test]
fn a_host_that_is_not_ours_is_refused() {
    let fixture = Fixture::new();
    let port = fixture.proxy.address.port();
    for host in [
        "attacker.example".to_owned(),
        format!("attacker.example:{port}"),
        "127.1".to_owned(),
        "localhost:".to_owned(),
        "localhost.attacker.example".to_owned(),
        "importexport.amazonaws.com".to_owned(),
        format!("user@127.0.0.1:{port}"),
        format!("127.0.0.1:{port}, attacker.example"),
    ] {
        fixture.refused(&form().instead("Host", &host), 403, "AccessDenied");
    }
    let answer = fixture.proxy.call(&form().instead("Host", "attacker.example:1"));
    assert!(answer.element("Message").contains("attacker.example:1"), "{}", answer.text());
    fixture.proxy.call(&form().instead("Host", &format!("LOCALHOST:{port}"))).expect(200);
    assert_eq!(fixture.endpoint.requests().len(), 1);
}

#[test]
fn loopback_names_pass_with_any_port_and_others_as_they_are_configured() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).listener(r#"hosts = ["signer.internal:9000", "mapped.internal:*"]"#).start();
    let own = [
        "localhost",
        "localhost.",
        "localhost:9",
        "127.0.0.1",
        "127.0.0.1.:1",
        "[::1]:80",
        "signer.internal:9000",
        "mapped.internal",
        "mapped.internal:65535",
    ];
    for host in own {
        proxy.call(&form().instead("Host", host)).expect(200);
    }
    for host in ["signer.internal", "signer.internal:9001", "mapped.internal.", "mapped.internal:x", "x.localhost"] {
        proxy.assert_own(&proxy.call(&form().instead("Host", host)), 403, "AccessDenied", "no");
    }
    assert_eq!(endpoint.requests().len(), own.len());
}

#[test]
fn a_request_has_exactly_one_host_and_names_a_path() {
    let fixture = Fixture::new();
    let authority = fixture.proxy.address.to_string();
    fixture.refused(&form().field("Host", ""), 400, "ProxyMalformedRequest");
    let twice = form().field("Host", &authority).field("Host", &authority);
    fixture.refused(&twice, 400, "ProxyMalformedRequest");
    for fields in [&[""][..], &[&authority, &authority]] {
        let absolute = form().line(&format!("POST http://{authority}/ HTTP/1.1"));
        let draft = fields.iter().fold(absolute, |draft, host| draft.field("Host", host));
        fixture.refused(&draft, 400, "ProxyMalformedRequest");
    }
    fixture.refused(&form().path("/?Action=ListJobs"), 400, "InvalidQueryParameter");
    fixture.refused(&form().path("/?"), 400, "InvalidQueryParameter");
    fixture.finish();
}

#[test]
fn the_authority_of_a_target_in_absolute_form_takes_the_place_of_the_host() {
    let fixture = Fixture::new();
    let authority = fixture.proxy.address.to_string();
    for target in [format!("http://{authority}/"), format!("HTTPS://{authority}"), format!("hTTp://{authority}/")] {
        fixture.proxy.call(&form().line(&format!("POST {target} HTTP/1.1"))).expect(200);
    }
    let other_host = form().instead("Host", "example.com");
    fixture.proxy.call(&other_host.line(&format!("POST http://{authority}/ HTTP/1.1"))).expect(200);
    assert_eq!(fixture.endpoint.requests().len(), 4);
    fixture.refused(&form().line("POST http://example.com/ HTTP/1.1"), 403, "AccessDenied");
    fixture.refused(&form().line(&format!("POST http://{authority}/?a=b HTTP/1.1")), 400, "InvalidQueryParameter");
    fixture.refused(&form().line(&format!("POST http://{authority}/x HTTP/1.1")), 404, "ProxyRouteNotFound");
    fixture.refused(&form().line(&format!("POST http://user@{authority}/ HTTP/1.1")), 400, "ProxyMalformedRequest");
}

#[test]
fn a_transfer_coding_other_than_chunked_is_refused() {
    let fixture = Fixture::new();
    let chunked = || Draft::form("").unframed().body(b"3\r\na=b\r\n0\r\n\r\n");
    for coding in ["gzip, chunked", "chunked, chunked", "\"\", chunked"] {
        fixture.refused(&chunked().field("Transfer-Encoding", coding), 501, "ProxyMalformedRequest");
    }
    let twice = chunked().field("Transfer-Encoding", "chunked").field("Transfer-Encoding", "chunked");
    fixture.refused(&twice, 501, "ProxyMalformedRequest");
    for imitation in ["Transfer_Encoding", "Transfer--Encoding", "Content_Length", "ContentLength"] {
        fixture.refused(&form().field(imitation, "chunked"), 400, "ProxyMalformedRequest");
    }
    fixture.finish();
}

#[test]
fn an_expectation_that_nobody_defined_is_refused_and_none_is_met_for_a_refused_head() {
    let fixture = Fixture::new();
    fixture.refused(&form().field("Expect", "magic"), 417, "ProxyExpectationFailed");
    let mut client = fixture.proxy.connect();
    client.send(&form().path("/unknown").field("Expect", "100-continue"));
    let first = client.wire.head().unwrap().unwrap();
    assert!(first.first_line.starts_with("HTTP/1.1 404 "), "no 100 before it: {}", first.first_line);
    fixture.finish();
}

#[test]
fn framing_that_two_parsers_could_read_differently_is_refused() {
    let fixture = Fixture::new();
    let host = fixture.proxy.address;
    let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    for (fields, body) in [
        ("Content-Length: 3\r\nContent-Length: 4\r\n", "a=bc"),
        ("Content-Length: +3\r\n", "a=b"),
        ("Content-Length: 0x3\r\n", "a=b"),
        ("Content-Length: 99999999999999999999\r\n", "a=b"),
        ("Content-Length: 3, 4\r\n", "a=bc"),
        ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: identity\r\n", "a=b"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("X-Folded: a\r\n b\r\nContent-Length: 3\r\n", "a=b"),
        ("Content-Length : 3\r\n", "a=b"),
        ("X-Nul: a\0b\r\nContent-Length: 3\r\n", "a=b"),
    ] {
        let coding = fields.starts_with("Transfer-Encoding:");
        let level = if fields.starts_with("Content-Length:") && fields.lines().count() == 1 { "INFO" } else { "WARN" };
        fixture.malformed(format!("{head}{fields}\r\n{body}").as_bytes(), if coding { 501 } else { 400 }, level);
    }
    fixture.finish();
}

#[test]
fn another_protocol_on_the_port_is_answered_and_logged_at_once() {
    let fixture = Fixture::new();
    // a client of TLS says no more before it is answered: its head will never be complete
    let mut client = fixture.proxy.connect();
    client.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    fixture.proxy.assert_own(&client.answer(), 400, "ProxyMalformedRequest", "no");
    assert_eq!(client.until_closed(), b"");
    fixture.malformed(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n\r\n", 400, "WARN");
    fixture.malformed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "WARN");
    fixture.malformed(b"POST / HTTP/2.0\r\n\r\n", 505, "INFO");
    fixture.malformed(b"POST /\r\n\r\n", 400, "INFO");
    fixture.finish();
}

#[test]
fn a_line_that_ends_in_a_bare_line_feed_is_refused() {
    let fixture = Fixture::new();
    let good = String::from_utf8(form().bytes(&fixture.proxy.address.to_string())).unwrap();
    let (head, body) = good.split_once("\r\n\r\n").unwrap();
    for line in 0..head.lines().count() {
        let mut lines: Vec<String> = head.lines().map(|line| format!("{line}\r\n")).collect();
        lines[line] = lines[line].replace("\r\n", "\n");
        fixture.malformed(format!("{}\r\n{body}", lines.concat()).as_bytes(), 400, "WARN");
    }
    fixture.malformed(format!("{head}\r\n\n{body}").as_bytes(), 400, "WARN");
    fixture.malformed(format!("{head}\r\nX: a\nY: b\r\n\r\n{body}").as_bytes(), 400, "WARN");
    fixture.malformed(format!("{head}\r\nX: a\rY: b\r\n\r\n{body}").as_bytes(), 400, "WARN");
    fixture.finish();
}

#[test]
fn a_path_with_what_must_be_escaped_is_refused_and_not_cut_short() {
    let fixture = Fixture::new();
    for path in ["/#x", "/#", "/a#b", "/<x>", "/\"x", "/\\x", "/^", "/{x}", "/a|b"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", fixture.proxy.address);
        fixture.malformed(head.as_bytes(), 400, "INFO");
    }
    fixture.finish();
}

#[test]
fn what_is_refused_before_its_route_is_known_is_counted_by_its_listener() {
    let fixture = Fixture::new();
    fixture.malformed(b"POST /#x HTTP/1.1\r\n\r\n", 400, "INFO");
    fixture.refused(&form().path("/unknown"), 404, "ProxyRouteNotFound");
    fixture.refused(&form().path("/unknown"), 404, "ProxyRouteNotFound");
    for (code, count) in [("ProxyMalformedRequest", 1), ("ProxyRouteNotFound", 2)] {
        let metric = format!(r#"countersign_unrouted_total{{listener="local",code="{code}"}}"#);
        crate::harness::eventually(code, || (fixture.proxy.metric(&metric) as u32 == count).then_some(()));
    }
    fixture.finish();
}

#[test]
fn a_bad_head_behind_a_good_request_is_refused_in_its_turn() {
    let fixture = Fixture::new();
    let authority = fixture.proxy.address.to_string();
    let mut client = fixture.proxy.connect();
    client.write(&[form().bytes(&authority), form().path("/#x").bytes(&authority), form().bytes(&authority)].concat());
    client.answer().expect(200);
    fixture.proxy.assert_own(&client.answer(), 400, "ProxyMalformedRequest", "no");
    assert_eq!(client.until_closed(), b"");
    assert_eq!(fixture.endpoint.requests().len(), 1);
}

#[test]
fn usual_and_unusual_requests_are_answered_in_their_turn_however_they_are_cut() {
    let fixture = Fixture::new();
    let authority = fixture.proxy.address.to_string();
    let usual = form().bytes(&authority);
    let large = Draft::form(&format!("{FORM}&A={}", "x".repeat(100_000))).bytes(&authority);
    let chunks = format!("{:x}\r\n{FORM}\r\n0\r\n\r\n", FORM.len());
    let chunked = Draft::form("").unframed().body(chunks.as_bytes()).field("Transfer-Encoding", "chunked");
    let long_head = form().field("X-Long", &"x".repeat(9000)).bytes(&authority);
    let all = [&usual[..], &large, &long_head, &usual, &chunked.bytes(&authority), &long_head, &large].concat();
    for piece in [1000, 4096, 70_000, all.len()] {
        let mut client = fixture.proxy.connect();
        for piece in all.chunks(piece) {
            client.write(piece);
        }
        for _ in 0..7 {
            client.answer().expect(200);
        }
    }
    let lengths = fixture.endpoint.requests().iter().filter(|request| request.body.len() > 100_000).count();
    assert_eq!((fixture.endpoint.requests().len(), lengths), (28, 8));
}

#[test]
fn http_2_is_not_spoken() {
    let fixture = Fixture::new();
    fixture.malformed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "WARN");
    // nor is it switched to: the answer is HTTP/1.1, and what lies behind is the next request
    let draft =
        form().field("Connection", "Upgrade, HTTP2-Settings").field("Upgrade", "h2c").field("HTTP2-Settings", "AAMA");
    let mut client = fixture.proxy.connect();
    for _ in 0..2 {
        client.send(&draft);
        let head = client.wire.head().unwrap().unwrap();
        assert_eq!((head.first_line.as_str(), head.field("upgrade")), ("HTTP/1.1 200 OK", None));
        client.body(&head, &mut |_| ());
    }
    assert!(fixture.endpoint.requests().iter().all(|request| request.head.field("upgrade").is_none()));
}

#[test]
fn a_request_with_both_framings_is_refused_and_is_the_last_on_its_connection() {
    let fixture = Fixture::new();
    let authority = fixture.proxy.address.to_string();
    let chunks = format!("{:x}\r\n{FORM}\r\n0\r\n\r\n", FORM.len());
    let both = Draft::form("").unframed().body(chunks.as_bytes());
    let both = both.field("Content-Length", "3").field("Transfer-Encoding", "chunked");
    fixture.malformed(&both.bytes(&authority), 400, "WARN");
    fixture.finish();
}

#[test]
fn a_head_beyond_16_kib_or_64_fields_is_refused() {
    let fixture = Fixture::new();
    let authority = fixture.proxy.address.to_string();
    fixture.malformed(&form().field("X-Long", &"x".repeat(20_000)).bytes(&authority), 431, "INFO");
    let many = (0..100).fold(form(), |draft, n| draft.field(&format!("X-{n}"), "x"));
    fixture.malformed(&many.bytes(&authority), 431, "INFO");
    fixture.finish();
}

#[test]
fn a_head_that_does_not_end_is_given_up() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).listener(r#"limits.head_timeout = "200ms""#).start();
    let mut client = proxy.connect();
    client.write(b"POST / HTTP/1.1\r\nHost: ");
    let answer = client.answer();
    proxy.assert_own(&answer, 408, "RequestTimeout", "no");
    assert!(closes(&answer.head), "{:?}", answer.head);
    assert_eq!(client.until_closed(), b"");
    let mut silent = proxy.connect();
    assert_eq!(silent.until_closed(), b"");
}

#[test]
fn refusals_speak_ec2_where_the_route_does() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(r#"profile.errors = "ec2""#).start();
    let answer = proxy.call(&form().line("GET / HTTP/1.1"));
    proxy.assert_own(&answer, 405, "ProxyMethodNotAllowed", "no");
    assert!(answer.text().contains("<Response><Errors><Error><Code>"), "{}", answer.text());
    let answer = proxy.post("Version=1");
    proxy.assert_own(&answer, 400, "MissingAction", "no");
    assert!(answer.text().contains("<RequestID>"), "{}", answer.text());
    let query = Setup::to(&endpoint).start();
    let answer = query.post("Version=1");
    assert!(answer.text().contains("<ErrorResponse>") && answer.text().contains("<Type>Sender</Type>"), "{answer:?}");
}

#[test]
fn a_request_that_comes_back_to_us_is_a_loop() {
    let fixture = Fixture::new();
    fixture.refused(&form().field("Via", "1.0 fred, 1.1 countersign"), 508, "ProxyLoopDetected");
    fixture.finish();

    // an endpoint that hands everything back to the listener it came from
    let back = std::sync::Arc::new(std::sync::OnceLock::new());
    let ours = std::sync::Arc::clone(&back);
    let relay = Endpoint::scripted(move |exchange| {
        let request = exchange.request;
        let fields: String = request.head.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut client = Client::connect(*ours.get().unwrap());
        client.write(&[format!("{}\r\n{fields}\r\n", request.head.first_line).as_bytes(), &request.body].concat());
        let mut answer = format!("{}\r\n", "HTTP/1.1 508 Loop Detected").into_bytes();
        let inner = client.answer();
        answer.extend_from_slice(format!("Content-Length: {}\r\n\r\n{}", inner.body.len(), inner.text()).as_bytes());
        assert_eq!(inner.status, 508);
        exchange.write(&answer);
        crate::harness::After::Close
    });
    let proxy = Setup::to(&relay).listener(&format!("hosts = [\"{}\"]", relay.address)).start();
    back.set(proxy.address).unwrap();
    let answer = proxy.post(FORM).expect(508);
    assert_eq!(answer.element("Code"), "ProxyLoopDetected");
    assert_eq!(relay.requests().len(), 1);
}
