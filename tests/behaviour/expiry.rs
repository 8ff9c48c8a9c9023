//! Keys and certificates that end: told ahead of time, when they have ended, and never taken in place of what holds.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;

use crate::harness::{Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Outcome, Proxy, SECRET, Setup, Vault, eventually};

const DAY: u64 = 24 * 3600;

fn in_seconds(seconds: i64) -> Timestamp {
    let time = countersign::clock::now() + SignedDuration::from_secs(seconds);
    Timestamp::from_second(time.as_second()).unwrap()
}

/// A vault whose key ends then.
fn ending(ends: Timestamp) -> Vault {
    let vault = Vault::empty();
    vault.publish(ID, SECRET, &expiration(ends));
    vault
}

fn expiration(ends: Timestamp) -> String {
    format!(r#","SessionToken":"t","Expiration":"{ends}""#)
}

/// From so many days before now, to so many days after it, both of which may be negative.
fn certificate(setup: &Setup, before: i64, after: i64) {
    certificate_called("tls", setup, before, after);
}

fn certificate_called(name: &str, setup: &Setup, before: i64, after: i64) {
    let at = |days: i64| {
        let time = Duration::from_secs(days.unsigned_abs() * DAY + 60);
        if days < 0 { SystemTime::now() - time } else { SystemTime::now() + time }
    };
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(-before).into(), at(after).into());
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    for (ending, text) in [("key", key.serialize_pem()), ("pem", pem)] {
        let staged = setup.vault_path("staged");
        fs::write(&staged, text).unwrap();
        fs::set_permissions(&staged, Permissions::from_mode(0o600)).unwrap();
        fs::rename(staged, setup.vault_path(&format!("{name}.{ending}"))).unwrap();
    }
}

/// With a further listener that has a certificate.
fn with_tls(setup: Setup, before: i64, after: i64) -> Setup {
    certificate(&setup, before, after);
    let [pem, key] = ["tls.pem", "tls.key"].map(|name| setup.vault_path(name));
    setup.more(&format!(
        "[listener.tls]\naddress = \"127.0.0.1:0\"\nany_local = true\n\
         tls = {{ certificate = {pem:?}, private_key = {key:?} }}\n"
    ))
}

#[track_caller]
fn fails_a_check(setup: &Setup, words: &str) -> String {
    let outcome = Outcome::of(&mut setup.command("check"), "");
    assert_eq!(outcome.code, 69, "{outcome:?}");
    assert!(outcome.stderr.contains(words), "{words} in {outcome:?}");
    outcome.stderr
}

/// What a check says must be said by the log of `run`, which starts.
#[track_caller]
fn says_at_the_start(setup: Setup, level: &str, words: &str) -> Proxy {
    let proxy = setup.start();
    proxy.log.json("the same words", |line| line["level"] == level && line.to_string().contains(words));
    proxy
}

