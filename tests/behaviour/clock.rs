//! Endpoints whose clock is off: their time is learnt from their answers, and what they refuse for its time is sent
//! once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign::clock;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;

use crate::harness::endpoint::Received;
use crate::harness::{After, CREATE, Draft, Endpoint, Exchange, FORM, ID, Proxy, SECRET, Setup, eventually};
use crate::untrusted::{Authority, VALID};

const HOUR: i64 = 3600;

/// The clock of an endpoint, so many seconds ahead of this host's.
#[derive(Clone)]
struct Offset(Arc<AtomicI64>);

impl Offset {
    fn seconds(seconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(seconds)))
    }

    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        clock::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// How an endpoint of these tests refuses.
struct Window {
    offset: Offset,
    /// The most a request may be off.
    allows: SignedDuration,
    code: &'static str,
    /// Further fields of its answers; `Date` is the word `DATE`.
    fields: &'static str,
}

impl Window {
    /// As AWS's: 15 minutes.
    fn of(offset: &Offset) -> Self {
        let allows = SignedDuration::from_mins(15);
        Self { offset: offset.clone(), allows, code: "RequestExpired", fields: "Date: DATE\r\n" }
    }

    fn open(self) -> Endpoint {
        Endpoint::scripted(move |exchange| self.answer(exchange))
    }

    fn open_over_tls(self, tls: ServerConfig) -> Endpoint {
        Endpoint::on("127.0.0.1:0", Some(Arc::new(tls)), move |exchange| self.answer(exchange))
    }

    fn answer(&self, exchange: &mut Exchange<'_>) -> After {
        let now = self.offset.now();
        let off = now.duration_since(timestamp(exchange.request)).abs();
        let (status, body) =
            if off > self.allows { ("400 Bad Request", refusal(self.code)) } else { ("200 OK", "<Done/>".to_owned()) };
        let fields = self.fields.replace("DATE", &http_date(now));
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Type: text/xml\r\nContent-Length: {length}\r\n\r\n");
        exchange.write(format!("{head}{body}").as_bytes());
        After::KeepOpen
    }
}

fn timestamp(request: &Received) -> Timestamp {
    request.parameter("Timestamp").parse().unwrap()
}

fn http_date(time: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap()
}

fn refusal(code: &str) -> String {
    format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>")
}

/// How often a second attempt was made because of the time.
fn repeats(proxy: &Proxy) -> f64 {
    proxy.metric("countersign_clock_repeats_total{route=\"importexport\"}")
}

fn warnings(proxy: &Proxy, about: &str) -> usize {
    proxy.logged(|line| line.contains("\"WARN\"") && line.contains("countersign::clock") && line.contains(about))
}

#[test]
fn an_endpoint_hours_off_is_served_after_one_more_attempt_and_then_at_once() {
    for seconds in [3 * HOUR, -3 * HOUR, 23 * HOUR, -23 * HOUR, 20 * 60] {
        let offset = Offset::seconds(seconds);
        let endpoint = Window::of(&offset).open();
        let proxy = Setup::to(&endpoint).start();
        assert_eq!(proxy.post(CREATE).expect(200).text(), "<Done/>");
        let requests = endpoint.requests();
        assert_eq!(requests.len(), 2, "{seconds}");
        let [early, right] = [0, 1].map(|n| timestamp(&requests[n]).duration_since(clock::now()).as_secs());
        assert!(early.abs() <= 60 && (right - seconds).abs() <= 60, "{seconds}: {early}, {right}");
        for other in ["Action", "JobType", "Manifest", "AWSAccessKeyId"] {
            assert_eq!(requests[0].parameter(other), requests[1].parameter(other));
        }
        assert_ne!(requests[0].parameter("Signature"), requests[1].parameter("Signature"));

        for _ in 0..5 {
            proxy.post(CREATE).expect(200);
        }
        assert_eq!((endpoint.requests().len(), endpoint.connections()), (7, 1), "{seconds}");
        assert_eq!((repeats(&proxy), warnings(&proxy, "signed with the endpoint's time")), (1.0, 1));
        let shown = proxy.metric("countersign_endpoint_clock_offset_seconds{route=\"importexport\"}");
        #[allow(clippy::cast_precision_loss)]
        let off = (shown - seconds as f64).abs();
        assert!(off <= 2.0, "{shown}, not {seconds}");
    }
}

