//! The trace of a call: in the log, towards the endpoint, and after a reload.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::harness::endpoint::answer;
use crate::harness::{After, Answer, Draft, Endpoint, FORM, ID, Proxy, SECRET, Setup};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn call(proxy: &Proxy, fields: &[(&str, &str)]) -> (Answer, Value) {
    let draft = fields.iter().fold(Draft::form(FORM), |draft, (name, value)| draft.field(name, value));
    let answer = proxy.call(&draft);
    let line = proxy.log.exchange(&answer.request_id());
    (answer, line)
}

/// The trace and the span that an endpoint was told.
fn told(endpoint: &Endpoint, number: usize) -> (String, String) {
    let parent = endpoint.requests()[number].head.field("traceparent").unwrap().to_owned();
    let [version, trace, span, _] = parent.split('-').collect::<Vec<_>>()[..] else { panic!("{parent}") };
    assert_eq!(version, "00");
    (trace.to_owned(), span.to_owned())
}

#[test]
fn the_trace_of_a_client_is_in_the_log_without_any_setting() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    assert_eq!(call(&proxy, &[("traceparent", PARENT)]).1["trace_id"], TRACE);
    for fields in [&[][..], &[("traceparent", "00-0-0-0")], &[("traceparent", PARENT), ("traceparent", PARENT)]] {
        let (answer, line) = call(&proxy, fields);
        assert_eq!((answer.status, line.get("trace_id")), (200, None), "{fields:?}");
    }
    let refused = proxy.call(&Draft::form("JobId=1").field("traceparent", PARENT)).expect(400);
    assert_eq!(proxy.log.exchange(&refused.request_id())["trace_id"], TRACE, "a refusal belongs to it too");
    assert!(endpoint.requests().iter().all(|request| request.head.field("traceparent").is_none()));
}

#[test]
fn an_endpoint_is_told_of_the_trace_beside_a_request_that_is_signed_as_ever() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).more("[trace]\nforward = true\n").start();
    let (_, line) = call(&proxy, &[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]);
    let request = endpoint.only_request();
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
    assert_eq!(request.head.field("tracestate"), Some("a=1,b=2"));
    let (trace, span) = told(&endpoint, 0);
    assert_eq!((trace.as_str(), &line["trace_id"]), (TRACE, &TRACE.into()));
    assert_ne!(span, "b7ad6b7169203331", "its parent is our call");
    let (_, line) = call(&proxy, &[("tracestate", "a=1")]);
    assert_eq!(line["trace_id"], told(&endpoint, 1).0, "a new trace");
    assert_eq!(endpoint.requests()[1].head.field("tracestate"), None);
}

#[test]
fn each_attempt_of_a_call_is_a_span_of_its_own_in_one_trace() {
    let calls = AtomicUsize::new(0);
    let endpoint = Endpoint::scripted(move |exchange| {
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            return After::Close;
        }
        exchange.write(&answer("200 OK", "<Done/>"));
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).more("[trace]\nforward = true\n").start();
    let (answer, line) = call(&proxy, &[("traceparent", PARENT)]);
    assert_eq!((answer.status, &line["attempts"]), (200, &2.into()));
    let [first, second] = [0, 1].map(|number| told(&endpoint, number));
    assert_eq!((first.0.as_str(), second.0.as_str()), (TRACE, TRACE));
    assert_ne!(first.1, second.1);
}

#[test]
fn a_reload_changes_what_endpoints_are_told_and_which_traces_are_sampled() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    let flags = |number: usize| endpoint.requests()[number].head.field("traceparent").map(|f| f[53..].to_owned());
    call(&proxy, &[]);
    proxy.reload(&setup.clone().more("[trace]\nforward = true\n"));
    call(&proxy, &[]);
    proxy.reload(&setup.clone().more("[trace]\nforward = true\nsample_ratio = 0.0\n"));
    call(&proxy, &[]);
    call(&proxy, &[("traceparent", PARENT)]);
    proxy.reload(&setup.clone().more("[trace]\nforward = true\nsample_ratio = 0.0\nparent_based = false\n"));
    call(&proxy, &[("traceparent", PARENT)]);
    proxy.reload(&setup);
    call(&proxy, &[("traceparent", PARENT)]);
    let expected = [None, Some("03"), Some("02"), Some("01"), Some("00"), None];
    assert_eq!([0, 1, 2, 3, 4, 5].map(flags), expected.map(|flags| flags.map(str::to_owned)));
}

#[cfg(feature = "otlp")]
#[test]
fn how_spans_are_exported_takes_effect_at_a_start_only() {
    let endpoint = Endpoint::obliging();
    let collector = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    setup.clone().more(&format!("[trace]\nendpoint = \"http://{}\"\n", collector.address)).publish();
    let why = proxy.log.json("refusal", |line| {
        line["message"].as_str().is_some_and(|text| text.contains("is not used: what was served before stays in use"))
    });
    let why = why["error"].as_str().unwrap();
    assert!(
        why.contains("trace.endpoint, or what belongs to it: has changed, and takes effect at a start only"),
        "{why}"
    );
    assert_eq!(why.lines().count(), 2, "one reason is told once: {why}");
    proxy.post(FORM).expect(200);
}