#[test]
fn an_expired_key_fails_a_check_and_is_told_by_a_start() {
    let ended = in_seconds(-3600);
    let setup = Setup::to_url("http://127.0.0.1:9/").vault(ending(ended));
    fails_a_check(&setup, "key.main: the key has expired");
    let proxy = says_at_the_start(setup, "WARN", "the key has expired");
    for (metric, value) in [("usable", 0.0), ("degraded", 1.0), ("expiry_timestamp_seconds", ended.as_second() as f64)]
    {
        let sample = format!(r#"countersign_key_{metric}{{key="main"}}"#);
        assert!((proxy.metric(&sample) - value).abs() < 0.5, "{sample}");
    }
    assert!(proxy.admin("/readyz").expect(503).text().contains("key.main: the key has expired"));

    // with a probe, the key is not used at once; that it has expired is known all the same
    let probed = Setup::to_url("http://127.0.0.1:9/").vault(ending(ended));
    let probed = probed.route("probe = \"Action=ListJobs&Version=2010-06-03\"");
    fails_a_check(&probed, "key.main: the key is not loaded: the key in the store has expired already");
}

#[test]
fn a_certificate_that_does_not_hold_fails_a_check_and_is_told_by_a_start() {
    for (before, after, words) in
        [(30, -1, "tls.pem has expired: it was valid until 20"), (-2, 30, "tls.pem is not valid before 20")]
    {
        let setup = with_tls(Setup::to(&Endpoint::obliging()), before, after);
        let said = fails_a_check(&setup, words);
        assert!(said.contains("listener.tls: the certificate in ") && said.contains("until it is renewed"), "{said}");
        let proxy = says_at_the_start(setup, "ERROR", words);
        let ready = proxy.admin("/readyz").expect(200).text();
        assert!(ready.contains("degraded: listener.tls: the certificate in ") && ready.contains(words), "{ready}");
        proxy.post(FORM).expect(200);
        assert!(proxy.metric(r#"countersign_certificate_expiry_timestamp_seconds{listener="tls"}"#) > 1.7e9);
    }
}

#[test]
fn a_revocation_list_that_has_expired_fails_a_check_and_metrics_say_when() {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign, rcgen::KeyUsagePurpose::KeyCertSign];
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let list = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2026, 1, 8),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&rcgen::Issuer::new(params, key)).unwrap().pem().unwrap();
    let setup = Setup::to_url("http://127.0.0.1:9/");
    certificate(&setup, 1, 30);
    let [pem, key, ca, crl] = ["tls.pem", "tls.key", "ca.pem", "crl.pem"].map(|name| setup.vault_path(name));
    fs::write(&ca, authority).unwrap();
    fs::write(&crl, list).unwrap();
    let setup = setup.more(&format!(
        "[listener.tls]\naddress = \"127.0.0.1:0\"\nauthenticate = [\"mtls\"]\n\
         tls = {{ certificate = {pem:?}, private_key = {key:?}, client_ca = {ca:?}, crl = [{crl:?}] }}\n\
         [client.one]\ndns = \"one.example\"\nallow = [\"*:*\"]\n"
    ));
    fails_a_check(&setup, "crl.pem has expired: it was valid until 2026-01-08T00:00:00Z");
    let ends: Timestamp = "2026-01-08T00:00:00Z".parse().unwrap();
    let metric = r#"countersign_revocation_list_expiry_timestamp_seconds{listener="tls"}"#;
    assert_eq!(setup.start().metric(metric), ends.as_second() as f64);
}

#[test]
fn what_ends_within_fourteen_days_is_warned_of_by_check_and_at_the_start() {
    let soon = || with_tls(Setup::to_url("http://127.0.0.1:9/").vault(ending(in_seconds(10 * 86400 + 60))), 1, 13);
    let printed = Outcome::of(&mut soon().command("check"), "").succeeded();
    for words in ["  WARNING the key ends in 10 days, at 20", "tls.pem ends in 13 days, at 20"] {
        assert!(printed.contains(words), "{words} in {printed}");
    }
    assert!(printed.contains("  certificate: holds until 20"), "{printed}");
    let proxy = says_at_the_start(soon(), "WARN", "the key ends in 10 days, at 20");
    proxy.log.json("the certificate", |line| line["at"] == "listener.tls" && line["level"] == "WARN");

    let later = with_tls(Setup::to_url("http://127.0.0.1:9/").vault(ending(in_seconds(15 * 86400))), 1, 15);
    let printed = Outcome::of(&mut later.command("check"), "").succeeded();
    assert!(!printed.contains("ends in"), "{printed}");
}