#[test]
fn every_answer_tells_the_time_so_that_most_requests_are_never_refused_for_it() {
    let offset = Offset::seconds(0);
    let endpoint = Window::of(&offset).open();
    let proxy = Setup::to(&endpoint).start();
    proxy.post(FORM).expect(200);
    offset.set(600); // within the window: accepted, and learnt
    proxy.post(FORM).expect(200);
    offset.set(1200); // 10 minutes from what was learnt
    proxy.post(FORM).expect(200);
    offset.set(0); // 20 minutes from it
    proxy.post(FORM).expect(200);
    proxy.post(FORM).expect(200);
    assert_eq!((endpoint.requests().len(), repeats(&proxy)), (6, 1.0));
    let last = endpoint.requests().pop().unwrap();
    assert_eq!(last.verify(ID, SECRET, None), Ok(()), "signed with this host's time again");
    let agreed = |line: &str| line.contains("agree again");
    assert_eq!((warnings(&proxy, "signed with the endpoint's time"), proxy.logged(agreed)), (2, 1));
}

#[test]
fn the_time_is_learnt_over_tls_too_and_is_not_forgotten_when_the_configuration_changes() {
    let authority = Authority::new();
    let offset = Offset::seconds(3 * HOUR);
    let endpoint = Window::of(&offset).open_over_tls(authority.server(&["127.0.0.1"], VALID));
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    let proxy = setup.clone().start();
    proxy.post(CREATE).expect(200);
    setup.route("limits.parameters = 7").publish();
    let generation = || proxy.metric("countersign_config_generation");
    eventually("the new configuration", || (generation() >= 2.0).then_some(()));
    proxy.post(CREATE).expect(200);
    assert_eq!((endpoint.requests().len(), repeats(&proxy)), (3, 1.0));
}

