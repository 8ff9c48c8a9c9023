//! Keys of routes with several endpoints: a new key is proven at the endpoint that a client's call would go to.

use crate::failover::{called, fallback, over};
use crate::harness::eventually;
use crate::harness::{After, Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Outcome, Proxy, SECRET, Setup, endpoint};
use crate::outages::refusing;

const PROBE: &str = "probe = \"Action=ListJobs&Version=2010-06-03\"";

/// An endpoint that verifies signatures and accepts these keys.
fn knowing(keys: &'static [(&'static str, &'static str)]) -> Endpoint {
    Endpoint::scripted(|exchange| {
        let id = exchange.request.parameter("AWSAccessKeyId");
        let secret = keys.iter().find(|(known, _)| *known == id).map(|(_, secret)| secret);
        let good = secret.is_some_and(|secret| exchange.request.verify(&id, secret, None) == Ok(()));
        exchange.write(&if good {
            endpoint::answer("200 OK", "<ListJobsResponse/>")
        } else {
            endpoint::answer("403 Forbidden", "<Error><Code>InvalidClientTokenId</Code></Error>")
        });
        After::KeepOpen
    })
}

const BOTH: &[(&str, &str)] = &[(ID, SECRET), (OTHER_ID, OTHER_SECRET)];
const OLD: &[(&str, &str)] = &[(ID, SECRET)];

/// Whether a probe with the other key came to `endpoint`.
fn was_probed(endpoint: &Endpoint) -> bool {
    endpoint
        .requests()
        .iter()
        .any(|request| request.parameter("Action") == "ListJobs" && request.parameter("AWSAccessKeyId") == OTHER_ID)
}

#[track_caller]
fn wait_for_refused_key(proxy: &Proxy) -> String {
    let kept = "the new key cannot be used yet; the last good one stays in use";
    let line = proxy.log.json("warning", |line| line["message"] == kept);
    line["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_key_is_proven_at_the_fallback_while_the_first_endpoint_refuses_connections() {
    let (_held, address) = refusing();
    let second = knowing(BOTH);
    let proxy = over(&format!("http://{address}/"), &second).route(PROBE).start();
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
    proxy.vault.publish(OTHER_ID, OTHER_SECRET, "");
    proxy.log.wait_for("change of the key", |line| {
        (line.contains("a changed key is in use") && line.contains(OTHER_ID)).then_some(())
    });
    assert!(was_probed(&second));
    proxy.post(FORM).expect(200);
    assert_eq!(second.requests().last().unwrap().parameter("AWSAccessKeyId"), OTHER_ID);
}

#[test]
fn a_key_that_the_first_endpoint_refuses_is_not_tried_at_the_fallback() {
    let (first, second) = (knowing(OLD), knowing(BOTH));
    let proxy = over(&first.url(), &second).route(PROBE).start();
    proxy.vault.publish(OTHER_ID, OTHER_SECRET, "");
    let why = wait_for_refused_key(&proxy);
    assert!(why.contains("the probe of route.importexport was answered with 403 InvalidClientTokenId"), "{why}");
    proxy.post(FORM).expect(200);
    assert_eq!(first.requests().last().unwrap().parameter("AWSAccessKeyId"), ID);
    assert!(was_probed(&first) && second.requests().is_empty());
}

#[test]
fn a_probe_that_the_first_endpoint_may_have_received_comes_to_no_other() {
    let first = Endpoint::scripted(|exchange| {
        if exchange.request.parameter("AWSAccessKeyId") == OTHER_ID {
            return After::Close; // without a response
        }
        exchange.write(&endpoint::answer("200 OK", "<ListJobsResponse/>"));
        After::KeepOpen
    });
    let second = called("<ListJobsResponse/>");
    let proxy = over(&first.url(), &second).route(PROBE).start();
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
    proxy.vault.publish(OTHER_ID, OTHER_SECRET, "");
    let why = wait_for_refused_key(&proxy);
    assert!(why.contains("the probe of route.importexport failed: "), "{why}");
    assert!(was_probed(&first) && second.requests().is_empty());
}

#[test]
fn a_key_is_tested_for_every_endpoint_that_signs_differently() {
    let profile = "profile = { dialect = \"aws-v4\", region = \"eu-central-1\", service = \"sts\" }";
    let second = called("second");
    let table = format!("{}region = \"eu-west-1\"\n", fallback(&second));
    let setup = Setup::to_url("http://127.0.0.1:9/").route(profile).more(&table);
    let tested = Outcome::of(&mut setup.command("keys test"), "").succeeded();
    for table in ["route.importexport", "route.importexport.fallback[1]"] {
        assert!(tested.contains(&format!(" ms (aws-v4, {table})\n")), "{tested}");
    }
    assert_eq!(second.connections(), 0, "the test calls no endpoint");
}
