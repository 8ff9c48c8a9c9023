//! Endpoints that repeat in a refusal what was signed: the session token in it reaches no client.

use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::prelude::*;
use countersign::query::{blanked, percent};

use crate::harness::endpoint::Received;
use crate::harness::{After, Answer, Draft, Endpoint, ID, Proxy, SECRET, Setup, Vault};

/// As long as those of AWS, with every character that has more than one spelling.
const TOKEN: &str = "IQoJb3JpZ2luX2VjEL3//////////wEaCXVzLWVhc3QtMSJHMEUCIQDz+4k/SvQ0marker+of/EXAMPLE==";
const BLANK: &str = "SESSION_TOKEN_WITHHELD";

fn with_temporary_key(endpoint: &Endpoint) -> Setup {
    let vault = Vault::empty();
    vault.publish(ID, SECRET, &format!(r#","SessionToken":"{TOKEN}","Expiration":"2100-01-01T00:00:00Z""#));
    Setup::to(endpoint).vault(vault)
}

fn encoded(text: &str) -> String {
    let mut encoded = Vec::new();
    percent::encode_into(text, &mut encoded);
    String::from_utf8(encoded).unwrap()
}

fn lower_case_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |text, piece| format!("{text}%{}{}", piece[..2].to_ascii_lowercase(), &piece[2..]))
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('\'', "&#39;").replace('/', "&#x2F;")
}

/// What an endpoint writes of the form that it received.
type Echo = fn(&str) -> String;

/// Each way to write the form, or the token alone, that was seen or can be imagined.
const ECHOES: [(&str, Echo); 25] = [
    ("as signed", |form| form.to_owned()),
    ("in lower-case escapes", lower_case_escapes),
    ("encoded twice", encoded),
    ("encoded three times", |form| encoded(&encoded(form))),
    ("decoded", |form| form_urlencoded::parse(form.as_bytes()).map(|(n, v)| format!("{n}={v}\n")).collect()),
    ("decoded as what it is not", |form| form.replace("%2B", " ").replace("%2F", "/").replace("%3D", "=")),
    ("escaped for XML", xml),
    ("escaped for XML where it is decoded", |_| xml(TOKEN).replace('+', "&#43;").replace('=', "&#x3d;")),
    ("escaped for JSON", |_| TOKEN.replace('/', "\\/").replace('=', "\\u003d")),
    ("cut short", |_| format!("{}...", &TOKEN[..40])),
    ("as bytes in hexadecimal digits", |form| bytes_of(form).join(" ")),
    ("as bytes in upper case", |form| bytes_of(form).join("").to_uppercase()),
    ("as bytes with colons", |form| bytes_of(form).join(":")),
    ("as bytes in lines", |form| bytes_of(form).chunks(16).map(|line| format!("0x{}\n", line.join(", 0x"))).collect()),
    ("in base64", |form| STANDARD.encode(form)),
    ("in base64, one byte later", |form| STANDARD.encode(format!("/{form}"))),
    ("in base64, two bytes later", |form| STANDARD.encode(format!("//{form}"))),
    ("in base64 for URLs", |_| format!("jwt.{}", URL_SAFE_NO_PAD.encode(format!("??>>{TOKEN}")))),
    ("in base64 in lines", |form| {
        STANDARD.encode(form).as_bytes().chunks(76).map(|line| format!("  {}\r\n", line.escape_ascii())).collect()
    }),
    ("as references without a semicolon", |_| each("&#x", |c| format!("{c:x}"))),
    ("as references with many zeros", |_| each("&#", |c| format!("{c:020};"))),
    ("in octal escapes", |_| each("\\", |c| format!("{c:03o}"))),
    ("in braces", |_| each("\\u{", |c| format!("{c:x}}}"))),
    ("as quoted-printable", |_| each("=", |c| format!("{c:02X}"))),
    ("in the escapes of old JavaScript", |_| each("%u", |c| format!("{c:04X}"))),
];

fn bytes_of(text: &str) -> Vec<String> {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Each character of the token as its number.
fn each(before: &str, number: fn(u8) -> String) -> String {
    TOKEN.bytes().map(|c| format!("{before}{}", number(c))).collect()
}

fn refusal(echo: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>The request signature we \
         calculated does not match.\n\nThe String-to-Sign should have been\n'POST\n{echo}'</Message></Error>\
         </ErrorResponse>"
    )
}

