//! The steps of signing a form, by its size and by the number of its parameters: what each costs, and how it grows.
//!
//! `cargo bench --bench sign`. The bare HMAC of the same string is there to compare with: it is the mathematics, the
//! rest is the protocol. Forms of all sizes are written as most clients write them. Forms of 32 KB also have the
//! contents that are fastest and slowest to read.

// a benchmark fails by panicking, and criterion's macros generate undocumented items
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)] // shared with other benchmarks
mod subject;

use std::hint::black_box;
use std::time::Duration;

use countersign::signing::Dialect;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use subject::{Subject, of_content, of_parameters, of_size, of_size_in};

fn sign(criterion: &mut Criterion) {
    let subject = Subject::new();
    const KB: usize = 1024;
    let by_size = [("120 B", 120), ("1 KB", KB), ("32 KB", 32 * KB), ("1 MB", KB * KB), ("16 MB", 16 * KB * KB)];
    let by_size = by_size.map(|(name, size)| (name, of_size(size)));
    let by_content = [
        ("32 KB, nothing to encode", "deviceId-HD-0001_eraseDevice-yes."),
        ("32 KB, nothing but canonical escapes", "%0A%3A"),
        ("32 KB, nothing but escapes of unreserved characters", "%61%62"),
        ("32 KB, UTF-8", "%C3%A9%E2%82%AC"),
        ("32 KB, some bytes that have to be escaped", "deviceId:+HD-0001%0AeraseDevice:+yes%0A"),
    ];
    let by_content = by_content.map(|(name, text)| (name, of_content(text, 32 * KB)));
    let by_number = [("10 parameters", 10), ("100 parameters", 100), ("1000 parameters", 1000)];
    let by_number = by_number.map(|(name, number)| (name, of_parameters(number)));
    for (name, form) in by_size.iter().chain(&by_content).chain(&by_number) {
        let form = form.as_bytes();
        let allowed = subject.allowed(form);
        let mut group = criterion.benchmark_group(*name);
        group.throughput(Throughput::Bytes(form.len().try_into().unwrap()));
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(30);
        group.bench_function("parse", |bencher| bencher.iter(|| subject.parsed(black_box(form))));
        group.bench_function("write", |bencher| bencher.iter(|| subject.prepared(black_box(&allowed))));
        let unsealed = subject.prepared(&allowed);
        let string_to_sign = unsealed.string_to_sign();
        group.bench_function("bare HMAC-SHA256", |bencher| bencher.iter(|| subject.mac(black_box(string_to_sign))));
        group.bench_function("parse, decide and sign", |bencher| bencher.iter(|| subject.signed(black_box(form))));
        group.finish();
    }
}

/// The whole path in each dialect, with the same form of 120 bytes: the figure of `aws-v2` is the one to compare with.
fn dialects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("120 B, parse, decide and sign");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(30);
    for dialect in Dialect::ALL {
        let (subject, form) = (Subject::of_dialect(dialect), of_size_in(dialect, 120));
        group.bench_function(dialect.as_str(), |bencher| bencher.iter(|| subject.signed(black_box(form.as_bytes()))));
    }
    group.finish();
}

criterion_group!(benches, sign, dialects);
criterion_main!(benches);
