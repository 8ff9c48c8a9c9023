//! Requests refused by their body: too large, too slow, not decodable, ambiguous; nothing is sent.

use crate::harness::proxy::closes;
use crate::harness::{Draft, Endpoint, FORM, Setup};

#[test]
fn a_form_that_can_be_read_in_two_ways_is_refused_and_the_connection_may_go_on() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route("limits.parameters = 20").start();
    let mut client = proxy.connect();
    let many: String = (0..20).map(|n| format!("&p{n}=1")).collect();
    let cases: [(&[u8], &str); 25] = [
        (b"Action=ListJobs&a=%", "MalformedQueryString"),
        (b"Action=ListJobs&a=%4", "MalformedQueryString"),
        (b"Action=ListJobs&a=%zz", "MalformedQueryString"),
        (b"Action=ListJobs&a=%ff", "MalformedQueryString"),
        (b"Action=ListJobs&a=%c0%af", "MalformedQueryString"),
        (b"Action=ListJobs&a=\xff", "MalformedQueryString"),
        (b"Action=ListJobs\n", "MalformedQueryString"),
        (b"Action=ListJobs&a=b\r\n", "MalformedQueryString"),
        (b"Action=ListJobs&\na=b", "MalformedQueryString"),
        (b"Action=ListJobs&Action=CancelJob", "InvalidQueryParameter"),
        (b"Action=ListJobs&%41ction=CancelJob", "InvalidQueryParameter"),
        (b"Action=ListJobs&JobId=a&JobId=a", "InvalidQueryParameter"),
        (b"Action=ListJobs&action=CancelJob", "InvalidQueryParameter"),
        (b"Action=ListJobs&awsaccesskeyid=x", "InvalidQueryParameter"),
        (b"Action=ListJobs&SIGNATURE=x", "InvalidQueryParameter"),
        (b"Action=ListJobs&x-amz-date=x", "InvalidQueryParameter"),
        (b"Action=ListJobs&Signature=a&Signature=b", "InvalidQueryParameter"),
        (b"Action=ListJobs&a%0d%0ab=1", "InvalidQueryParameter"),
        (b"Action=ListJobs&a%00=1", "InvalidQueryParameter"),
        (b"", "MissingAction"),
        (b"Version=2010-06-03", "MissingAction"),
        (b"Action=&Version=1", "MissingAction"),
        (b"Action=List%20Jobs", "InvalidAction"),
        (b"\xef\xbb\xbfAction=ListJobs", "InvalidQueryParameter"),
        (&[b"Action=ListJobs", many.as_bytes()].concat(), "InvalidQueryParameter"),
    ];
    for (form, code) in cases {
        let answer = client.call(&Draft::form("").body(form));
        proxy.assert_own(&answer, 400, code, "no");
        assert!(!closes(&answer.head), "the body was read: {:?}", answer.head);
        assert!(answer.text().contains("<Type>Sender</Type>"), "{}", answer.text());
    }
    client.call(&Draft::form(FORM)).expect(200);
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 1));
}

#[test]
fn messages_name_parameters_and_never_show_values() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let answer = proxy.post("Action=ListJobs&JobId=CONFIDENTIAL&JobId=CONFIDENTIAL2");
    assert!(answer.element("Message").contains("JobId"), "{}", answer.text());
    assert!(!answer.text().contains("CONFIDENTIAL"), "{}", answer.text());
    let answer = proxy.post("Action=ListJobs&JobId=CONFIDENTIAL\n");
    assert!(answer.element("Message").contains("--data-binary"), "{}", answer.text());
    assert!(!answer.text().contains("CONFIDENTIAL"), "{}", answer.text());
    // a name is shown as text, not as markup or a second line of the log
    let answer = proxy.post("Action=ListJobs&%3CScript%3E=1&%3CScript%3E=2");
    assert!(answer.element("Message").contains("&lt;Script&gt;"), "{}", answer.text());
}

