//! `rate_limit_fields`: responses that tell a client what is left of its rate.

use crate::harness::clients::{client, token};
use crate::harness::{After, Answer, Draft, Endpoint, FORM, Proxy, Setup};

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
