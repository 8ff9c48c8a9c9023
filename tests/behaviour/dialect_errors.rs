//! Errors in every dialect: ours in the shape that its SDKs parse, and the endpoint's understood.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign::query::{blanked, percent};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{After, Answer, Draft, Endpoint, ID, Proxy, Received, SECRET, Setup, Vault};
use crate::outages::refusing;

const V4: &str = "profile = { dialect = \"aws-v4\", region = \"eu-central-1\", service = \"iam\" }";

/// A dialect that needs no other line.
fn profile(dialect: &str) -> String {
    if dialect == "aws-v4" { V4.to_owned() } else { format!("profile.dialect = \"{dialect}\"") }
}

/// The name of the parameter that names the operation.
fn operation(dialect: &str) -> &'static str {
    match dialect {
        "cloudstack" => "command",
        "qingcloud" => "action",
        _ => "Action",
    }
}

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.head.field("content-type"), Some("application/json"));
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

#[track_caller]
fn assert_xml(answer: &Answer, elements: &[(&str, &str)]) {
    assert_eq!(answer.head.field("content-type"), Some("text/xml;charset=utf-8"));
    for (name, text) in elements {
        assert_eq!(answer.element(name), *text, "{}", answer.text());
    }
}

#[test]
fn own_errors_have_the_shape_of_the_dialect_and_its_status() {
    let endpoint = Endpoint::obliging();
    let missing = "a=1";
    for dialect in ["aws-v2", "aws-v4", "openstack", "nifcloud", "eucalyptus"] {
        let proxy = Setup::to(&endpoint).route(&profile(dialect)).start();
        let answer = proxy.post(missing).expect(400);
        assert_xml(&answer, &[("Code", "MissingAction")]);
        let is_ec2 = ["nifcloud", "eucalyptus"].contains(&dialect);
        assert!(answer.text().starts_with(if is_ec2 { "<Response>" } else { "<ErrorResponse>" }), "{dialect}");
    }

    let proxy = Setup::to(&endpoint).route(&profile("cloudstack")).start();
    let answer = proxy.post(missing).expect(400);
    assert_xml(&answer, &[("errorcode", "432")]);
    assert!(answer.element("errortext").starts_with("MissingAction: "), "{}", answer.text());
    assert!(answer.text().contains("<errorresponse>"), "{}", answer.text());
    for form in ["command=listZones&a=1&a=2&response=json", "command=listZones&response=JSON&a=1&a=2&b=%"] {
        let document = json_of(&proxy.post(form).expect(400));
        let error = document.as_object().unwrap().values().next().unwrap();
        assert!(error["errorcode"].is_u64() && error["errortext"].is_string(), "{document}");
    }
    let answer = proxy.post("command=listZones&a=1&a=2").expect(400);
    assert_xml(&answer, &[("errorcode", "431")]);

    let proxy = Setup::to(&endpoint).route(&profile("alibaba-rpc")).start();
    assert_xml(&proxy.post(missing).expect(400), &[("Code", "MissingParameter"), ("HostId", "countersign")]);
    let answer = proxy.post("Action=DescribeRegions&Format=JSON&a=1&a=2").expect(400);
    let document = json_of(&answer);
    assert_eq!((&document["Code"], answer.head.field("x-proxy-sent")), (&json!("InvalidParameter"), Some("no")));
    assert_eq!(document["RequestId"].as_str(), answer.head.field("countersign-request-id"));

    let proxy = Setup::to(&endpoint).route(&profile("qingcloud")).start();
    let answer = proxy.post(missing).expect(200);
    let document = json_of(&answer);
    assert_eq!(document["ret_code"], json!(1100));
    let message = document["message"].as_str().unwrap();
    assert!(message.starts_with("MissingAction: "), "{message}");
    assert!(answer.head.field("proxy-status").unwrap().contains("details=\"MissingAction\""));

    let proxy = Setup::to(&endpoint).route(&profile("tencent-v1")).start();
    let answer = proxy.post(missing).expect(200);
    let document = json_of(&answer);
    assert_eq!(document["Response"]["Error"]["Code"], json!("MissingParameter"));
    assert_eq!(document["Response"]["RequestId"].as_str(), answer.head.field("countersign-request-id"));
    assert!(endpoint.requests().is_empty());
    // what was sent is logged, under our own code
    let line = proxy.log.json("a refusal", |line| line["code"] == "MissingAction");
    assert_eq!(line["status"], json!(200), "{line}");
}

