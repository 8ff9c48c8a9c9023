//! What the endpoint receives: one request, signed, written anew, with nothing of the client's but its parameters.

use crate::harness::{Draft, Endpoint, FORM, ID, OTHER_SECRET, SECRET, Setup, Vault, endpoint};

const TOKEN: &str = "AQoDYXdzEJrEXAMPLETOKEN";

#[test]
fn the_reference_request_arrives_once_signed_and_in_canonical_order() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let answer = proxy.post(FORM).expect(200);
    assert_eq!(answer.text(), "<Done/>");

    let request = endpoint.only_request();
    assert_eq!(request.head.first_line, "POST / HTTP/1.1");
    assert_eq!(request.head.names(), ["content-length", "content-type", "host", "user-agent", "via"]);
    assert_eq!(request.head.field("host"), Some(endpoint.address.to_string().as_str()));
    assert_eq!(request.head.field("content-type"), Some("application/x-www-form-urlencoded; charset=utf-8"));
    assert_eq!(request.head.field("via"), Some("1.1 countersign"));
    let names: Vec<String> = request.parameters().into_iter().map(|(name, _)| name).collect();
    let canonical = [
        "AWSAccessKeyId",
        "Action",
        "JobId",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
        "Version",
        "Signature",
    ];
    assert_eq!(names, canonical);
    let start = format!(
        "AWSAccessKeyId={ID}&Action=GetStatus&JobId=JOBID&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=20"
    );
    assert!(request.text().starts_with(&start), "{}", request.text());
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
    // the verification can fail: it is this key's signature and no other's
    assert!(request.verify(ID, OTHER_SECRET, None).is_err());
}

#[test]
fn nothing_of_the_clients_head_or_trailers_is_passed_on_but_listed_fields() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(r#"forward_headers = ["x-request-id", "traceparent"]"#).start();
    let mut draft = Draft::form(FORM).unframed().field("Transfer-Encoding", "chunked").field("Trailer", "X-Request-Id");
    for (name, value) in [
        ("Authorization", "AWS4-HMAC-SHA256 Credential=CLIENT"),
        ("Cookie", "session=CLIENT"),
        ("X-Amz-Security-Token", "CLIENT"),
        ("X-Amz-Date", "20110620T223059Z"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Host", "CLIENT"),
        ("Forwarded", "for=192.0.2.1"),
        ("User-Agent", "CLIENT"),
        ("Accept", "text/CLIENT"),
        ("Accept-Encoding", "gzip"),
        ("Via", "1.1 CLIENT"),
        ("Connection", "traceparent"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Request-Id", "r-1"),
        ("traceparent", "claimed by Connection"),
    ] {
        draft = draft.field(name, value);
    }
    let chunks = format!("{:x};extension=CLIENT\r\n{FORM}\r\n0\r\nX-Request-Id: CLIENT\r\n\r\n", FORM.len());
    proxy.call(&draft.body(chunks.as_bytes())).expect(200);

    let request = endpoint.only_request();
    assert_eq!(request.head.names(), ["content-length", "content-type", "host", "user-agent", "via", "x-request-id"]);
    assert_eq!(request.head.field("x-request-id"), Some("r-1"));
    let ours = concat!("countersign/", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.head.field("user-agent"), Some(ours));
    assert!(!format!("{request:?}").contains("CLIENT"), "{request:?}");
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
}

#[test]
fn the_endpoint_learns_which_program_calls_ours_or_the_clients_where_that_is_listed() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(r#"forward_headers = ["user-agent"]"#).start();
    proxy.call(&Draft::form(FORM).field("User-Agent", "aws-cli/2.0")).expect(200);
    proxy.call(&Draft::form(FORM)).expect(200);
    let agents: Vec<_> = endpoint.requests().iter().map(|r| r.head.field("user-agent").map(str::to_owned)).collect();
    let ours = concat!("countersign/", env!("CARGO_PKG_VERSION"));
    assert_eq!(agents, [Some("aws-cli/2.0".to_owned()), Some(ours.to_owned())]);
}

#[test]
fn a_form_in_many_chunks_arrives_in_one_piece_with_its_length() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let mut chunks: Vec<u8> = FORM.bytes().flat_map(|byte| [b'1', b'\r', b'\n', byte, b'\r', b'\n']).collect();
    chunks.extend_from_slice(b"0\r\n\r\n");
    let draft = Draft::form("").unframed().field("Transfer-Encoding", "chunked").body(&chunks);
    proxy.call(&draft).expect(200);
    let request = endpoint.only_request();
    assert_eq!(request.head.field("content-length"), Some(request.body.len().to_string().as_str()));
    assert_eq!(request.parameter("JobId"), "JOBID");
}

#[test]
fn the_clients_own_authentication_is_replaced() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let form = format!(
        "{FORM}&AWSAccessKeyId=placeholder&Signature=bm9uZQ%3D%3D&SignatureMethod=HmacSHA1&SignatureVersion=1\
         &Timestamp=2001-01-01T00%3A00%3A00Z&Expires=2100-01-01T00%3A00%3A00Z&SecurityToken=placeholder\
         &X-Amz-Signature=placeholder&X-Amz-Credential=placeholder"
    );
    proxy.post(&form).expect(200);
    let request = endpoint.only_request();
    assert_eq!(request.parameters().len(), 8, "{}", request.text());
    assert!(!request.text().contains("placeholder"), "{}", request.text());
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
}

