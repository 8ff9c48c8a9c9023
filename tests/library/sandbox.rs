//! The sandbox over real sockets, with forms signed by the crate's own `signing`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign::authorize::{ClientIdentity, Policy};
use countersign::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SessionToken, SignatureMethod};
use countersign::query::{FormLimits, QueryForm, percent};
use countersign::sandbox::{
    self, Authority, Configuration, Observation, Refusal, Running, StartError, Transport, Verification,
};
use countersign::signing::verify::VerifyError;
use countersign::signing::{Profile, RequestTimestamp, SigningTarget, prepare};
use jiff::{SignedDuration, Timestamp};

use crate::harness::at_best;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const OTHER_ID: &str = "AKIAI44QH8DHBEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const MANIFEST: &str = "\
manifestVersion: 2.0
accessKeyId: AKIAIOSFODNN7EXAMPLE
deviceId: HD-0001
eraseDevice: yes
bucket: amzn-s3-demo-bucket
returnAddress:
    name: Jane Roe
    street1: 123 Any Street
    city: Anytown
    stateOrProvince: WA
    postalCode: 91011-1111
    phoneNumber: 206-555-1111
    country: USA
";

fn key(id: &str, secret: &str, token: Option<&str>) -> HeldKey {
    HeldKey::new(Credentials {
        access_key_id: AccessKeyId::parse(id).unwrap(),
        secret_access_key: SecretAccessKey::new(secret.as_bytes()).unwrap(),
        session_token: token.map(|token| SessionToken::new(token).unwrap()),
        expiration: None,
    })
}

type Seen = Arc<Mutex<Vec<Observation>>>;

struct Fixture {
    running: Running,
    seen: Seen,
}

impl Fixture {
    fn start(transport: Transport, keys: Vec<HeldKey>, pacing: Option<Duration>) -> Self {
        let seen = Seen::default();
        let observer = {
            let seen = Arc::clone(&seen);
            Box::new(move |observation: &Observation| seen.lock().unwrap().push(observation.clone()))
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = sandbox::start(Configuration { address, transport, keys, pacing }, Some(observer)).unwrap();
        Self { running, seen }
    }

    fn plain() -> Self {
        Self::start(Transport::Plain, vec![key(ID, SECRET, None), key(OTHER_ID, SECRET, Some("token"))], None)
    }

    fn host(&self) -> String {
        self.running.address().to_string()
    }

    fn last_seen(&self) -> Observation {
        self.seen.lock().unwrap().last().unwrap().clone()
    }

    /// Sends `body` as a form and returns the whole answer.
    fn post(&self, line: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.running.address()).unwrap();
        stream.write_all(&request(line, &self.host(), body)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Signs `form` with `key` at `time`, sends it, and returns the answer.
    fn call(&self, form: &str, key: &HeldKey, time: Timestamp) -> String {
        self.post("POST / HTTP/1.1", &signed(form, &self.host(), key, time))
    }
}

fn request(line: &str, host: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{line}\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded;charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn signed(form: &str, host: &str, key: &HeldKey, time: Timestamp) -> Vec<u8> {
    let form = QueryForm::parse(form.as_bytes(), FormLimits::DEFAULT).unwrap();
    let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "ie", form).unwrap();
    let target = SigningTarget { host: host.to_owned(), path: "/".to_owned() };
    let profile = Profile::aws_v2(SignatureMethod::HmacSha256);
    let unsealed = prepare(&allowed, key, &target, &profile, &RequestTimestamp::at(time).into());
    let mac = key.signing_key().mac_with(unsealed.key(), unsealed.string_to_sign());
    unsealed.seal(&mac).into_body().to_vec()
}

fn create_job() -> String {
    let manifest = percent::encode(MANIFEST);
    format!("Action=CreateJob&JobType=Import&ValidateOnly=false&Version=2010-06-03&Manifest={manifest}")
}

fn element<'a>(answer: &'a str, name: &str) -> &'a str {
    let (_, rest) = answer.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {answer}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}

fn now() -> Timestamp {
    countersign::clock::now()
}

#[test]
fn a_signed_form_is_carried_out_and_its_id_is_in_header_and_document() {
    let fixture = Fixture::plain();
    let answer = fixture.call("Action=ListJobs&Version=2010-06-03", &key(ID, SECRET, None), now());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/xml;charset=utf-8\r\n"), "{answer}");
    let id = element(&answer, "RequestId");
    assert!(answer.contains(&format!("x-amzn-requestid: {id}\r\n")), "{answer}");
    assert_eq!(id.len(), 36);
}