#[test]
fn the_clouds_whose_sdks_repeat_every_status_get_a_code_that_they_do_not_repeat() {
    let cutting = Endpoint::scripted(|_| After::Close);
    for (dialect, code) in [("qingcloud", json!(5900)), ("tencent-v1", json!("ProxyOutcomeUnknown"))] {
        let proxy = Setup::to(&cutting).route(&profile(dialect)).start();
        let answer = proxy.post(&format!("{}=RunInstances", operation(dialect))).expect(200);
        assert_eq!(answer.head.field("x-proxy-sent"), Some("yes"));
        let document = json_of(&answer);
        let found = document.get("ret_code").unwrap_or_else(|| &document["Response"]["Error"]["Code"]);
        assert_eq!(*found, code, "{document}");
    }
    for dialect in ["cloudstack", "alibaba-rpc"] {
        let proxy = Setup::to(&cutting).route(&profile(dialect)).start();
        proxy.post(&format!("{}=deployVirtualMachine", operation(dialect))).expect(409);
    }
}

#[test]
fn a_client_that_is_refused_before_its_form_is_read_gets_the_usual_notation() {
    let endpoint = Endpoint::obliging();
    for (dialect, status) in [("cloudstack", 405), ("alibaba-rpc", 405), ("qingcloud", 200), ("tencent-v1", 200)] {
        let proxy = Setup::to(&endpoint).route(&profile(dialect)).start();
        let answer = proxy.call(&Draft::form("a=1").line("PUT / HTTP/1.1")).expect(status);
        assert_eq!(answer.head.field("allow"), Some("POST"));
        let is_xml = ["cloudstack", "alibaba-rpc"].contains(&dialect);
        let media_type = if is_xml { "text/xml;charset=utf-8" } else { "application/json" };
        assert_eq!(answer.head.field("content-type"), Some(media_type), "{dialect}");
    }
}

/// An endpoint's refusal.
struct Refusal {
    dialect: &'static str,
    status: &'static str,
    document: &'static str,
    /// The cause in log and metric while the clocks agree.
    cause: &'static str,
    /// Whether a request is signed anew when the clocks are an hour apart.
    may_be_time: bool,
}

const CLOUDSTACK_SAYS: &str = "unable to verify user credentials and/or request signature";

