//! `countersign sign` and `countersign verify` as a shell uses them: standard input, environment, exit code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::credentials::{SecretAccessKey, SignatureMethod, SigningKey};
use countersign::query::percent;
use serde_json::Value;

use crate::harness::{ID, Outcome, SECRET, program};

const TOKEN: &str = "AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT";
const ENDPOINT: &str = "https://importexport.amazonaws.com";
const TIME: &str = "2011-06-20T22:30:59.556Z";

/// The first line of the verdict, and the causes named below it.
fn verdict(outcome: &Outcome) -> (&str, Vec<&str>) {
    let mut lines = outcome.stdout.lines();
    (lines.next().unwrap_or_default(), lines.filter_map(|line| line.strip_prefix("  why: ")).collect())
}

/// Runs the program with only the given environment.
fn run(arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Outcome {
    let outcome = Outcome::of(program().env_clear().args(arguments).envs(environment.iter().copied()), input);
    outcome.shows_none_of(&[SECRET]);
    outcome
}

fn sign(arguments: &[&str], input: &[u8]) -> Outcome {
    let fixed = ["sign", "--endpoint", ENDPOINT, "--access-key-id", ID, "--timestamp", TIME];
    run(&[&fixed, arguments].concat(), &[("AWS_SECRET_ACCESS_KEY", SECRET)], input)
}

/// Verifies for `endpoint` at the time of signing.
fn verify_for(endpoint: &str, arguments: &[&str], form: &str) -> Outcome {
    let fixed = ["verify", "--endpoint", endpoint, "--at", TIME];
    run(&[&fixed, arguments].concat(), &[("AWS_SECRET_ACCESS_KEY", SECRET)], form.as_bytes())
}

fn verify(form: &str) -> Outcome {
    verify_for(ENDPOINT, &[], form)
}

/// `sent`, with the signature of `signed`.
fn with_signature_of(sent: &str, signed: &str) -> String {
    let key = SigningKey::new(&SecretAccessKey::new(SECRET.as_bytes()).unwrap());
    let signature = STANDARD.encode(key.mac(SignatureMethod::HmacSha256, signed.as_bytes()).as_bytes());
    format!("{sent}&Signature={}", percent::encode(&signature))
}

const QUERY: &str = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Action=ListJobs&Marker=a%20b&SignatureMethod=HmacSHA256\
    &SignatureVersion=2&Timestamp=2011-06-20T22%3A30%3A59.556Z&Version=2010-06-01";

/// A case whose form is refused before it is signed: a value has a line break that is not escaped.
const REFUSED: [&str; 1] = ["p-body-encoding-006"];

#[test]
fn every_vector_is_signed_as_independent_implementations_sign_it_and_verifies() {
    for line in include_str!("../vectors/sigv2.jsonl").lines() {
        let json: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| json[name].as_str().unwrap();
        let mut environment = vec![("AWS_SECRET_ACCESS_KEY", text("secret_key"))];
        environment.extend(json["session_token"].as_str().map(|token| ("AWS_SESSION_TOKEN", token)));
        let arguments = [
            ["sign", "--endpoint", text("endpoint"), "--access-key-id", text("access_key")].as_slice(),
            &["--timestamp", text("timestamp"), "--method", text("signature_method")],
        ]
        .concat();
        let signed = run(&arguments, &environment, text("body").as_bytes());
        if REFUSED.contains(&text("id")) {
            assert_eq!((signed.stdout.as_str(), signed.code), ("", 65), "{}", text("id"));
            continue;
        }
        let query = text("string_to_sign").splitn(4, '\n').nth(3).unwrap();
        let expected = format!("{query}&Signature={}\n", percent::encode(text("signature")));
        assert_eq!((signed.stdout.as_str(), signed.code), (expected.as_str(), 0), "{}", text("id"));
        assert_eq!(signed.stderr, "", "{}", text("id"));

        let arguments = ["verify", "--endpoint", text("endpoint"), "--at", text("timestamp")];
        let verified = run(&arguments, &environment, signed.stdout.as_bytes());
        assert_eq!(verified.code, 0, "{}: {}", text("id"), verified.stdout);
    }
}

#[test]
fn one_line_end_belongs_to_the_shell_and_no_more() {
    let expected = sign(&[], b"Action=ListJobs&Marker=a").stdout;
    for end in ["\n", "\r\n"] {
        assert_eq!(sign(&[], format!("Action=ListJobs&Marker=a{end}").as_bytes()).stdout, expected, "{end:?}");
    }
    for more in ["\n\n", "\r"] {
        let refused = sign(&[], format!("Action=ListJobs&Marker=a{more}").as_bytes());
        assert_eq!((refused.code, refused.stdout.as_str()), (65, ""), "{more:?}");
        assert!(refused.stderr.contains("line break at byte 24"), "{}", refused.stderr);
    }
}

#[test]
fn without_a_timestamp_the_form_is_signed_for_now() {
    let environment = [("AWS_SECRET_ACCESS_KEY", SECRET)];
    let signed = run(&["sign", "--endpoint", ENDPOINT, "--access-key-id", ID], &environment, b"Action=ListJobs").stdout;
    let verified = run(&["verify", "--endpoint", ENDPOINT], &environment, signed.as_bytes());
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    assert_eq!(
        verified.stdout,
        "verifies: signed by AKIAIOSFODNN7EXAMPLE with HmacSHA256 for host importexport.amazonaws.com, path /\n"
    );
}

#[test]
fn explain_prints_the_stages_on_standard_error_and_nothing_else_on_standard_output() {
    let explained = sign(&["--explain"], b"Version=2010-06-01&Marker=a+b&Action=ListJobs");
    assert_eq!(explained.stdout, sign(&[], b"Action=ListJobs&Marker=a+b&Version=2010-06-01").stdout);
    let expected = format!(
        "canonical query string:\n{QUERY}\n\nstring to sign:\nPOST\nimportexport.amazonaws.com\n/\n{QUERY}\n\n"
    );
    assert_eq!(explained.stderr, expected);
}

#[test]
fn a_session_token_comes_from_the_environment_or_the_argument() {
    let environment = [("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)];
    let arguments = ["sign", "--endpoint", ENDPOINT, "--access-key-id", ID, "--timestamp", TIME];
    let from_environment = run(&arguments, &environment, b"Action=ListJobs");
    let from_argument = sign(&["--session-token", TOKEN], b"Action=ListJobs");
    assert!(from_argument.stdout.contains(&format!("&SecurityToken={TOKEN}&")));
    assert_eq!(from_environment.stdout, from_argument.stdout);

    let empty = [("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", "")];
    assert_eq!(run(&arguments, &empty, b"Action=ListJobs").stdout, sign(&[], b"Action=ListJobs").stdout);

    let arguments = ["verify", "--endpoint", ENDPOINT, "--at", TIME];
    assert_eq!(run(&arguments, &environment, from_argument.stdout.as_bytes()).code, 0);
    let without = verify(&from_argument.stdout);
    let (verdict, causes) = verdict(&without);
    assert_eq!(verdict, "does not verify: the SecurityToken is not the one that belongs to the access key");
    assert!(causes.is_empty() && without.stdout.contains("the signature itself matches"), "{}", without.stdout);
}

#[test]
fn a_form_that_cannot_be_signed_is_a_data_error() {
    for (form, message) in [
        ("", "standard input is empty"),
        ("\n", "standard input is empty"),
        ("Version=1", "the form has no Action"),
        ("Action=ListJobs&a=%4", "`%` at byte 18"),
        ("Action=ListJobs&a=1&a=2", "parameter 'a' appears more than once"),
        ("Action=ListJobs&signature=1", "parameter 'signature' could be taken for the reserved parameter Signature"),
        ("Action=List%20Jobs", "not the name of an operation"),
    ] {
        let refused = sign(&[], form.as_bytes());
        assert_eq!((refused.code, refused.stdout.as_str()), (65, ""), "{form}");
        assert!(refused.stderr.starts_with("countersign: ") && refused.stderr.contains(message), "{}", refused.stderr);
    }
    assert_eq!(sign(&[], b"Action=\xff").code, 65);
    let longest = vec![b'&'; 16 * 1024 * 1024 + 1];
    assert!(sign(&[], &longest).stderr.contains("longer than 16 MiB"));
}

#[test]
fn arguments_that_cannot_be_are_a_usage_error() {
    let endpoint = ["--endpoint", ENDPOINT];
    let id = ["--access-key-id", ID];
    for arguments in [
        [&["sign"], endpoint.as_slice()].concat(),
        [&["sign"], id.as_slice()].concat(),
        [&["sign", "--endpoint", "ftp://h.example"], id.as_slice()].concat(),
        [&["sign", "--endpoint", "https://h.example/?x"], id.as_slice()].concat(),
        [&["sign", "--method", "HmacMD5"], endpoint.as_slice(), &id].concat(),
        [&["sign", "--timestamp", "yesterday"], endpoint.as_slice(), &id].concat(),
        [&["sign", "--config", "c.toml"], endpoint.as_slice(), &id].concat(),
        vec!["sign", "--config", "c.toml"],
        vec!["verify"],
        [&["verify", "--at", "yesterday"], endpoint.as_slice()].concat(),
    ] {
        let refused = run(&arguments, &[("AWS_SECRET_ACCESS_KEY", SECRET)], b"Action=ListJobs");
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn a_secret_that_is_missing_or_unusable_is_a_configuration_error_that_names_the_variable() {
    let signed = sign(&[], b"Action=ListJobs").stdout;
    for (environment, message) in [
        (vec![], "the environment variable AWS_SECRET_ACCESS_KEY, which is not set"),
        (vec![("AWS_SECRET_ACCESS_KEY", "")], "which is not set"),
        (vec![("AWS_SECRET_ACCESS_KEY", "marker-secret\n")], "AWS_SECRET_ACCESS_KEY has a line end after the value"),
        (vec![("AWS_SECRET_ACCESS_KEY", "\"marker-secret\"")], "AWS_SECRET_ACCESS_KEY has quotes around the value"),
        (vec![("AWS_SECRET_ACCESS_KEY", "marker\tsecret")], "AWS_SECRET_ACCESS_KEY has a character that no key has"),
        (
            vec![("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", "'marker-secret'")],
            "AWS_SESSION_TOKEN has quotes around the value",
        ),
        (
            vec![("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", "marker-secret x")],
            "AWS_SESSION_TOKEN has a character that no key has",
        ),
    ] {
        let commands = [
            run(&["sign", "--endpoint", ENDPOINT, "--access-key-id", ID], &environment, b"Action=ListJobs"),
            run(&["verify", "--endpoint", ENDPOINT, "--at", TIME], &environment, signed.as_bytes()),
        ];
        for refused in commands {
            assert_eq!((refused.code, refused.stdout.as_str()), (78, ""));
            assert!(refused.stderr.contains(message), "{}", refused.stderr);
            assert!(!refused.stderr.contains("marker-secret"), "{}", refused.stderr);
        }
    }
    let refused = sign(&["--session-token", "marker-secret x"], b"Action=ListJobs");
    assert_eq!(refused.code, 78);
    assert!(!refused.stderr.contains("marker-secret"), "{}", refused.stderr);
}

/// Amazon Elastic MapReduce Developer Guide, API version 2009-03-31, "Signing a request".
#[test]
fn the_worked_example_of_the_emr_guide_is_recognised_as_a_get() {
    let form = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Action=DescribeJobFlows&SignatureMethod=HmacSHA256\
        &SignatureVersion=2&Timestamp=2011-10-03T15%3A19%3A30&Version=2009-03-31\
        &Signature=i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf%2FMj6vPxyYIs%3D";
    let arguments = ["--at", "2011-10-03T15:20:00Z"];
    let endpoint = "https://elasticmapreduce.amazonaws.com";
    let found = run(
        &[&["verify", "--endpoint", endpoint], arguments.as_slice()].concat(),
        &[("AWS_SECRET_ACCESS_KEY", SECRET)],
        form.as_bytes(),
    );
    assert_eq!(found.code, 1);
    assert_eq!(
        found.stdout,
        "does not verify: the signature does not match\n  why: it was made for a GET request, and this is a POST\n  \
         do:  begin the string to sign with POST\n"
    );
}

#[test]
fn each_way_to_sign_wrongly_is_named() {
    let host = "importexport.amazonaws.com";
    for (sent, signed, cause) in [
        (QUERY, format!("GET\n{host}\n/\n{QUERY}"), "it was made for a GET request, and this is a POST"),
        (QUERY, format!("POST\n{host}:443\n/\n{QUERY}"), "with the scheme's default port"),
        (QUERY, format!("POST\n{host}\n\n{QUERY}"), "it was made with an empty path instead of `/`"),
        (QUERY, format!("POST\n{host}\n/\n{}", QUERY.replace("%20", "+")), "spaces were signed as `+`"),
        (QUERY, format!("POST\n{host}\n/\n{}", QUERY.replace("a%20b", "a%2Bb")), "a `+` was signed, but sent without"),
        (QUERY, format!("POST\n{host}\n/\n{}", QUERY.replace("&Marker=a%20b", "")), "parameter 'Marker' was added"),
        (QUERY, format!("POST\n{host}\n/\n{}", QUERY.replace(".556", "")), "Timestamp was signed in another notation"),
        (QUERY, format!("POST\n{host}\n/\n{}", QUERY.replace("a%20b", "c")), "no usual mistake explains it"),
    ] {
        let found = verify(&with_signature_of(sent, &signed));
        let (verdict, causes) = verdict(&found);
        assert_eq!((found.code, verdict), (1, "does not verify: the signature does not match"), "{cause}");
        assert!(matches!(causes.as_slice(), [only] if only.contains(cause)), "{cause}: {causes:?}");
        assert!(found.stdout.contains("\n  do:  "), "{}", found.stdout);
    }
}

#[test]
fn another_order_of_parameters_is_named() {
    let (access_key, action, marker) = (format!("AWSAccessKeyId={ID}"), "Action=ListJobs", "Marker=a%20b");
    let rest = QUERY.split_once(marker).unwrap().1;
    for (sent, signed, cause) in [
        (QUERY, format!("{action}&{access_key}&{marker}{rest}"), "sorted without regard to case"),
        (&format!("{marker}&{action}&{access_key}{rest}"), format!("{marker}&{action}&{access_key}{rest}"), "unsorted"),
        (&format!("{QUERY}&a=1&a.b=1"), format!("{QUERY}&a.b=1&a=1"), "sorted as whole `name=value` strings"),
    ] {
        let found = verify(&with_signature_of(sent, &format!("POST\nimportexport.amazonaws.com\n/\n{signed}")));
        let causes = verdict(&found).1;
        assert!(matches!(causes.as_slice(), [only] if only.contains(cause)), "{cause}: {causes:?}");
    }
}

#[test]
fn a_signature_in_another_shape_is_named() {
    let signed = format!("POST\nimportexport.amazonaws.com\n/\n{QUERY}");
    let key = SigningKey::new(&SecretAccessKey::new(SECRET.as_bytes()).unwrap());
    let [sha256, sha1] =
        [SignatureMethod::HmacSha256, SignatureMethod::HmacSha1].map(|method| key.mac(method, signed.as_bytes()));
    let hex: String = sha256.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    for (signature, cause) in [
        (STANDARD.encode(sha1.as_bytes()), "it is a HmacSHA1 MAC, and SignatureMethod names the other"),
        (hex, "the Signature is in hexadecimal"),
        (STANDARD.encode(&sha256.as_bytes()[..31]), "the Signature has 31 bytes once decoded"),
    ] {
        let found = verify(&format!("{QUERY}&Signature={}", percent::encode(&signature)));
        let causes = verdict(&found).1;
        assert!(matches!(causes.as_slice(), [only] if only.contains(cause)), "{cause}: {causes:?}");
    }
}

#[test]
fn a_token_that_was_added_after_signing_is_named() {
    let signed = format!("POST\nimportexport.amazonaws.com\n/\n{QUERY}");
    let form = with_signature_of(&format!("{QUERY}&SecurityToken={TOKEN}"), &signed);
    let environment = [("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)];
    let found = run(&["verify", "--endpoint", ENDPOINT, "--at", TIME], &environment, form.as_bytes());
    assert_eq!(verdict(&found).1, ["SecurityToken was added after signing, or left out of it"]);
    assert!(!found.stdout.contains(TOKEN) && !found.stderr.contains(TOKEN));
}

#[test]
fn the_hosts_and_paths_of_suspects_are_tried() {
    let form = with_signature_of(QUERY, &format!("POST\nlocalhost:8021\n/sdb\n{QUERY}"));
    assert!(verdict(&verify(&form)).1[0].starts_with("no usual mistake"));
    let found = verify_for(ENDPOINT, &["--suspect", "http://localhost:8021/sdb"], &form);
    assert_eq!(
        verdict(&found).1,
        ["it was made for another host, `localhost:8021`", "it was made for another path, `/sdb`"]
    );
    let form = with_signature_of(QUERY, &format!("POST\nImportExport.amazonaws.com\n/\n{QUERY}"));
    let found = verify_for("https://ImportExport.amazonaws.com", &[], &form);
    assert_eq!(verdict(&found).1, ["it was made for host `ImportExport.amazonaws.com`, not in lower case"]);
}

#[test]
fn a_clock_that_is_wrong_is_told_apart_from_a_wrong_signature() {
    let form = with_signature_of(QUERY, &format!("POST\nimportexport.amazonaws.com\n/\n{QUERY}"));
    let late = ["verify", "--endpoint", ENDPOINT, "--at", "2011-06-20T22:51:00Z"];
    let environment = [("AWS_SECRET_ACCESS_KEY", SECRET)];
    let found = run(&late, &environment, form.as_bytes());
    assert_eq!(found.code, 1);
    assert!(verdict(&found).0.contains("20 minutes behind the verifier's clock"), "{}", found.stdout);
    assert!(found.stdout.contains("the signature itself matches"), "{}", found.stdout);

    let form = with_signature_of(QUERY, &format!("GET\nimportexport.amazonaws.com\n/\n{QUERY}"));
    let found = run(&late, &environment, form.as_bytes());
    assert!(verdict(&found).0.ends_with("; and the signature does not match"), "{}", found.stdout);
    assert_eq!(verdict(&found).1, ["it was made for a GET request, and this is a POST"]);
}

#[test]
fn a_form_that_lacks_a_part_of_its_signature_does_not_verify_and_the_part_is_named() {
    let form = with_signature_of(QUERY, "");
    for (form, fault) in [
        ("Action=ListJobs".to_owned(), "the request is not signed: it has neither AWSAccessKeyId nor Signature"),
        (QUERY.to_owned(), "the request has no Signature parameter"),
        (form.replace("Timestamp=", "Time="), "the request has no Timestamp parameter"),
        (form.replace("SignatureVersion=2", "SignatureVersion=1"), "SignatureVersion is not 2"),
        (form.replace("HmacSHA256", "HmacMD5"), "SignatureMethod is neither HmacSHA256 nor HmacSHA1"),
        (form.replace("2011-06", "June"), "Timestamp is not an ISO 8601 date and time, e.g. 2011-06-20T22:30:59.556Z"),
        (format!("{QUERY}&Signature=ab+c"), "Signature is not base64"),
    ] {
        let found = verify(&form);
        assert_eq!(found.code, 1, "{fault}");
        assert_eq!(verdict(&found).0, format!("does not verify: {fault}"));
    }
}

#[test]
fn what_is_no_form_can_neither_verify_nor_fail_to() {
    for form in ["", "a=%", "a=%ff", "a=1&a=2", &format!("{}&Signature=AAAA", QUERY.replace(ID, ""))] {
        let refused = verify(form);
        assert_eq!((refused.code, refused.stdout.as_str()), (65, ""), "{form}");
    }
}