#[test]
fn each_access_key_has_jobs_of_its_own() {
    let fixture = Fixture::plain();
    let (one, other) = (key(ID, SECRET, None), key(OTHER_ID, SECRET, Some("token")));
    let created = fixture.call(&create_job(), &one, now());
    let status = format!("Action=GetStatus&Version=2010-06-01&JobId={}", element(&created, "JobId"));
    assert!(fixture.call(&status, &one, now()).contains("<LocationCode>NotReceived<"));
    assert_eq!(element(&fixture.call(&status, &other, now()), "Code"), "InvalidJobIdException");
    assert!(fixture.call("Action=ListJobs&Version=2010-06-03", &other, now()).contains("<Jobs></Jobs>"));
}

#[test]
fn every_authentication_error_has_its_status_and_code() {
    let fixture = Fixture::plain();
    let form = "Action=ListJobs&Version=2010-06-03";
    let valid = key(ID, SECRET, None);
    let minutes = |minutes| now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
    let unsigned = fixture.post("POST / HTTP/1.1", form.as_bytes());
    let incomplete = signed(form, &fixture.host(), &valid, now());
    let incomplete = String::from_utf8(incomplete).unwrap().replace("&SignatureVersion=2", "");
    for (answer, status, code) in [
        (fixture.call(form, &key("AKIAUNKNOWNEXAMPLE00", SECRET, None), now()), "403", "InvalidClientTokenId"),
        (fixture.call(form, &key(OTHER_ID, SECRET, Some("wrong")), now()), "403", "InvalidClientTokenId"),
        (fixture.call(form, &key(ID, "another", None), now()), "403", "SignatureDoesNotMatch"),
        (unsigned, "403", "MissingAuthenticationToken"),
        (fixture.call(form, &valid, minutes(-16)), "400", "RequestExpired"),
        (fixture.call(form, &valid, minutes(16)), "400", "RequestExpired"),
        (fixture.post("POST / HTTP/1.1", incomplete.as_bytes()), "400", "IncompleteSignature"),
    ] {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{code}: {answer}");
        assert_eq!(element(&answer, "Code"), code);
        assert_eq!(element(&answer, "Type"), "Sender");
    }
    for minute in [-14, 14] {
        assert!(fixture.call(form, &valid, minutes(minute)).starts_with("HTTP/1.1 200 "), "{minute}");
    }
}

#[test]
fn host_and_path_are_verified_as_received() {
    let fixture = Fixture::plain();
    let valid = key(ID, SECRET, None);
    let body = signed("Action=ListJobs&Version=2010-06-03", &fixture.host(), &valid, now());
    assert!(fixture.post("POST /?Operation=ListJobs HTTP/1.1", &body).starts_with("HTTP/1.1 200 "));
    assert_eq!(element(&fixture.post("POST /?Operation=CancelJob HTTP/1.1", &body), "Code"), "InvalidQueryParameter");
    assert_eq!(element(&fixture.post("POST /other HTTP/1.1", &body), "Code"), "SignatureDoesNotMatch");
    let elsewhere = signed("Action=ListJobs&Version=2010-06-03", "importexport.amazonaws.com", &valid, now());
    assert_eq!(element(&fixture.post("POST / HTTP/1.1", &elsewhere), "Code"), "SignatureDoesNotMatch");
}

#[test]
fn what_is_no_form_is_refused_before_its_signature_is_looked_at() {
    let fixture = Fixture::plain();
    let get = fixture.post("GET / HTTP/1.1", b"");
    assert!(get.starts_with("HTTP/1.1 405 ") && get.contains("allow: POST\r\n"), "{get}");
    let large = fixture.post("POST / HTTP/1.1", &vec![b'a'; 1024 * 1024 + 1]);
    assert!(large.starts_with("HTTP/1.1 413 ") && large.contains("connection: close\r\n"), "{large}");
    assert_eq!(element(&fixture.post("POST / HTTP/1.1", b"a=%zz"), "Code"), "MalformedQueryString");
    let seen = fixture.last_seen();
    assert_eq!(
        (seen.verification, seen.refusal.map(|refusal| refusal.code())),
        (Verification::NotReached, Some("MalformedQueryString"))
    );
    let mut stream = TcpStream::connect(fixture.running.address()).unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\na").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
}