#[test]
fn a_body_that_is_too_large_is_refused_from_its_announcement() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(r#"limits.body = "1 KiB""#).start();
    for length in ["1025", "10737418240"] {
        let mut client = proxy.connect();
        client.send(&Draft::form("").unframed().field("Content-Length", length)); // and not a byte of it
        let answer = client.answer();
        proxy.assert_own(&answer, 413, "ProxyRequestTooLarge", "no");
        assert!(closes(&answer.head));
        assert_eq!(client.until_closed(), b"");
    }
    let fits = format!("{FORM}&fill={}", "x".repeat(1024 - FORM.len() - "&fill=".len()));
    proxy.post(&fits).expect(200);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_body_that_grows_too_large_is_refused_while_it_arrives() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(r#"limits.body = "1 KiB""#).start();
    let mut client = proxy.connect();
    client.send(&Draft::form("").unframed().field("Transfer-Encoding", "chunked"));
    client.write(format!("400\r\n{}\r\n1\r\nx\r\n", "x".repeat(1024)).as_bytes()); // no end in sight
    let answer = client.answer();
    proxy.assert_own(&answer, 413, "ProxyRequestTooLarge", "no");
    assert!(closes(&answer.head));
    assert_eq!(client.until_closed(), b"");
    assert_eq!(endpoint.connections(), 0);
}

#[test]
fn a_chunk_that_announces_more_than_the_limit_leaves_is_refused_from_its_announcement() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint)
        .route(r#"limits.body = "1 KiB""#)
        .listener("limits.body_timeout = \"10m\"\nlimits.rate_grace = \"10m\"")
        .start();
    let behind = format!("200\r\n{}\r\n201\r\n", "x".repeat(512));
    for announced in ["401\r\n", "ffffffff\r\n", "7fffffffffffffff\r\nA", "ffffffffffffffff\r\n", &behind] {
        let mut client = proxy.connect();
        client.send(&Draft::form("").unframed().field("Transfer-Encoding", "chunked"));
        client.write(announced.as_bytes()); // and nothing more
        let answer = client.answer();
        proxy.assert_own(&answer, 413, "ProxyRequestTooLarge", "no");
        assert!(closes(&answer.head));
        assert_eq!(client.until_closed(), b"");
    }
    assert_eq!(endpoint.connections(), 0);
}

#[test]
fn a_body_that_arrives_too_slowly_is_given_up() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).listener(r#"limits.body_timeout = "200ms""#).start();
    let mut client = proxy.connect();
    client.send(&Draft::form("Action=").unframed().field("Content-Length", "100"));
    let answer = client.answer();
    proxy.assert_own(&answer, 408, "RequestTimeout", "no");
    assert!(closes(&answer.head));
    assert_eq!(client.until_closed(), b"");
    assert_eq!(endpoint.connections(), 0);
}

#[test]
fn a_chunked_body_that_is_framed_wrongly_or_padded_without_end_is_refused() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let flood = "x".repeat(512 * 1024);
    for body in [
        "0x3\r\na=b\r\n0\r\n\r\n",
        "+3\r\na=b\r\n0\r\n\r\n",
        "-3\r\na=b\r\n0\r\n\r\n",
        "ffffffffffffffff0\r\na=b\r\n0\r\n\r\n",
        "3\ra=b\r\n0\r\n\r\n",
        "3\r\na=bX\r\n0\r\n\r\n",
        "\r\na=b\r\n0\r\n\r\n",
        &format!("3;{flood}\r\na=b\r\n0\r\n\r\n"),
        &format!("3\r\na=b\r\n0\r\nX-Trailer: {flood}\r\n\r\n"),
    ] {
        let mut client = proxy.connect();
        let draft = Draft::form("").unframed().field("Transfer-Encoding", "chunked").body(body.as_bytes());
        client.send_what_is_taken(&draft);
        let answer = client.answer();
        proxy.assert_own(&answer, 400, "ProxyMalformedRequest", "no");
        assert!(closes(&answer.head));
    }
    proxy.post(FORM).expect(200);
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 1));
}

#[test]
fn a_client_that_writes_before_it_reads_still_learns_that_its_body_is_too_large() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(r#"limits.body = "1 KiB""#).start();
    let mut client = proxy.connect();
    client.send_what_is_taken(&Draft::form(&"x".repeat(4 * 1024 * 1024)));
    proxy.assert_own(&client.answer(), 413, "ProxyRequestTooLarge", "no");
    assert_eq!(endpoint.connections(), 0);
}

#[test]
fn a_body_that_is_cut_off_is_never_forwarded() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM).unframed().field("Content-Length", "100"));
    client.wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _whatever_came = client.wire.rest();
    let line = proxy.log.json("the cut request", |line| line["bytes_out"].is_u64());
    assert!(matches!(line["outcome"].as_str(), Some("refused" | "abandoned")), "{line}");
    proxy.post(FORM).expect(200);
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 1));
}