/// Refuses each request in the way that its `JobId` says, which is a number.
fn refusing(answer: impl Fn(usize, &Received) -> Vec<u8> + Send + Sync + 'static) -> Endpoint {
    Endpoint::scripted(move |exchange| {
        let number = exchange.request.parameter("JobId").parse().unwrap();
        let answer = answer(number, exchange.request);
        // it says that it will close, so that no later call is written to a connection on its way out
        let at = answer.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let (status, rest) = answer.split_at(at);
        exchange.write(&[status, b"\r\nConnection: close", rest].concat());
        After::Close
    })
}

fn ask(proxy: &Proxy, action: &str, number: usize) -> Answer {
    proxy.call(&Draft::form(&format!("Action={action}&JobId={number}&Note=a%2Fb")))
}

/// Nothing of the token is in an answer, however it is spelled.
#[track_caller]
fn assert_without_token(answer: &Answer, what: &str) {
    let all = format!("{:?}\n{}", answer.head.fields, answer.text());
    assert!(all.contains(BLANK) || answer.head.field("x-proxy-sent").is_some(), "{what}: {all}");
    assert_eq!(blanked(all.as_bytes(), TOKEN), None, "{what}: {all}");
    for part in [&TOKEN[..16], &TOKEN[40..56], &TOKEN[60..76], &encoded(TOKEN)[..40]] {
        let in_base64 = |later: &str| STANDARD.encode(format!("{later}{part}"))[4..18].to_owned();
        let as_bytes = ["", " ", ":"].map(|between| bytes_of(part).join(between));
        for part in [part.to_owned(), in_base64(""), in_base64("/"), in_base64("//")].into_iter().chain(as_bytes) {
            assert!(!all.to_lowercase().contains(&part.to_lowercase()), "{what}: {part} in {all}");
        }
    }
}

#[test]
fn a_refusal_that_repeats_what_was_signed_tells_no_client_the_session_token() {
    let endpoint = refusing(|number, request| {
        let document = refusal(&ECHOES[number % ECHOES.len()].1(request.text()));
        let length = document.len();
        // framed by a length, by chunks, by the end
        match number / ECHOES.len() {
            0 => format!("HTTP/1.1 403 Forbidden\r\nContent-MD5: AA==\r\nContent-Length: {length}\r\n\r\n{document}"),
            1 => format!(
                "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{document}\r\n0\r\n\r\n"
            ),
            _ => format!("HTTP/1.1 500 Internal Server Error\r\n\r\n{document}"),
        }
        .into_bytes()
    });
    let proxy = with_temporary_key(&endpoint).start();
    for (number, status) in (0..3 * ECHOES.len()).zip([403, 400, 500].into_iter().flat_map(|s| [s; ECHOES.len()])) {
        let name = ECHOES[number % ECHOES.len()].0;
        let answer = ask(&proxy, "CreateJob", number).expect(status);
        assert_without_token(&answer, name);
        assert_eq!(answer.element("Code"), "SignatureDoesNotMatch", "{name}");
        assert_eq!(answer.element("Message").matches(BLANK).count(), 1, "{name}: {}", answer.text());
        assert_eq!(answer.head.field("content-length"), Some(answer.body.len().to_string().as_str()));
        assert_eq!(answer.head.field("content-md5"), None);
    }
    assert_eq!(endpoint.requests().len(), 3 * ECHOES.len());
    // the rest of what was signed stays, for whoever looks for the difference
    let as_signed = ask(&proxy, "CreateJob", 0).text();
    assert!(as_signed.contains("SecurityToken=SESSION_TOKEN_WITHHELD&") && as_signed.contains("Note=a%2Fb"));
    assert!(!proxy.log.text().contains(&TOKEN[..16]));
}

