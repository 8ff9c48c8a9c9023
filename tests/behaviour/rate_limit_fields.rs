//! `rate_limit_fields`: responses that tell a client what is left of its rate.

use crate::harness::clients::{client, token};
use crate::harness::{After, Answer, Draft, Endpoint, FORM, Proxy, Setup, endpoint, eventually};

fn setup(endpoint: &Endpoint, fields: &str) -> Setup {
    let limited = client("limited", "allow = [\"*:Get*\"]\nrate = \"1/m\"\nburst = 3");
    let mut setup = Setup::to(endpoint).more(&limited).more(&client("free", "allow = [\"*:*\"]"));
    setup.callers = "authenticate = [\"token\"]";
    setup.listener(&format!("rate_limit_fields = \"{fields}\""))
}

fn call(proxy: &Proxy, name: &str, form: &str) -> Answer {
    proxy.call(&Draft::form(form).field("Authorization", &format!("Bearer {}", token(name))))
}

fn fields(answer: &Answer, names: &[&str]) -> Vec<String> {
    names.iter().flat_map(|name| answer.head.all(name)).map(str::to_owned).collect()
}

const DRAFT: [&str; 2] = ["ratelimit-policy", "ratelimit"];
const X: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

#[test]
fn every_response_to_a_call_that_counts_tells_what_is_left() {
    let endpoint = Endpoint::obliging();
    let proxy = setup(&endpoint, "draft").start();
    let first = call(&proxy, "limited", FORM).expect(200);
    assert_eq!(fields(&first, &DRAFT), ["\"rate\";q=1;w=60;countersign-burst=3", "\"rate\";r=2;t=120"]);
    // a call that the rules deny counts as well
    let denied = call(&proxy, "limited", "Action=CreateJob").expect(403);
    assert_eq!(fields(&denied, &DRAFT), ["\"rate\";q=1;w=60;countersign-burst=3", "\"rate\";r=1;t=60"]);
    call(&proxy, "limited", FORM).expect(200);
    let throttled = call(&proxy, "limited", FORM).expect(400);
    assert_eq!(throttled.element("Code"), "Throttling");
    let [policy, left] = fields(&throttled, &DRAFT).try_into().unwrap();
    assert_eq!(policy, "\"rate\";q=1;w=60;countersign-burst=3");
    let wait: u64 = left.strip_prefix("\"rate\";r=0;t=").unwrap().parse().unwrap();
    let retry: u64 = throttled.head.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && retry >= wait, "{wait} {retry}");
    // neither who has no rate nor who is not known is told anything
    for answer in [call(&proxy, "free", FORM).expect(200), proxy.post(FORM).expect(403)] {
        assert_eq!(fields(&answer, &[DRAFT.as_slice(), &X].concat()), Vec::<String>::new());
    }
    assert_eq!(endpoint.requests().len(), 3);
}

#[test]
fn fields_of_the_endpoint_stay_as_they_are() {
    let own =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRateLimit: \"default\";r=9;t=1\r\nX-RateLimit-Remaining: 7\r\n\r\nok";
    let endpoint = Endpoint::saying(own.as_bytes(), After::KeepOpen);
    let draft = setup(&endpoint, "draft").start();
    let answer = call(&draft, "limited", FORM).expect(200);
    assert_eq!(fields(&answer, &["ratelimit"]), ["\"default\";r=9;t=1", "\"rate\";r=2;t=120"]);
    let x = setup(&endpoint, "x").start();
    assert_eq!(fields(&call(&x, "limited", FORM).expect(200), &X), ["7"]);
    let off = setup(&endpoint, "off").start();
    let names = [DRAFT.as_slice(), &X].concat();
    assert_eq!(fields(&call(&off, "limited", FORM).expect(200), &names), ["\"default\";r=9;t=1", "7"]);
}

#[test]
fn the_other_fields_have_one_number_each_and_a_reload_changes_which_are_told() {
    let endpoint = Endpoint::obliging();
    let limited = client("limited", "allow = [\"*:Get*\"]\nrate = \"1/m\"\nburst = 3");
    let mut before = Setup::to(&endpoint).more(&limited);
    before.callers = "authenticate = [\"token\"]";
    let proxy = before.clone().start();
    assert_eq!(fields(&call(&proxy, "limited", FORM).expect(200), &X), Vec::<String>::new());
    proxy.reload(&before.listener("rate_limit_fields = \"x\""));
    let [limit, remaining, reset] = fields(&call(&proxy, "limited", FORM).expect(200), &X).try_into().unwrap();
    assert_eq!((limit.as_str(), remaining.as_str()), ("3", "1"));
    assert!((1..=120).contains(&reset.parse::<u64>().unwrap()), "{reset}");
}

/// An endpoint that never answers calls of the Action `GetSlow`.
fn slow_at_times() -> Endpoint {
    Endpoint::scripted(|exchange| {
        if exchange.request.parameter("Action") == "GetSlow" {
            exchange.is_left();
            return After::Close;
        }
        exchange.write(&endpoint::answer("200 OK", "<Done/>"));
        After::KeepOpen
    })
}

/// Calls by several clients of one listener that tells `kind`; the first two fields of a client with `left` calls are
/// `own(left)`.
fn each_hears_of_its_own_calls(kind: &str, own: impl Fn(u64) -> [String; 2]) {
    let endpoint = slow_at_times();
    let alike = "allow = [\"*:Get*\"]\nrate = \"1/m\"\nburst = 3";
    let tables = [client("one", alike), client("two", alike), client("free", "allow = [\"*:*\"]")].concat();
    let mut setup = Setup::to(&endpoint).more(&tables).route("limits.in_flight = 1");
    setup.callers = "authenticate = [\"token\"]";
    let proxy = setup.listener(&format!("rate_limit_fields = \"{kind}\"")).start();
    let told = |answer: &Answer| fields(answer, &[DRAFT.as_slice(), &X].concat());
    for left in [2, 1] {
        assert_eq!(told(&call(&proxy, "one", FORM).expect(200))[..2], own(left));
    }
    call(&proxy, "one", FORM).expect(200);
    call(&proxy, "one", FORM).expect(400);
    assert_eq!(told(&call(&proxy, "two", FORM).expect(200))[..2], own(2), "as if the other had never called");
    // the route's only place is taken by somebody else: that is not a rate
    let mut slow = proxy.connect();
    slow.send(&Draft::form("Action=GetSlow").field("Authorization", &format!("Bearer {}", token("free"))));
    eventually("the place to be taken", || {
        let is_slow = |request: &endpoint::Received| request.parameter("Action") == "GetSlow";
        endpoint.requests().iter().any(is_slow).then_some(())
    });
    assert_eq!(told(&call(&proxy, "two", FORM).expect(503))[..2], own(1));
    let unknown = proxy.call(&Draft::form(FORM).field("Authorization", "Bearer one")).expect(403);
    for answer in [call(&proxy, "free", FORM).expect(503), unknown, proxy.post(FORM).expect(403)] {
        assert_eq!(told(&answer), Vec::<String>::new(), "{}", answer.status);
    }
}

#[test]
fn a_client_hears_nothing_of_the_calls_of_others_and_a_stranger_nothing_at_all() {
    let policy = "\"rate\";q=1;w=60;countersign-burst=3";
    each_hears_of_its_own_calls("draft", |left| [policy.to_owned(), format!("\"rate\";r={left};t={}", left * 60)]);
    each_hears_of_its_own_calls("x", |left| ["3".to_owned(), left.to_string()]);
}
