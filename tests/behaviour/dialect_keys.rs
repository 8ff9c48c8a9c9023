//! Keys that the dialects of their routes can sign with, and keys that they cannot.

use crate::harness::{Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Outcome, SECRET, Setup, eventually};

const TOKEN: &str = r#","SessionToken":"FwoGZXIvYXdzEXAMPLE""#;

/// A dialect without a place for a session token, the name of the parameter with the key's id, and a form that reads.
const WITHOUT_TOKEN: [(&str, &str, &str); 3] = [
    ("openstack", "AWSAccessKeyId", FORM),
    ("nifcloud", "AccessKeyId", FORM),
    ("cloudstack", "apiKey", "command=listZones"),
];

#[test]
fn a_key_with_a_session_token_is_refused_where_the_dialect_has_no_place_for_it() {
    for (dialect, ..) in WITHOUT_TOKEN {
        // a key that has to be proven is not in its slot when the routes are built
        let probe = if dialect == "cloudstack" { "listZones" } else { "DescribeInstances" };
        for probe in [String::new(), format!("probe = \"{probe}\"")] {
            let setup =
                Setup::to_url("http://127.0.0.1:9/").route(&format!("profile.dialect = \"{dialect}\"\n{probe}"));
            setup.of_vault().publish(ID, SECRET, TOKEN);
            let [check, run] = ["check", "run"].map(|command| Outcome::of(&mut setup.command(command), ""));
            assert_eq!((check.code, &check.stderr), (run.code, &run.stderr), "{dialect}");
            let words = format!(
                "key.main: it has a session token, and requests of the dialect {dialect}, which route.importexport \
                     signs"
            );
            assert!(run.code == 78 && run.stderr.contains(&words), "{dialect}: {}", run.stderr);
            run.shows_none_of(&["FwoGZXIvYXdzEXAMPLE", SECRET]);
        }
    }
}

#[test]
fn an_id_that_cannot_stand_in_authorization_is_refused_at_start_and_on_refresh() {
    let v4 = "profile = { dialect = \"aws-v4\", region = \"us-east-1\", service = \"iam\" }";
    for bad in ["AKIA, SignedHeaders=host", "AKIA/20260101", "AKIA IOSFODNN7", "AKI\u{c4}"] {
        let setup = Setup::to_url("http://127.0.0.1:9/").route(v4);
        setup.of_vault().publish(bad, SECRET, "");
        let [check, run] = ["check", "run"].map(|command| Outcome::of(&mut setup.command(command), ""));
        assert_eq!((check.code, &check.stderr), (run.code, &run.stderr), "{bad}");
        let words = "key.main: its access key ID has a space, `,`, `/` or a character that is not ASCII";
        assert!(run.code == 78 && run.stderr.contains(words), "{bad}: {}", run.stderr);
    }
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(v4).start();
    proxy.vault.publish("AKIA, SignedHeaders=host", OTHER_SECRET, "");
    let warned = proxy.log.json("warning", |line| {
        line["message"].as_str().is_some_and(|message| message.contains("the last good one stays in use"))
    });
    assert!(warned["error"].as_str().unwrap().starts_with("its access key ID has"), "{warned}");
    proxy.post(FORM).expect(200);
    let sent = endpoint.requests()[0].head.field("authorization").unwrap().to_owned();
    assert!(sent.contains(&format!("Credential={ID}/")), "{sent}");
    // in a form every character has an encoding
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    setup.of_vault().publish("AKIA/a, b", SECRET, "");
    setup.start().post(FORM).expect(200);
    assert_eq!(endpoint.requests()[0].parameter("AWSAccessKeyId"), "AKIA/a, b");
}

#[test]
fn a_key_that_gets_a_session_token_later_does_not_replace_the_one_in_use() {
    for (dialect, id_in, form) in WITHOUT_TOKEN {
        let endpoint = Endpoint::obliging();
        let proxy = Setup::to(&endpoint).route(&format!("profile.dialect = \"{dialect}\"")).start();
        proxy.vault.publish(OTHER_ID, OTHER_SECRET, TOKEN);
        let warned = proxy.log.json("warning", |line| {
            line["message"].as_str().is_some_and(|message| message.contains("the last good one stays in use"))
        });
        let why = warned["error"].as_str().unwrap();
        assert!(why.starts_with("it has a session token") && why.contains(dialect), "{why}");
        proxy.post(form).expect(200);
        assert_eq!(endpoint.requests()[0].parameter(id_in), ID);
        let readiness = proxy.admin("/readyz").expect(200).text();
        assert!(readiness.contains("degraded: key.main: the last good key is in use: it has a session"), "{readiness}");
        proxy.vault.publish(OTHER_ID, OTHER_SECRET, "");
        proxy.log.wait_for("the key", |line| line.contains("a changed key is in use").then_some(()));
        proxy.post(form).expect(200);
        assert_eq!(endpoint.requests()[1].parameter(id_in), OTHER_ID);
    }
}