/// The refusals of the clouds, as they write them.
const REFUSALS: [Refusal; 19] = [
    Refusal {
        dialect: "aws-v4",
        status: "403 Forbidden",
        document: "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>\
                   SignatureDoesNotMatch</Code><Message>Signature expired: 20260101T000000Z is now earlier than \
                   20260101T001000Z (20260101T001500Z - 5 min.)</Message></Error></ErrorResponse>",
        cause: "clock",
        may_be_time: true,
    },
    Refusal {
        dialect: "aws-v4",
        status: "403 Forbidden",
        document: "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Signature not \
                   yet current: 20260101T003000Z is still later than 20260101T002000Z (20260101T001500Z + 5 \
                   min.)</Message></Error></ErrorResponse>",
        cause: "clock",
        may_be_time: true,
    },
    Refusal {
        dialect: "aws-v4",
        status: "403 Forbidden",
        document: "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Credential \
                   should be scoped to a valid region, not 'eu-central-1'. </Message></Error></ErrorResponse>",
        cause: "scope",
        may_be_time: true,
    },
    Refusal {
        dialect: "aws-v4",
        status: "401 Unauthorized",
        document: "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to validate the provided \
                   access credentials</Message></Error></Errors><RequestID>r</RequestID></Response>",
        cause: "unknown",
        may_be_time: true,
    },
    Refusal {
        dialect: "aws-v4",
        status: "403 Forbidden",
        document: "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security \
                   token included in the request is invalid.</Message></Error></ErrorResponse>",
        cause: "key_id",
        may_be_time: false,
    },
    Refusal {
        dialect: "openstack",
        status: "403 Forbidden",
        document: "<ErrorResponse><Error><Message>User is not authorized to perform action</Message><Code>AccessDenied\
                   </Code><Type>Sender</Type></Error></ErrorResponse>",
        cause: "unknown",
        may_be_time: true,
    },
    Refusal {
        dialect: "cloudstack",
        status: "401 Unauthorized",
        document: "<?xml version=\"1.0\" encoding=\"UTF-8\"?><listzonesresponse cloud-stack-version=\"4.19.0.0\">\
                   <uuidList></uuidList><errorcode>401</errorcode><cserrorcode></cserrorcode><errortext>unable to \
                   verify user credentials and/or request signature</errortext></listzonesresponse>",
        cause: "unknown",
        may_be_time: true,
    },
    Refusal {
        dialect: "cloudstack",
        status: "401 Unauthorized",
        document: "{\"listzonesresponse\":{\"uuidList\":[],\"errorcode\":401,\"errortext\":\"unable to verify user \
                   credentials and/or request signature\"}}",
        cause: "unknown",
        may_be_time: true,
    },
    Refusal {
        dialect: "alibaba-rpc",
        status: "400 Bad Request",
        document: "{\"RequestId\":\"r\",\"HostId\":\"ecs.aliyuncs.com\",\"Code\":\"InvalidTimeStamp.Expired\",\
                   \"Message\":\"Specified time stamp or date value is expired.\"}",
        cause: "clock",
        may_be_time: true,
    },
    Refusal {
        dialect: "alibaba-rpc",
        status: "400 Bad Request",
        document: "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>r</RequestId><HostId>ecs.aliyuncs.com\
                   </HostId><Code>InvalidTimeStamp.Expired</Code><Message>Specified time stamp or date value is \
                   expired.</Message></Error>",
        cause: "clock",
        may_be_time: true,
    },
    Refusal {
        dialect: "alibaba-rpc",
        status: "400 Bad Request",
        document: "{\"Code\":\"SignatureDoesNotMatch\",\"Message\":\"Specified signature is not matched with our \
                   calculation. server string to sign is:POST&%2F&Action%3DOther\"}",
        cause: "parameters",
        may_be_time: true,
    },
    Refusal {
        dialect: "alibaba-rpc",
        status: "404 Not Found",
        document: "{\"Code\":\"InvalidAccessKeyId.NotFound\",\"Message\":\"Specified access key is not found.\"}",
        cause: "key_id",
        may_be_time: false,
    },
    Refusal {
        dialect: "qingcloud",
        status: "200 OK",
        document: "{\"message\":\"RequestHasExpired, timestamp [x] is expired\",\"ret_code\":1300}",
        cause: "clock",
        may_be_time: true,
    },
    Refusal {
        dialect: "qingcloud",
        status: "200 OK",
        document: "{\"message\":\"AuthFailure, signature not matched\",\"ret_code\":1200}",
        cause: "unknown",
        may_be_time: true,
    },
    Refusal {
        dialect: "qingcloud",
        status: "401 Unauthorized",
        document: "{\"message\":\"AuthFailure, signature not matched\",\"ret_code\":1200}",
        cause: "unknown",
        may_be_time: true,
    },
    Refusal {
        dialect: "tencent-v1",
        status: "200 OK",
        document: "{\"Response\":{\"Error\":{\"Code\":\"AuthFailure.SignatureExpire\",\"Message\":\"m\"},\
                   \"RequestId\":\"r\"}}",
        cause: "clock",
        may_be_time: true,
    },
    Refusal {
        dialect: "tencent-v1",
        status: "200 OK",
        document: "{\"Response\":{\"Error\":{\"Code\":\"AuthFailure.SignatureFailure\",\"Message\":\"m\"},\
                   \"RequestId\":\"r\"}}",
        cause: "unknown",
        may_be_time: true,
    },
    Refusal {
        dialect: "tencent-v1",
        status: "200 OK",
        document: "{\"Response\":{\"Error\":{\"Code\":\"AuthFailure.SecretIdNotFound\",\"Message\":\"m\"},\
                   \"RequestId\":\"r\"}}",
        cause: "key_id",
        may_be_time: false,
    },
    Refusal {
        dialect: "tencent-v1",
        status: "400 Bad Request",
        document: "{\"Response\":{\"Error\":{\"Code\":\"AuthFailure.SignatureExpire\",\"Message\":\"m\"},\
                   \"RequestId\":\"r\"}}",
        cause: "clock",
        may_be_time: true,
    },
];