#[test]
fn a_redirect_or_refusal_that_repeats_the_form_in_its_head_tells_no_client_the_session_token() {
    let endpoint = refusing(|number, request| {
        let form = request.text();
        match number {
            0 => format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: https://elsewhere.example/?{form}\r\n"),
            1 => format!("HTTP/1.1 403 Forbidden\r\nX-Debug: {TOKEN}\r\nX-Debug: {}\r\n", encoded(form)),
            _ => format!("HTTP/1.1 503 Service Unavailable\r\nWarning: {}\r\n", lower_case_escapes(form)),
        }
        .into_bytes()
        .into_iter()
        .chain(*b"X-Other: stays\r\nContent-Length: 2\r\n\r\nno")
        .collect()
    });
    let proxy = with_temporary_key(&endpoint).start();
    for (number, status) in [307, 403, 503].into_iter().enumerate() {
        let answer = ask(&proxy, "CreateJob", number).expect(status);
        assert_without_token(&answer, "head");
        assert_eq!((answer.head.field("x-other"), answer.text().as_str()), (Some("stays"), "no"));
    }
}

#[test]
fn a_refusal_that_cannot_be_searched_for_the_session_token_is_withheld() {
    let endpoint = refusing(|number, request| {
        let document = refusal(request.text());
        let length = document.len();
        match number {
            0 => format!("HTTP/1.1 403 F\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n{document}"),
            1 => format!("HTTP/1.1 403 F\r\n\r\n{}{document}", " ".repeat(256 * 1024)),
            2 => format!("HTTP/1.1 403 F\r\nContent-Length: 9999999\r\n\r\n{document}"),
            3 => format!("HTTP/1.1 403 F\r\nContent-Length: {}\r\n\r\n{document}", length + 1),
            // UTF-16
            _ => format!("HTTP/1.1 500 F\r\n\r\n{}", document.chars().flat_map(|c| ['\0', c]).collect::<String>()),
        }
        .into_bytes()
    });
    let proxy = with_temporary_key(&endpoint).start();
    let whys = ["is compressed", "longer than 256 KiB", "longer than 256 KiB", "or broke off", "is not text"];
    for (number, why) in whys.into_iter().enumerate() {
        for (action, status) in [("GetStatus", 502), ("CreateJob", 409)] {
            let answer = ask(&proxy, action, number);
            proxy.assert_own(&answer, status, "ProxyOutcomeUnknown", "yes");
            assert_without_token(&answer, why);
            assert!(answer.element("Message").contains(why), "{}", answer.text());
        }
    }
    assert_eq!(endpoint.requests().len(), 2 * whys.len(), "sent once each");
}

#[test]
fn a_refusal_that_comes_too_slowly_to_be_searched_for_the_session_token_is_withheld() {
    let endpoint = Endpoint::scripted(|exchange| {
        let echo = refusal(exchange.request.text());
        exchange.write(format!("HTTP/1.1 403 Forbidden\r\nContent-Length: 9999\r\n\r\n{echo}").as_bytes());
        exchange.is_left();
        After::Close
    });
    let proxy = with_temporary_key(&endpoint).start();
    let answer = ask(&proxy, "GetStatus", 0);
    proxy.assert_own(&answer, 502, "ProxyOutcomeUnknown", "yes");
    assert_without_token(&answer, "slow");
    assert!(answer.element("Message").contains("took longer than 10 seconds"));
}

#[test]
fn answers_of_success_and_refusals_to_a_lasting_key_are_passed_on_as_they_come() {
    let endpoint = refusing(|number, request| {
        let (form, fill) = (request.text(), ".".repeat(300 * 1024));
        match number {
            // what a client asked for may hold anything
            0 => format!("HTTP/1.1 200 OK\r\nX-Form: {form}\r\n\r\n{form}\0"),
            1 => format!("HTTP/1.1 403 Forbidden\r\nContent-MD5: AA==\r\nX-Form: {form}\r\n\r\n{form}\0"),
            _ => format!("HTTP/1.1 403 Forbidden\r\nContent-Encoding: gzip\r\nX-Form: {form}\r\n\r\n{form}{fill}"),
        }
        .into_bytes()
    });
    let [temporary, lasting] = [with_temporary_key(&endpoint), Setup::to(&endpoint)].map(Setup::start);
    for (proxy, number) in [(&temporary, 0), (&lasting, 0), (&lasting, 1), (&lasting, 2)] {
        let answer = ask(proxy, "GetStatus", number);
        let sent = endpoint.requests().last().unwrap().text().to_owned();
        assert!(answer.text().starts_with(&sent), "{}", answer.text());
        assert_eq!(answer.head.field("x-form"), Some(sent.as_str()));
        assert_eq!(answer.head.field("content-md5").is_some(), number == 1);
    }
}