#[test]
fn a_reload_to_a_dialect_that_the_temporary_key_does_not_fit_changes_nothing() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    setup.of_vault().publish(ID, SECRET, TOKEN);
    let proxy = setup.clone().start();
    setup.route("profile.dialect = \"openstack\"").publish();
    let refusal = proxy.log.json("refusal", |line| {
        line["message"].as_str().is_some_and(|message| message.contains("what was served before stays in use"))
    });
    let why = refusal["error"].as_str().unwrap();
    assert!(why.contains("key.main: it has a session token"), "{why}");
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.requests()[0].parameter("SecurityToken"), "FwoGZXIvYXdzEXAMPLE");
}

#[test]
fn a_session_token_is_renewed_with_its_key_in_every_dialect_that_sends_one() {
    let v4 = "dialect = \"aws-v4\", region = \"us-east-1\", service = \"iam\"";
    for (profile, id_in, token_in) in [
        ("dialect = \"aws-v2\"", "AWSAccessKeyId", "SecurityToken"),
        ("dialect = \"eucalyptus\"", "AWSAccessKeyId", "SecurityToken"),
        ("dialect = \"alibaba-rpc\"", "AccessKeyId", "SecurityToken"),
        ("dialect = \"tencent-v1\"", "SecretId", "Token"),
        (v4, "authorization", "x-amz-security-token"),
    ] {
        let endpoint = Endpoint::obliging();
        let setup = Setup::to(&endpoint).route(&format!("profile = {{ {profile} }}"));
        setup.of_vault().publish(ID, SECRET, TOKEN);
        let proxy = setup.start();
        let sent = |id: &str, token: &str| {
            proxy.post(FORM).expect(200);
            let request = endpoint.requests().pop().unwrap();
            let value = |name: &str| match request.head.field(name) {
                Some(value) => value.to_owned(),
                None => request.parameter(name),
            };
            assert!(value(id_in).contains(id), "{profile}: {}", value(id_in));
            assert_eq!(value(token_in), token, "{profile}");
        };
        sent(ID, "FwoGZXIvYXdzEXAMPLE");
        proxy.vault.publish(OTHER_ID, OTHER_SECRET, r#","SessionToken":"another""#);
        eventually("the key", || proxy.log.text().contains("a changed key is in use").then_some(()));
        sent(OTHER_ID, "another");
    }
}

#[test]
fn a_key_is_tested_as_its_routes_sign_and_says_for_which_dialects_it_is() {
    let route = "profile = { dialect = \"aws-v4\", region = \"us-east-1\", service = \"iam\" }";
    let more = "[route.stack]\nendpoint = \"http://127.0.0.1:9/\"\npath = \"/stack\"\nkey = \"main\"\n\
                profile.dialect = \"cloudstack\"\n";
    let setup = Setup::to_url("http://127.0.0.1:9/").route(route);
    let tested = Outcome::of(&mut setup.clone().more(more).command("keys test"), "").succeeded();
    for (method, told) in [("HmacSHA256", "(aws-v4, route.importexport)"), ("HmacSHA1", "(cloudstack, route.stack)")] {
        let signed = |line: &&str| line.starts_with(&format!("  signed with {method} in ")) && line.ends_with(told);
        assert_eq!(tested.lines().filter(signed).count(), 1, "{tested}");
    }
    let all = "aws-v2, aws-v4, openstack, nifcloud, eucalyptus, cloudstack, alibaba-rpc, qingcloud, tencent-v1";
    assert!(tested.contains(&format!("  signs for {all}\n")), "{tested}");
    setup.of_vault().publish(ID, SECRET, TOKEN);
    let tested = Outcome::of(&mut setup.command("keys test"), "").succeeded();
    let others = "aws-v2, aws-v4, eucalyptus, alibaba-rpc, qingcloud, tencent-v1";
    assert!(tested.contains(&format!("  signs for {others}\n")), "{tested}");
    let tested = Outcome::of(&mut setup.more(more).command("keys test"), "");
    assert!(tested.code == 78 && tested.stderr.contains("which route.stack signs"), "{}", tested.stderr);
}