/// An answer by an endpoint whose clock is so far ahead.
fn dated(status: &str, document: &str, ahead: SignedDuration) -> Vec<u8> {
    let date = countersign::clock::now() + ahead;
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    format!("HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n{document}", document.len()).into_bytes()
}

/// Refuses the first request, and answers the others.
fn refusing_once(status: &'static str, document: &'static str, ahead: SignedDuration) -> Endpoint {
    let seen = AtomicUsize::new(0);
    Endpoint::scripted(move |exchange| {
        let is_first = seen.fetch_add(1, Ordering::SeqCst) == 0;
        exchange.write(&if is_first { dated(status, document, ahead) } else { dated("200 OK", "{}", ahead) });
        After::KeepOpen
    })
}

fn refusals(proxy: &Proxy, cause: &str) -> f64 {
    proxy.metric(&format!("countersign_signature_refusals_total{{route=\"importexport\",cause=\"{cause}\"}}"))
}

#[test]
fn the_refusals_of_each_dialect_are_named_and_those_for_the_time_are_signed_anew() {
    assert!(REFUSALS.iter().any(|refusal| refusal.document.contains(CLOUDSTACK_SAYS)));
    for Refusal { dialect, status, document, cause, may_be_time } in REFUSALS {
        // an Action that must not be carried out twice
        let form = format!("{}=CreateThings", operation(dialect));
        let endpoint = refusing_once(status, document, SignedDuration::ZERO);
        let proxy = Setup::to(&endpoint).route(&profile(dialect)).start();
        let answer = proxy.post(&form);
        assert_eq!((answer.status.to_string(), answer.text()), (status[..3].to_owned(), document.to_owned()));
        let line = proxy.log.json("a warning", |line| line["target"] == "countersign::signature");
        assert_eq!(line["cause"], json!(cause), "{dialect} {document}");
        assert_eq!((refusals(&proxy, cause), endpoint.requests().len()), (1.0, 1), "{dialect} {document}");

        let endpoint = refusing_once(status, document, SignedDuration::from_hours(1));
        let proxy = Setup::to(&endpoint).route(&profile(dialect)).start();
        let answer = proxy.post(&form);
        if may_be_time {
            assert_eq!((answer.status, answer.text().as_str()), (200, "{}"), "{dialect} {document}");
        }
        let expected = if may_be_time { 2 } else { 1 };
        assert_eq!(endpoint.requests().len(), expected, "{dialect} {document}");
    }
}