#[test]
fn what_is_refused_a_second_time_too_is_passed_on_as_it_is() {
    let endpoint = Endpoint::scripted(|exchange| {
        // a date to believe in, and a mind that nothing changes
        let (date, body) = (http_date(clock::now() + SignedDuration::from_hours(5)), refusal("RequestExpired"));
        let length = body.len();
        exchange.write(format!("HTTP/1.1 400 No\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes());
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).start();
    for calls in 1..4 {
        let answer = proxy.post(CREATE).expect(400);
        assert_eq!(answer.text(), refusal("RequestExpired"));
        assert_eq!(answer.head.field("x-proxy-sent"), None);
        // the first is repeated; the others were signed with the endpoint's time to begin with
        assert_eq!((endpoint.requests().len(), repeats(&proxy)), (calls + 1, 1.0));
    }
    assert_eq!(proxy.metric("countersign_signature_refusals_total{route=\"importexport\",cause=\"clock\"}"), 3.0);
}

#[test]
fn nothing_is_learnt_where_there_is_nothing_to_believe() {
    for fields in [
        "",
        "Date: DATE\r\nAge: 3\r\n",
        "Date: DATE\r\nVia: 1.1 cache\r\n",
        "Date: DATE\r\nX-Cache: Hit from cloudfront\r\n",
        "Date: DATE\r\nDate: DATE\r\n",
        "Date: yesterday\r\n",
    ] {
        let offset = Offset::seconds(3 * HOUR);
        let endpoint = Window { fields, ..Window::of(&offset) }.open();
        let proxy = Setup::to(&endpoint).start();
        assert_eq!(proxy.post(FORM).expect(400).text(), refusal("RequestExpired"), "{fields}");
        assert_eq!((endpoint.requests().len(), repeats(&proxy)), (1, 0.0), "{fields}");
        assert!(!proxy.admin("/metrics").text().contains("clock_offset_seconds{"));
    }
}

#[test]
fn a_day_off_is_too_much_to_follow() {
    for seconds in [25 * HOUR, -25 * HOUR, -50 * 365 * 24 * HOUR] {
        let offset = Offset::seconds(seconds);
        let endpoint = Window::of(&offset).open();
        let proxy = Setup::to(&endpoint).start();
        for _ in 0..3 {
            proxy.post(FORM).expect(400);
        }
        assert_eq!((endpoint.requests().len(), repeats(&proxy)), (3, 0.0));
        assert_eq!(warnings(&proxy, "more than 24 hours"), 1);
    }
}

#[test]
fn a_route_may_keep_to_this_hosts_time() {
    let offset = Offset::seconds(3 * HOUR);
    let endpoint = Window::of(&offset).open();
    let proxy = Setup::to(&endpoint).route("clock = \"host\"").start();
    for _ in 0..3 {
        proxy.post(FORM).expect(400);
    }
    assert_eq!((endpoint.requests().len(), repeats(&proxy)), (3, 0.0));
    assert_eq!(warnings(&proxy, "the endpoint may refuse requests"), 1);
    let shown = proxy.metric("countersign_endpoint_clock_offset_seconds{route=\"importexport\"}");
    assert!((shown - 10_800.0).abs() <= 2.0, "{shown}");
}

#[test]
fn a_refused_signature_is_blamed_on_the_time_only_from_four_minutes_on() {
    for (seconds, code, repeated) in [
        (5 * 60, "SignatureDoesNotMatch", true),
        (-5 * 60, "AuthFailure", true),
        (3 * 60, "SignatureDoesNotMatch", false),
        (-3 * 60, "AuthFailure", false),
        (5 * 60, "ValidationError", false),
        (3 * HOUR, "InvalidClientTokenId", false),
    ] {
        let offset = Offset::seconds(seconds);
        let window = Window { allows: SignedDuration::from_secs(60), code, ..Window::of(&offset) };
        let endpoint = window.open();
        let proxy = Setup::to(&endpoint).start();
        let answer = proxy.post(CREATE);
        assert_eq!((answer.status, endpoint.requests().len()), if repeated { (200, 2) } else { (400, 1) }, "{code}");
    }
}

#[test]
fn a_long_refusal_is_not_held_back() {
    let filler = "x".repeat(70_000);
    let body =
        format!("<ErrorResponse><Error><Code>RequestExpired</Code><Message>{filler}</Message></Error></ErrorResponse>");
    let date = http_date(clock::now() + SignedDuration::from_hours(5));
    let sized = format!("HTTP/1.1 400 No\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "HTTP/1.1 400 No\r\nDate: {date}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    for answer in [sized, chunked] {
        let endpoint = Endpoint::saying(answer.as_bytes(), After::KeepOpen);
        let proxy = Setup::to(&endpoint).start();
        assert_eq!(proxy.post(FORM).expect(400).text(), body);
        assert_eq!(endpoint.requests().len(), 1, "it was not looked at");
    }
}

#[test]
fn a_refusal_that_never_ends_is_passed_on_as_far_as_it_came() {
    let endpoint = Endpoint::scripted(|exchange| {
        exchange.write(b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<Error\r\n");
        exchange.is_left();
        After::Close
    });
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM));
    let head = client.answer_head();
    assert_eq!(head.first_line.split(' ').nth(1), Some("400"));
    drop(client);
    endpoint.wait_for_closed();
}

#[test]
fn a_refusal_that_breaks_off_is_cut_for_the_client_too() {
    let endpoint = Endpoint::saying(b"HTTP/1.1 400 No\r\nContent-Length: 100\r\n\r\n<ErrorResponse>", After::Close);
    let proxy = Setup::to(&endpoint).start();
    let answer = proxy.post(FORM);
    assert_eq!((answer.status, answer.text().as_str()), (400, "<ErrorResponse>"));
    assert_ne!(answer.ending, crate::harness::Ending::Whole);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_refusal_in_chunks_arrives_whole_and_gives_its_connection_back() {
    const ANSWER: &[u8] = b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\n4\r\n</a>\r\n0\r\n\r\n";
    let endpoint = Endpoint::saying(ANSWER, After::KeepOpen);
    let proxy = Setup::to(&endpoint).start();
    for _ in 0..3 {
        assert_eq!(proxy.post(FORM).expect(404).text(), "<a></a>");
    }
    assert_eq!(endpoint.connections(), 1);
}