#[test]
fn a_key_that_expires_in_service_has_a_line_of_its_own_and_metrics_say_so() {
    let setup = Setup::to(&Endpoint::obliging()).vault(ending(in_seconds(10)));
    let proxy = setup.start();
    let states =
        || ["usable", "degraded"].map(|it| proxy.metric(&format!(r#"countersign_key_{it}{{key="main"}}"#)) > 0.5);
    proxy.log.json("its line", |line| {
        line["key"] == "main"
            && line["level"] == "ERROR"
            && line["message"].as_str().unwrap().starts_with("the key has expired, and its store has no newer one")
            && line["expired_at"].as_str().unwrap().starts_with("20")
    });
    assert_eq!(states(), [false, true]);
    proxy.post(FORM).expect(503);
    proxy.vault.publish(OTHER_ID, OTHER_SECRET, "");
    proxy.log.wait_for("change of the key", |line| line.contains("a changed key is in use").then_some(()));
    assert_eq!(states(), [true, false]);
    assert!(proxy.metric("countersign_key_expiry_timestamp_seconds") < 0.5, "this one does not expire");
    assert_eq!(proxy.log.count(|line| line.contains("its store has no newer one")), 1);
}

#[test]
fn a_reload_with_an_expired_key_or_certificate_is_refused() {
    let setup = with_tls(Setup::to(&Endpoint::obliging()), 1, 30);
    let proxy = setup.clone().start();
    let vault = setup.of_vault();
    fs::write(vault.path("old.age"), vault.sealed(ID, SECRET, &expiration(in_seconds(-60)))).unwrap();
    fs::set_permissions(vault.path("old.age"), Permissions::from_mode(0o600)).unwrap();
    let lines = format!("file = {:?}\nidentity_file = {:?}", vault.path("old.age"), vault.identity_file());
    setup.clone().key(&lines).publish();
    let refused = |words: [&str; 2]| {
        proxy.log.json("the refusal", |line| {
            let message = line["message"].as_str().unwrap_or_default().contains("is not used");
            message && words.iter().all(|words| line["error"].as_str().unwrap().contains(words))
        })
    };
    refused(["key.main: ", "the key in the store has expired already"]);
    proxy.post(FORM).expect(200);

    // other files for the listener that has good ones
    certificate_called("old", &setup, 30, -1);
    let text = fs::read_to_string(setup.vault_path("countersign.toml")).unwrap();
    let text = text.replace("/tls.", "/old.").replace("/old.age", "/key.age");
    fs::write(setup.vault_path("staged"), text).unwrap();
    fs::rename(setup.vault_path("staged"), setup.vault_path("countersign.toml")).unwrap();
    refused(["listener.tls: the certificate in ", "old.pem has expired"]);
    proxy.post(FORM).expect(200);
}

#[test]
fn a_certificate_that_does_not_hold_does_not_replace_one_that_does() {
    let setup = with_tls(Setup::to(&Endpoint::obliging()), 1, 30);
    let proxy = setup.clone().start();
    let ends = || proxy.metric(r#"countersign_certificate_expiry_timestamp_seconds{listener="tls"}"#);
    let before = ends();
    certificate(&setup, 30, -1);
    proxy.signal(Signal::HUP);
    proxy.log.json("the warning", |line| {
        let kept = line["message"] == "changed files cannot be used; the last good ones stay in use";
        kept && line["error"].as_str().unwrap().contains("has expired")
    });
    assert!((ends() - before).abs() < 0.5);
    certificate(&setup, 1, 60);
    proxy.signal(Signal::HUP);
    eventually("the renewed certificate", || (ends() > before + 86400.0).then_some(()));
}

#[test]
fn a_client_certificate_that_ends_soon_or_has_ended_is_told_of_by_check_and_at_the_start() {
    let showing = |before, after| {
        let setup = Setup::to_url("https://127.0.0.1:1/").trusting(&crate::untrusted::Authority::new().pem);
        certificate_called("client", &setup, before, after);
        let [pem, key] = ["client.pem", "client.key"].map(|name| setup.vault_path(name));
        setup.route(&format!("client_certificate = {pem:?}\nclient_key = {key:?}"))
    };
    let soon = showing(1, 3);
    let outcome = Outcome::of(&mut soon.command("check"), "");
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.stdout.contains("client.pem ends in 3 days"), "{outcome:?}");
    says_at_the_start(soon, "WARN", "client.pem ends in 3 days");
    let ended = showing(3, -1);
    fails_a_check(&ended, "client.pem is valid only from 20");
    fails_a_check(&ended, "Z: the endpoint will refuse it until it is renewed");
    let proxy = says_at_the_start(ended, "ERROR", "Z: the endpoint will refuse it until it is renewed");
    let metric = r#"countersign_client_certificate_expiry_timestamp_seconds{route="importexport"}"#;
    let ended = countersign::clock::now().as_second() - 86400;
    assert!((proxy.metric(metric) - ended as f64).abs() < 3600.0, "{}", proxy.metric(metric));
    let long = showing(1, 30);
    assert!(!Outcome::of(&mut long.command("check"), "").stdout.contains("ends in"));
}