#[test]
fn a_success_of_a_cloud_that_refuses_with_200_is_passed_on_as_it_is() {
    let refusal = r#"{"ret_code":1300,"Response":{"Error":{"Code":"AuthFailure.SignatureExpire"}}}"#;
    let padded = format!("{refusal}{}", " ".repeat(4096));
    let hour = SignedDuration::from_hours(1);
    let chunked = {
        let head = String::from_utf8(dated("200 OK", "", hour)).unwrap();
        let head = head.replace("Content-Length: 0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n");
        format!("{head}{:x}\r\n{refusal}\r\n0\r\n\r\n", refusal.len()).into_bytes()
    };
    for dialect in ["qingcloud", "tencent-v1"] {
        let success = r#"{"ret_code":0,"Response":{"RequestId":"r"}}"#;
        for (bytes, body) in [
            (dated("200 OK", success, hour), success),
            (dated("200 OK", "", hour), ""),
            (dated("200 OK", "not JSON", hour), "not JSON"),
            // longer than a refusal is, and one whose length is not announced
            (dated("200 OK", &padded, hour), padded.as_str()),
            (chunked.clone(), refusal),
        ] {
            let endpoint = Endpoint::saying(&bytes, After::KeepOpen);
            let proxy = Setup::to(&endpoint).route(&profile(dialect)).start();
            let answer = proxy.post(&format!("{}=DescribeThings", operation(dialect))).expect(200);
            assert_eq!((answer.text().as_str(), endpoint.requests().len()), (body, 1), "{dialect}");
            assert_eq!(proxy.metric_sum("countersign_signature_refusals_total{"), 0.0, "{dialect}");
        }
    }
    // the success of another dialect is not looked at
    let endpoint =
        Endpoint::saying(&dated("200 OK", "<Error><Code>RequestExpired</Code></Error>", hour), After::KeepOpen);
    let proxy = Setup::to(&endpoint).start();
    proxy.post("Action=GetStatus").expect(200);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_used_nonce_is_replaced_once_where_the_action_is_safe_to_repeat() {
    const USED: &str = "{\"Code\":\"SignatureNonceUsed\",\"Message\":\"Specified signature nonce was used already.\"}";
    let endpoint = refusing_once("400 Bad Request", USED, SignedDuration::ZERO);
    let proxy = Setup::to(&endpoint).route(&profile("alibaba-rpc")).start();
    proxy.post("Action=DescribeRegions").expect(200);
    let [first, second] = &endpoint.requests()[..] else { panic!("two requests") };
    assert_ne!(first.parameter("SignatureNonce"), second.parameter("SignatureNonce"));

    let always = Endpoint::saying(&dated("400 Bad Request", USED, SignedDuration::ZERO), After::KeepOpen);
    for (action, requests) in [("DescribeRegions", 2), ("RunInstances", 1)] {
        let before = always.requests().len();
        let proxy = Setup::to(&always).route(&profile("alibaba-rpc")).start();
        assert_eq!(proxy.post(&format!("Action={action}")).expect(400).text(), USED);
        assert_eq!(always.requests().len() - before, requests, "{action}");
        assert_eq!(refusals(&proxy, "nonce"), 1.0);
    }
}

const UNUSABLE: &str = "there is no usable key: requests are answered with 503";

#[test]
fn a_refusal_with_status_200_proves_no_key() {
    for (dialect, refusal, code) in [
        ("qingcloud", "{\"message\":\"AuthFailure\",\"ret_code\":1200}", "1200"),
        (
            "tencent-v1",
            "{\"Response\":{\"Error\":{\"Code\":\"AuthFailure.SecretIdNotFound\"}}}",
            "AuthFailure.SecretIdNotFound",
        ),
    ] {
        let endpoint = Endpoint::saying(&dated("200 OK", refusal, SignedDuration::ZERO), After::KeepOpen);
        let form = format!("{}=DescribeThings", operation(dialect));
        let route = format!("{}\nprobe = \"{form}\"", profile(dialect));
        let proxy = Setup::to(&endpoint).route(&route).start();
        let line = proxy.log.json("error", |line| line["message"] == UNUSABLE);
        assert!(line["error"].as_str().unwrap().ends_with(&format!("was answered with 200 {code}")), "{line}");
        proxy.admin("/readyz").expect(503);
        let document = json_of(&proxy.post(&form).expect(200)).to_string();
        assert!(document.contains("ServiceUnavailable"), "{document}");
    }
}

/// As long as those of AWS, with every character that has more than one spelling.
const TOKEN: &str = "IQoJb3JpZ2luX2VjEL3//////////wEaCXVzLWVhc3QtMSJHMEUCIQDz+4k/SvQ0marker+of/EXAMPLE==";

fn encoded(text: &str) -> String {
    percent::encode(text)
}

/// What AWS repeats of a request: its canonical request, in which the token stands as it is.
fn canonical_request(request: &Received) -> String {
    let field = |name: &str| request.head.field(name).unwrap().to_owned();
    let names = ["content-type", "host", "x-amz-date", "x-amz-security-token", "x-countersign-id"];
    let lines: String = names.iter().map(|name| format!("{name}:{}\n", field(name))).collect();
    format!("POST\n/\n\n{lines}\n{}\n{}", names.join(";"), "0".repeat(64))
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('\'', "&#39;")
}

/// As some write what stands in XML.
fn xml_with_references(text: &str) -> String {
    xml(text).replace('+', "&#x2B;").replace('/', "&#x2F;").replace('=', "&#61;")
}

fn aws(echo: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The request signature we \
         calculated does not match the signature you provided.\n\nThe Canonical String for this request should have \
         been\n'{echo}'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256'\n</Message></Error></ErrorResponse>"
    )
}