#[test]
fn values_are_decoded_once_and_escaped_anew_without_loss() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    proxy.post("Action=GetStatus&b=1+2%2b3&%61=%7e%2F/;%23#&manifest=a%0d%0ab&name=%c3%a9&z").expect(200);
    let request = endpoint.only_request();
    for (name, value) in [("b", "1 2+3"), ("a", "~//;##"), ("manifest", "a\r\nb"), ("name", "é"), ("z", "")] {
        assert_eq!(request.parameter(name), value);
    }
    let canonical = "&a=~%2F%2F%3B%23%23&b=1%202%2B3&manifest=a%0D%0Ab&name=%C3%A9&z=&Signature=";
    assert!(request.text().contains(canonical), "{}", request.text());
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
}

#[test]
fn the_base_path_and_port_of_the_endpoint_are_sent_and_signed() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to_url(&format!("{}v1/cfn/", endpoint.url())).start();
    proxy.post(FORM).expect(200);
    let request = endpoint.only_request();
    assert_eq!(request.head.first_line, "POST /v1/cfn/ HTTP/1.1");
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
}

#[test]
fn an_ipv6_endpoint_is_called_with_its_brackets_in_host_and_signature() {
    let endpoint = Endpoint::on("[::1]:0", None, |exchange| {
        exchange.write(&endpoint::answer("200 OK", ""));
        endpoint::After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).start();
    proxy.post(FORM).expect(200);
    let request = endpoint.only_request();
    assert_eq!(request.head.field("host"), Some(format!("[::1]:{}", endpoint.address.port()).as_str()));
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
}

#[test]
fn temporary_credentials_are_sent_with_their_token() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    vault.publish(ID, SECRET, &format!(r#","SessionToken":"{TOKEN}","Expiration":"2100-01-01T00:00:00Z""#));
    let proxy = Setup::to(&endpoint).vault(vault).start();
    proxy.post(FORM).expect(200);
    let request = endpoint.only_request();
    assert_eq!(request.parameter("SecurityToken"), TOKEN);
    assert_eq!(request.verify(ID, SECRET, Some(TOKEN)), Ok(()));
}

#[test]
fn a_route_may_ask_for_hmac_sha1() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).route(r#"profile.signature_method = "HmacSHA1""#).start();
    proxy.post(FORM).expect(200);
    let request = endpoint.only_request();
    assert_eq!(request.parameter("SignatureMethod"), "HmacSHA1");
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
}

#[test]
fn requests_on_one_connection_are_judged_one_by_one() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    let authority = proxy.address.to_string();
    let forms = ["Action=GetStatus&n=1", "Version=1", "Action=GetStatus&n=2", "Action=GetStatus&n=3&n=3"];
    // all at once, as a pipeline
    client.write(&forms.map(|form| Draft::form(form).bytes(&authority)).concat());
    assert_eq!(forms.map(|_| client.answer().status), [200, 400, 200, 400]);
    let numbers: Vec<String> = endpoint.requests().iter().map(|request| request.parameter("n")).collect();
    assert_eq!(numbers, ["1", "2"]);
}

#[test]
fn an_expected_100_continue_is_sent_and_the_request_goes_through() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    let length = FORM.len().to_string();
    client.send(&Draft::form("").unframed().field("Expect", "100-continue").field("Content-Length", &length));
    let interim = client.wire.head().unwrap().unwrap();
    assert_eq!(interim.first_line, "HTTP/1.1 100 Continue");
    client.write(FORM.as_bytes());
    client.answer().expect(200);
    assert_eq!(endpoint.only_request().parameter("JobId"), "JOBID");
}
