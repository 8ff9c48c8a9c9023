//! Signatures that the endpoint refuses: the cause is named in log and metric, and the answer passes unchanged.

use countersign::clock;
use countersign::query::{FormLimits, Parameters, percent};
use countersign::signing::SigningTarget;
use countersign::signing::verify::SignatureClaim;

use crate::harness::{After, Endpoint, Exchange, ID, OTHER_SECRET, Proxy, SECRET, Setup};

/// A value that must not be seen anywhere.
const FORM: &str = "Action=GetStatus&JobId=marker%20value&Version=2010-06-03";

/// An endpoint that says what it would have signed, after `change`, to requests whose signature it does not accept.
fn verifying(secret: &'static str, change: fn(String) -> String) -> Endpoint {
    Endpoint::scripted(move |exchange| {
        let expected = change(expected(exchange));
        let accepted = exchange.request.verify(ID, secret, None).is_ok() && expected == self::expected(exchange);
        let answer = if accepted { answer("200 OK", "<Done/>") } else { answer("403 Forbidden", &refusal(&expected)) };
        exchange.write(answer.as_bytes());
        After::KeepOpen
    })
}

fn expected(exchange: &Exchange<'_>) -> String {
    let parameters = Parameters::parse(&exchange.request.body, FormLimits::DEFAULT).unwrap();
    let claim = SignatureClaim::read(&parameters).unwrap();
    let host = exchange.request.head.field("host").unwrap().to_owned();
    String::from_utf8(claim.string_to_sign(&SigningTarget { host, path: "/".to_owned() })).unwrap()
}

fn refusal(expected: &str) -> String {
    let expected = quick_xml::escape::escape(expected);
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The request signature we \
         calculated does not match the signature you provided.\n\nThe Canonical String for this request should have \
         been\n'{expected}'\n</Message></Error></ErrorResponse>"
    )
}

fn answer(status: &str, body: &str) -> String {
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&clock::now()).unwrap();
    format!("HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[track_caller]
fn assert_named(proxy: &Proxy, cause: &str, endpoint_has: Option<&str>) {
    let line = proxy.log.json("a warning", |line| line["target"] == "countersign::signature");
    assert_eq!((line["level"].as_str(), line["cause"].as_str()), (Some("WARN"), Some(cause)), "{line}");
    assert_eq!(line["endpoint_has"].as_str(), endpoint_has, "{line}");
    let sample = format!("countersign_signature_refusals_total{{route=\"importexport\",cause=\"{cause}\"}}");
    assert_eq!(proxy.metric(&sample), 1.0, "{sample}");
    for text in [line.to_string(), proxy.admin("/metrics").text()] {
        assert!(!text.contains("marker") && !text.contains("2010-06-03"), "{text}");
    }
}

#[test]
fn the_cause_of_a_refused_signature_is_named_and_the_answer_is_the_endpoints() {
    type Change = fn(String) -> String;
    let unchanged: Change = |text| text;
    let cases: [(&'static str, Change, &str, Option<&str>); 6] = [
        (OTHER_SECRET, unchanged, "key", None),
        (SECRET, |text| text.replacen("127.0.0.1", "10.0.0.1", 1), "host", Some("another host")),
        (SECRET, |text| text.replacen("\n/\n", "\n/v1/\n", 1), "path", Some("another path")),
        (
            SECRET,
            |text| text.replace("%20", "+"),
            "encoding",
            Some("another percent-encoding of 'JobId' (spaces were signed as `+` there)"),
        ),
        (SECRET, |text| text.replace("marker", "other"), "parameters", Some("other contents of 'JobId'")),
        (SECRET, |_| "nothing that can be compared".to_owned(), "unknown", None),
    ];
    for (secret, change, cause, endpoint_has) in cases {
        let endpoint = verifying(secret, change);
        let proxy = Setup::to(&endpoint).start();
        let answer = proxy.post(FORM).expect(403);
        let sent = endpoint.only_request();
        assert!(sent.text().contains(&percent::encode("marker value")));
        assert_eq!(
            (answer.element("Code").as_str(), answer.head.field("x-proxy-sent")),
            ("SignatureDoesNotMatch", None)
        );
        assert!(answer.text().ends_with("'\n</Message></Error></ErrorResponse>"), "{}", answer.text());
        assert_named(&proxy, cause, endpoint_has);
    }
}

#[test]
fn a_signature_that_is_accepted_is_not_spoken_of() {
    let proxy = Setup::to(&verifying(SECRET, |text| text)).start();
    proxy.post(FORM).expect(200);
    assert_eq!(proxy.metric_sum("countersign_signature_refusals_total{"), 0.0);
}