/// What Alibaba Cloud repeats: the form encoded once more, so that the token is encoded twice.
fn alibaba_string(request: &Received) -> String {
    let form = request.text().split("&Signature=").next().unwrap().to_owned();
    assert!(form.contains(&encoded(TOKEN)));
    format!("POST&%2F&{}", encoded(&form))
}

#[test]
fn no_clouds_refusal_tells_a_client_the_session_token() {
    type Refuse = fn(&Received) -> String;
    let cases: [(&str, &str, Refuse); 10] = [
        ("aws-v4", "403 Forbidden", |request| aws(&xml(&canonical_request(request)))),
        ("aws-v4", "403 Forbidden", |request| aws(&xml_with_references(&canonical_request(request)))),
        ("aws-v4", "400 Bad Request", |request| {
            json!({"__type": "SignatureDoesNotMatch", "message": canonical_request(request)}).to_string()
        }),
        ("eucalyptus", "403 Forbidden", |request| aws(&xml(request.text()))),
        ("alibaba-rpc", "400 Bad Request", |request| {
            format!(
                "<Error><Code>SignatureDoesNotMatch</Code><Message>server string to sign is:{}</Message></Error>",
                xml(&alibaba_string(request))
            )
        }),
        ("alibaba-rpc", "400 Bad Request", |request| {
            let message = format!("server string to sign is:{}", alibaba_string(request));
            json!({"Code": "SignatureDoesNotMatch", "Message": message}).to_string()
        }),
        ("alibaba-rpc", "400 Bad Request", |request| {
            let message = alibaba_string(request).replace('%', "\\u0025").replace('&', "\\u0026");
            format!("{{\"Code\":\"SignatureDoesNotMatch\",\"Message\":\"server string to sign is:{message}\"}}")
        }),
        ("alibaba-rpc", "400 Bad Request", |_| {
            let token = TOKEN.replace('/', "\\/").replace('+', "\\u002b").replace('=', "\\u003D");
            format!("{{\"Code\":\"InvalidSecurityToken.Malformed\",\"Message\":\"token {token}\"}}")
        }),
        ("tencent-v1", "200 OK", |_| {
            let token = TOKEN.replace('/', "\\u002f");
            format!("{{\"Response\":{{\"Error\":{{\"Code\":\"AuthFailure.TokenFailure\",\"Message\":\"{token}\"}}}}}}")
        }),
        ("qingcloud", "200 OK", |request| json!({"ret_code": 1200, "message": request.text()}).to_string()),
    ];
    for (dialect, status, refuse) in cases {
        let endpoint = Endpoint::scripted(move |exchange| {
            let document = refuse(exchange.request);
            exchange.write(&dated(status, &document, SignedDuration::ZERO));
            After::KeepOpen
        });
        let vault = Vault::empty();
        vault.publish(ID, SECRET, &format!(r#","SessionToken":"{TOKEN}","Expiration":"2100-01-01T00:00:00Z""#));
        let proxy = Setup::to(&endpoint).vault(vault).route(&profile(dialect)).start();
        let answer = proxy.post(&format!("{}=DescribeThings&Note=a%2Fb", operation(dialect)));
        let written = refuse(&endpoint.only_request());
        assert!(blanked(written.as_bytes(), TOKEN).is_some(), "the test's own refusal has the token: {written}");
        assert_eq!(answer.status.to_string(), status[..3]);
        assert!(answer.text().contains("SESSION_TOKEN_WITHHELD"), "{dialect}: {}", answer.text());
        assert_eq!(blanked(answer.body.as_slice(), TOKEN), None, "{dialect}: {}", answer.text());
        assert_eq!(answer.head.field("content-length"), Some(answer.body.len().to_string().as_str()));
    }
}

#[test]
fn what_differs_in_a_canonical_request_is_named_and_no_value_is_shown() {
    type Change = fn(String) -> String;
    let cases: [(Change, &str, Option<&str>); 5] = [
        (|text| text.replacen("\nhost:", "\nhost:marker.", 1), "host", Some("another host")),
        (
            |text| text.replacen("charset=utf-8", "charset=marker", 1),
            "fields",
            Some("other contents of the header field 'content-type'"),
        ),
        (|text| text.replacen("\n/\n\n", "\n/\nAction=marker\n", 1), "parameters", Some("another query string")),
        (|text| format!("{}{}", &text[..text.len() - 64], "f".repeat(64)), "parameters", Some("another form")),
        (|text| text, "key", None),
    ];
    for (change, cause, endpoint_has) in cases {
        let endpoint = Endpoint::scripted(move |exchange| {
            let request = exchange.request;
            let field = |name: &str| request.head.field(name).unwrap();
            let names = ["content-type", "host", "x-amz-date", "x-countersign-id"];
            let lines: String = names.iter().map(|name| format!("{name}:{}\n", field(name))).collect();
            let hash = sha256(&request.body);
            let text = change(format!("POST\n/\n\n{lines}\n{}\n{hash}", names.join(";")));
            exchange.write(&dated("403 Forbidden", &aws(&xml(&text)), SignedDuration::ZERO));
            After::KeepOpen
        });
        let proxy = Setup::to(&endpoint).route(V4).start();
        proxy.post("Action=GetUser&UserName=secret-name").expect(403);
        let line = proxy.log.json("a warning", |line| line["target"] == "countersign::signature");
        assert_eq!((line["cause"].as_str(), line["endpoint_has"].as_str()), (Some(cause), endpoint_has), "{line}");
        assert!(!line.to_string().contains("marker") && !line.to_string().contains("secret-name"), "{line}");
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_service_that_cannot_be_reached_is_told_in_every_shape() {
    let (_held, nobody) = refusing();
    for (dialect, status, says) in [
        ("cloudstack", 502, "<errorcode>503</errorcode>"),
        ("alibaba-rpc", 502, "<Code>ProxyUpstreamUnreachable</Code>"),
        ("qingcloud", 200, "\"ret_code\":5100"),
        ("tencent-v1", 200, "\"Code\":\"ProxyUpstreamUnreachable\""),
    ] {
        let proxy = Setup::to_url(&format!("http://{nobody}/")).route(&profile(dialect)).start();
        let answer = proxy.post(&format!("{}=DescribeThings", operation(dialect))).expect(status);
        assert!(answer.text().contains(says), "{dialect}: {}", answer.text());
    }
}
