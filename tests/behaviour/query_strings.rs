//! Forms in query strings, where a route accepts them: signed as any other, and refused wherever a body or a web page
//! could be behind them.

use crate::harness::clients::{client, token};
use crate::harness::endpoint::Received;
use crate::harness::proxy::closes;
use crate::harness::{After, Answer, Draft, Endpoint, FORM, ID, Proxy, SECRET, Setup, eventually};

const ALL: &str = r#"accept = ["post", "get", "post-query"]"#;
const GET: &str = r#"accept = ["post", "get"]"#;

/// Whoever knows to send one header may call.
fn setup(endpoint: &Endpoint, accept: &str) -> Setup {
    Setup::to(endpoint).route(accept).listener(r#"required_header = "x-requested-by""#)
}

fn requested(line: &str) -> Draft {
    Draft::form("").unframed().without("Content-Type").line(line).field("X-Requested-By", "test")
}

fn get(query: &str) -> Draft {
    requested(&format!("GET /?{query} HTTP/1.1"))
}

/// A POST without a body, as `curl -d '' URL?...` sends it.
fn post(query: &str) -> Draft {
    Draft::form("").path(&format!("/?{query}")).field("X-Requested-By", "test")
}

/// Sends `draft`, with a good request right behind it on the same connection.
#[track_caller]
fn refused(proxy: &Proxy, draft: &Draft, status: u16, code: &str) -> Answer {
    let mut client = proxy.connect();
    let authority = proxy.address.to_string();
    client.write(&[draft.bytes(&authority), get(FORM).bytes(&authority)].concat());
    let answer = client.answer();
    proxy.assert_own(&answer, status, code, "no");
    assert!(closes(&answer.head), "{:?}", answer.head);
    assert_eq!(client.until_closed(), b"", "what lies behind a refused request is no request");
    answer
}

#[test]
fn a_get_goes_out_as_a_signed_post_where_the_route_accepts_it() {
    let endpoint = Endpoint::obliging();
    let proxy = setup(&endpoint, GET).route("path = \"/ie\"").start();
    // as old clients send it: signed for themselves, and some say that there is nothing behind it
    let own =
        "AWSAccessKeyId=AKIAI44QH8DHBEXAMPLE&SignatureVersion=2&Timestamp=2011-06-20T22%3A30%3A59Z&Signature=x%3D";
    let mut client = proxy.connect();
    for (line, more) in [
        (format!("GET /ie?{FORM}&{own}&Note=a%20b+c%2B HTTP/1.1"), ("X-None", "")),
        (format!("GET /ie/?{FORM}&Note=a%20b+c%2B HTTP/1.1"), ("Content-Length", "0")),
        (format!("GET /ie?{FORM}&Note=a%20b+c%2B HTTP/1.1"), ("Content-Type", "application/json")),
        (format!("GET http://{}/ie?{FORM}&Note=a%20b+c%2B HTTP/1.1", proxy.address), ("X-None", "")),
    ] {
        client.call(&requested(&line).field(more.0, more.1)).expect(200);
    }
    client.call(&Draft::form(FORM).path("/ie").field("X-Requested-By", "test")).expect(200);
    let requests = endpoint.requests();
    assert_eq!(requests.len(), 5);
    for request in &requests[..4] {
        assert_eq!(request.head.first_line, "POST / HTTP/1.1");
        assert_eq!(request.verify(ID, SECRET, None), Ok(()));
        assert_eq!((request.parameter("JobId"), request.parameter("Note")), ("JOBID".into(), "a b c+".into()));
        assert_eq!(request.parameter("AWSAccessKeyId"), ID);
    }
}

#[test]
fn a_post_with_its_parameters_in_the_query_string_goes_out_where_the_route_accepts_it() {
    let endpoint = Endpoint::obliging();
    let proxy = setup(&endpoint, ALL).start();
    proxy.call(&post(FORM)).expect(200);
    proxy.call(&post(FORM).without("Content-Type")).expect(200);
    assert_eq!(endpoint.requests()[0].verify(ID, SECRET, None), Ok(()));
    assert_eq!(endpoint.requests()[1].parameter("JobId"), "JOBID");
    // the length has to be there: a body without one would be taken for the next request
    refused(&proxy, &post(FORM).unframed(), 411, "ProxyMalformedRequest");
    assert_eq!(endpoint.requests().len(), 2);
}

#[test]
fn each_place_of_a_form_is_accepted_by_itself_and_allow_says_which_methods_are() {
    let endpoint = Endpoint::obliging();
    for (accept, allow, get_is, query_is) in [
        (r#"accept = ["post"]"#, "POST", 405, 400),
        (GET, "GET, POST", 200, 400),
        (r#"accept = ["post", "post-query"]"#, "POST", 405, 200),
    ] {
        let proxy = setup(&endpoint, accept).start();
        let got = proxy.call(&get(FORM));
        assert_eq!(got.status, get_is, "{accept}");
        assert_eq!(proxy.call(&post(FORM)).status, query_is, "{accept}");
        proxy.call(&Draft::form(FORM).field("X-Requested-By", "test")).expect(200);
        for method in ["PUT", "DELETE", "OPTIONS", "get", "GETX"] {
            let answer =
                refused(&proxy, &requested(&format!("{method} /?{FORM} HTTP/1.1")), 405, "ProxyMethodNotAllowed");
            assert_eq!(answer.head.field("allow"), Some(allow), "{accept}");
            assert!(answer.element("Message").contains(&format!("only {allow} is allowed")), "{}", answer.text());
        }
        let mut client = proxy.connect();
        client.send(&requested(&format!("HEAD /?{FORM} HTTP/1.1")));
        let head = client.answer_head();
        assert!(head.first_line.starts_with("HTTP/1.1 405 ") && head.field("allow") == Some(allow), "{head:?}");
    }
}

#[test]
fn a_body_beside_a_query_string_is_refused_and_so_is_a_get_with_a_body() {
    let endpoint = Endpoint::obliging();
    let proxy = setup(&endpoint, ALL).start();
    let chunked = |draft: Draft, body: &[u8]| draft.unframed().field("Transfer-Encoding", "chunked").body(body);
    for draft in [
        requested("GET / HTTP/1.1").field("Content-Length", "3").body(b"a=b"),
        get(FORM).field("Content-Length", "3").body(b"a=b"),
        chunked(get(FORM), b"3\r\na=b\r\n0\r\n\r\n"),
        chunked(get(FORM), b"0\r\n\r\n"),
        post(FORM).body(b"a=b"),
        post("").body(FORM.as_bytes()),
        chunked(post(FORM), b"0\r\n\r\n"),
    ] {
        let answer = refused(&proxy, &draft, 400, "InvalidQueryParameter");
        assert!(answer.element("Message").contains("must have no body"), "{}", answer.text());
    }
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn a_form_means_in_a_query_string_what_it_means_in_a_body() {
    let endpoint = Endpoint::obliging();
    let proxy = setup(&endpoint, ALL).start();
    for form in [
        FORM,
        "Action=A&b=1+2&%43=%2b&a=x=y;z&d",
        "&&Action=A&&",
        "Action=A&Note=%C3%A9%F0%9F%98%80%00",
        "Action=A&a=b?c/d:e@f!$'()*,-._~",
        "",
        "Version=1",
        "Action=A&Action=A",
        "Action=A&a=1&A=2",
        "Action=A&action=B",
        "Action=A&signature=x",
        "Action=A&Operation=B",
        "Action=A&a=%zz",
        "Action=A&a=%ff",
        "Action=A&%0a=1",
        "Action=List%20Jobs",
    ] {
        let mut seen = Vec::new();
        for draft in [Draft::form(form).field("X-Requested-By", "test"), get(form), post(form)] {
            let before = endpoint.requests().len();
            let answer = proxy.call(&draft);
            let message = if answer.status == 200 { String::new() } else { answer.element("Message") };
            let mut sent: Vec<_> = endpoint.requests()[before..].iter().flat_map(Received::parameters).collect();
            sent.retain(|(name, _)| !["Signature", "Timestamp"].contains(&name.as_str()));
            seen.push((answer.status, message, sent));
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{form}: {seen:?}");
    }
}

#[test]
fn a_query_string_has_the_limits_of_a_body_and_is_told_which() {
    let endpoint = Endpoint::obliging();
    let proxy = setup(&endpoint, ALL).route("limits.body = \"100 B\"\nlimits.parameters = 3").start();
    let filled = |length: usize| format!("Action=A&b={}", "x".repeat(length - "Action=A&b=".len()));
    for (draft, longer) in [(get(&filled(100)), get(&filled(101))), (post(&filled(100)), post(&filled(101)))] {
        proxy.call(&draft).expect(200);
        let answer = refused(&proxy, &longer, 414, "ProxyRequestTooLarge");
        assert!(answer.element("Message").contains("100 bytes, which is `limits.body`"), "{}", answer.text());
    }
    let many = proxy.call(&get("Action=A&a&b&c"));
    proxy.assert_own(&many, 400, "InvalidQueryParameter", "no");
    assert!(many.element("Message").contains("`limits.parameters`"), "{}", many.text());
    let endless = refused(&proxy, &get(&filled(40_000)), 414, "ProxyRequestTooLarge");
    assert!(endless.element("Message").contains("in the body of a POST"), "{}", endless.text());
    assert_eq!(endless.head.all("cache-control"), ["no-store"], "caches may store a 414");
    assert_eq!(endpoint.requests().len(), 2);
}

#[test]
fn a_query_string_takes_of_the_memory_for_forms() {
    let endpoint = Endpoint::scripted(|exchange| {
        exchange.is_left();
        After::Close
    });
    let limits = "workers = 1\nbodies = \"8 KiB\"";
    let proxy = setup(&endpoint, GET).route("limits.body = \"8 KiB\"").process(limits).start();
    let call = get(&format!("{FORM}&Filling={}", "x".repeat(5000)));
    let mut first = proxy.connect();
    first.send(&call);
    eventually("the first form's place", || (proxy.metric("countersign_bodies_held_bytes") > 5000.0).then_some(()));
    proxy.assert_own(&proxy.call(&call), 503, "ServiceUnavailable", "no");
}

#[test]
fn a_query_string_with_the_marks_of_a_web_page_is_refused() {
    let endpoint = Endpoint::obliging();
    // two proxies: the log samples what it says of many refusals of strangers
    let [got, posted] = [(); 2].map(|()| setup(&endpoint, ALL).start());
    for (name, value) in [
        ("Origin", "null"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Site", "none"),
        // an image of a page, in a browser of before 2023
        ("Referer", "https://attacker.example/"),
        ("Accept-Language", "en-US,en;q=0.9"),
        ("Accept-Language", "*, en"),
        // a script of a page may set this field, and to this value
        ("Accept-Language", "*"),
    ] {
        refused(&got, &get(FORM).field(name, value), 403, "AccessDenied");
        refused(&posted, &post(FORM).field(name, value), 403, "AccessDenied");
    }
    let without = Draft::form("").without("Content-Type").line(&format!("GET /?{FORM} HTTP/1.1"));
    refused(&got, &without, 403, "AccessDenied");
    refused(&got, &get(FORM).field("Host", "attacker.example"), 403, "AccessDenied");
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn a_query_string_that_node_fetches_is_served() {
    let endpoint = Endpoint::obliging();
    let proxy = setup(&endpoint, GET).start();
    proxy.call(&get(FORM).field("Accept-Language", "*").field("Sec-Fetch-Mode", "cors")).expect(200);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_response_to_a_get_is_stored_by_no_cache_whatever_the_endpoint_says_of_its_post() {
    let stored = "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=3600\r\nCDN-Cache-Control: max-age=3600\r\n\
                  Expires: Fri, 01 Jan 2100 00:00:00 GMT\r\nETag: \"a\"\r\nContent-Length: 2\r\n\r\nok";
    let endpoint = Endpoint::saying(stored.as_bytes(), After::KeepOpen);
    let proxy = setup(&endpoint, GET).start();
    let got = proxy.call(&get(FORM)).expect(200);
    assert_eq!(got.head.all("cache-control"), ["no-store"]);
    assert!(got.head.all("cdn-cache-control").is_empty() && got.head.all("expires").is_empty(), "{:?}", got.head);
    assert_eq!(got.head.all("etag"), ["\"a\""]);
    let refused = proxy.call(&get("Action=%00"));
    proxy.assert_own(&refused, 400, "InvalidAction", "no");
    assert_eq!(refused.head.all("cache-control"), ["no-store"]);
    let posted = proxy.call(&Draft::form(FORM).field("X-Requested-By", "test")).expect(200);
    assert_eq!(posted.head.all("cache-control"), ["public, max-age=3600"], "a cache stores nothing of a POST");
}

#[test]
fn clients_and_rules_decide_about_a_query_string_as_about_a_body() {
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint)
        .route(ALL)
        .more(&client("reader", "allow = [\"*:Get*\"]\ndeny = [\"*:GetShippingLabel\"]\nrate = \"2/m\""));
    setup.callers = "authenticate = [\"token\"]";
    let proxy = setup.start();
    let call = |query: &str| {
        let draft = Draft::form("").line(&format!("GET /?{query} HTTP/1.1"));
        proxy.call(&draft.field("Authorization", &format!("Bearer {}", token("reader"))))
    };
    let stranger = proxy.call(&Draft::form("").line(&format!("GET /?{FORM} HTTP/1.1")));
    proxy.assert_own(&stranger, 403, "MissingAuthenticationToken", "no");
    call(FORM).expect(200);
    proxy.assert_own(&call("Action=GetShippingLabel"), 403, "AccessDenied", "no");
    assert_eq!(call(FORM).expect(400).element("Code"), "Throttling");
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_route_that_takes_query_strings_from_whoever_can_connect_is_refused_by_check_and_run_alike() {
    let setup = Setup::to(&Endpoint::obliging()).route(GET);
    let [checked, run] = ["check", "run"].map(|command| setup.command(command).output().unwrap());
    assert_eq!((checked.status.code(), run.status.code()), (Some(78), Some(78)));
    for output in [checked, run] {
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(told.contains("listener `local` serves this route to whoever can connect"), "{told}");
        assert!(told.contains("`authenticate`") && told.contains("`required_header`"), "{told}");
    }
}
