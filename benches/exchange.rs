//! A whole exchange over loopback on one keep-alive connection: through the proxy, and straight to the same endpoint.
//!
//! `cargo bench --bench exchange`. The difference is what a client waits for having its request signed; it includes two
//! more hops through the kernel, which any proxy costs. The group `counted` is the part of it that counting takes: what
//! a client's share costs is the difference of its two figures, and far too small to be seen in a whole exchange.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)] // a benchmark fails by panicking

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use countersign::app::{Bound, Graph, Running};
use countersign::config;
use countersign::credentials::Identities;
use countersign::credentials::seal::{Existing, seal, write_secret_file};
use countersign::downstream::{ByteBudget, Capacity, Shares};
use criterion::{Criterion, criterion_group, criterion_main};

const FORM: &str = "Action=GetStatus&JobId=JOBID&Version=2010-06-03";
const KEY: &[u8] = br#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE",
    "SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;

/// An endpoint that answers every request with 700 bytes and verifies nothing: it should not be what is measured.
fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer_all(stream));
        }
    });
    address
}

fn answer_all(stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 700\r\n\r\n{}", "x".repeat(700));
    while skip_message(&mut reader) {
        writer.write_all(answer.as_bytes()).unwrap();
    }
}

/// Reads one message with a Content-Length; `false` at the end of the connection.
fn skip_message(reader: &mut BufReader<TcpStream>) -> bool {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).is_ok()
}

fn proxy(endpoint: SocketAddr, directory: &std::path::Path, more: &str) -> Running {
    let identities = Identities::generate();
    let sealed = seal(KEY, &identities.recipients()).unwrap();
    let identity = identities.to_file(jiff::Timestamp::UNIX_EPOCH);
    write_secret_file(&directory.join("identity"), &identity, Existing::Refuse).unwrap();
    write_secret_file(&directory.join("key.age"), &sealed, Existing::Refuse).unwrap();
    let text = format!(
        "[listener.bench]\naddress = \"127.0.0.1:0\"\nany_local = true\n\
         [route.importexport]\nendpoint = \"http://{endpoint}/\"\n\
         [key.main]\nfile = \"{0}/key.age\"\nidentity_file = \"{0}/identity\"\n[process]\nworkers = 1\n{more}",
        directory.display()
    );
    let settings = config::parse(&text, "bench", []).unwrap();
    let (graph, keys) = Graph::build(settings, None).ok().unwrap();
    Bound::bind(graph).and_then(|bound| bound.start(keys)).unwrap()
}

struct Client {
    writer: TcpStream,
    reader: BufReader<TcpStream>,
    request: String,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let writer = TcpStream::connect(address).unwrap();
        writer.set_nodelay(true).unwrap();
        let reader = BufReader::new(writer.try_clone().unwrap());
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{FORM}",
            FORM.len()
        );
        Self { writer, reader, request }
    }

    fn exchange(&mut self) {
        self.writer.write_all(self.request.as_bytes()).unwrap();
        assert!(skip_message(&mut self.reader));
    }
}

fn exchange(criterion: &mut Criterion) {
    let endpoint = endpoint();
    let directory = tempfile::tempdir().unwrap();
    let running = proxy(endpoint, directory.path(), "");
    let audited = tempfile::tempdir().unwrap();
    let audit = format!("[audit]\ntarget = \"file:{}/audit.jsonl\"\n", audited.path().display());
    let auditing = proxy(endpoint, audited.path(), &audit);
    let mut group = criterion.benchmark_group("exchange");
    let mut direct = Client::connect(endpoint);
    group.bench_function("straight to the endpoint", |bencher| bencher.iter(|| direct.exchange()));
    let mut proxied = Client::connect(running.tcp_address().unwrap());
    group.bench_function("through countersign", |bencher| bencher.iter(|| proxied.exchange()));
    let mut audited = Client::connect(auditing.tcp_address().unwrap());
    group.bench_function("through countersign, with an audit", |bencher| bencher.iter(|| audited.exchange()));
    group.finish();
}

/// What an exchange does to be counted: its form's bytes, and its place on the route.
fn counted(criterion: &mut Criterion) {
    let (places, bytes) = (Capacity::new(256), ByteBudget::new(64 << 20));
    let share = Capacity::new(128).within(&places);
    let bytes_share = ByteBudget::new(32 << 20).within(&bytes);
    let places = Shares::new(places, vec![share]);
    let bytes = Shares::new(bytes, vec![bytes_share]);
    let mut group = criterion.benchmark_group("counted");
    group.bench_function("in the whole", |bencher| {
        bencher.iter(|| count(black_box(places.all()), black_box(bytes.all())));
    });
    group.bench_function("in the client's share and the whole", |bencher| {
        bencher.iter(|| count(black_box(places.of(black_box(0))), black_box(bytes.of(black_box(0)))));
    });
    group.finish();
}

fn count(places: &Capacity, bytes: &ByteBudget) {
    let mut held = bytes.hold();
    held.at_least(FORM.len()).unwrap();
    black_box((&held, places.try_take().unwrap()));
}

criterion_group!(benches, exchange, counted);
criterion_main!(benches);