#[test]
fn the_observer_sees_what_was_received_in_order_and_what_came_of_it() {
    let fixture = Fixture::plain();
    let valid = key(ID, SECRET, None);
    fixture.call("Action=GetStatus&JobId=JOBID&Version=2010-06-03", &valid, now());
    let seen = fixture.last_seen();
    let names: Vec<_> = seen.parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "AWSAccessKeyId",
            "Action",
            "JobId",
            "SignatureMethod",
            "SignatureVersion",
            "Timestamp",
            "Version",
            "Signature"
        ]
    );
    assert_eq!((seen.host.as_str(), seen.path.as_str()), (fixture.host().as_str(), "/"));
    assert_eq!((seen.verification, seen.refusal), (Verification::Verified, Some(Refusal::UnknownJob)));
    fixture.call("Action=ListJobs&Version=2010-06-03", &key(ID, "another", None), now());
    let seen = fixture.last_seen();
    assert_eq!(seen.verification, Verification::Refused(VerifyError::Mismatch));
    assert_eq!((seen.status(), seen.parameter("Action")), (403, Some("ListJobs")));
}

#[test]
fn a_long_answer_streams_in_pieces_with_the_configured_pause() {
    let pause = Duration::from_millis(100);
    let fixture = Fixture::start(Transport::Plain, vec![key(ID, SECRET, None)], Some(pause));
    let body = signed(&create_job(), &fixture.host(), &key(ID, SECRET, None), now());
    let mut stream = TcpStream::connect(fixture.running.address()).unwrap();
    stream.write_all(&request("POST / HTTP/1.1", &fixture.host(), &body)).unwrap();
    let mut arrivals = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        arrivals.push(Instant::now());
    }
    let spread = *arrivals.last().unwrap() - arrivals[0];
    assert!(arrivals.len() >= 4 && spread >= pause * 2, "{} reads over {spread:?}", arrivals.len());
}

#[test]
fn tls_is_served_under_the_authority_that_issued_it() {
    let authority = Authority::generate(now()).unwrap();
    let identity = authority.issue(&["localhost", "127.0.0.1"]).unwrap();
    let fixture = Fixture::start(Transport::Tls(identity), vec![key(ID, SECRET, None)], None);
    let host = format!("localhost:{}", fixture.running.address().port());
    let body = signed("Action=ListJobs&Version=2010-06-03", &host, &key(ID, SECRET, None), now());
    let answer = over_tls(authority.pem(), fixture.running.address(), &request("POST / HTTP/1.1", &host, &body));
    assert!(answer.unwrap().starts_with("HTTP/1.1 200 "));
    let stranger = Authority::generate(now()).unwrap();
    assert!(over_tls(stranger.pem(), fixture.running.address(), b"").is_err());
}

fn over_tls(ca: &str, address: SocketAddr, request: &[u8]) -> std::io::Result<String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut session = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = TcpStream::connect(address)?;
    let mut tls = rustls::Stream::new(&mut session, &mut stream);
    tls.write_all(request)?;
    tls.flush()?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_stopped_sandbox_lets_go_of_its_port_at_once_even_with_an_idle_client() {
    // a request that does not end would be given two
    let limit = Duration::from_secs(1);
    let took = at_best(limit, || {
        let fixture = Fixture::plain();
        let address = fixture.running.address();
        let _idle = TcpStream::connect(address).unwrap();
        fixture.call("Action=ListJobs&Version=2010-06-03", &key(ID, SECRET, None), now());
        let asked = Instant::now();
        fixture.running.stop();
        let took = asked.elapsed();
        assert!(TcpStream::connect(address).is_err());
        took
    });
    assert!(took <= limit, "{took:?}");
}

#[test]
fn a_sandbox_starts_and_stops_inside_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let fixture = Fixture::plain();
        let answer = fixture.call("Action=ListJobs&Version=2010-06-03", &key(ID, SECRET, None), now());
        assert!(answer.starts_with("HTTP/1.1 200 "));
        fixture.running.stop();
    });
}

#[test]
fn two_keys_with_one_id_and_an_address_in_use_are_refused() {
    let start = |address, ids: &[&str]| {
        let keys = ids.iter().map(|id| key(id, SECRET, None)).collect();
        sandbox::start(Configuration { address, transport: Transport::Plain, keys, pacing: None }, None)
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    assert!(matches!(start(any, &[ID, ID]), Err(StartError::DuplicateKey)));
    let first = start(any, &[ID]).unwrap();
    assert!(matches!(start(first.address(), &[ID]), Err(StartError::Listen { .. })));
}
