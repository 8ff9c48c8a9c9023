//! Parsing and signing a form, beside the bare HMAC of the same string: what the protocol costs over the mathematics.
//!
//! `cargo bench --bench sign`

#![allow(clippy::unwrap_used, missing_docs)] // a benchmark fails by panicking; criterion's macros write undocumented items

use std::hint::black_box;

use countersign::authorize::{ClientIdentity, Policy};
use countersign::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SignatureMethod};
use countersign::query::{Limits, QueryForm};
use countersign::signing::{Profile, RequestTimestamp, SigningTarget, prepare};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const LIMITS: Limits = Limits { parameters: 10_000 };
const PROFILE: Profile = Profile { signature_method: SignatureMethod::HmacSha256 };

fn key() -> HeldKey {
    HeldKey::new(Credentials {
        access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
        secret_access_key: SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
        session_token: None,
        expiration: None,
    })
}

/// The reference request, a form of a hundred parameters, and one long value with many escapes.
fn forms() -> [(&'static str, String); 3] {
    let many: Vec<String> = (1..=100).map(|n| format!("Attribute.{n}.Value=some+text+{n}")).collect();
    let manifest = "deviceId%3A+HD-0001%0Abucket%3A+amzn-s3-demo-bucket%0A".repeat(600);
    [
        ("reference, 47 B", "Action=GetStatus&JobId=JOBID&Version=2010-06-03".to_owned()),
        ("100 parameters, 3 KB", format!("Action=PutAttributes&Version=2009-04-15&{}", many.join("&"))),
        ("one value of 32 KB", format!("Action=CreateJob&Version=2010-06-03&Manifest={manifest}")),
    ]
}

fn parse_and_sign(body: &[u8], key: &HeldKey, target: &SigningTarget, timestamp: &RequestTimestamp) -> usize {
    let form = QueryForm::parse(body, LIMITS).unwrap();
    let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "ie", form).unwrap();
    let unsealed = prepare(&allowed, key, target, PROFILE, timestamp);
    let mac = key.signing_key().mac(unsealed.method(), unsealed.string_to_sign());
    unsealed.seal(&mac).into_body().len()
}

fn sign(criterion: &mut Criterion) {
    let key = key();
    let target = SigningTarget { host: "importexport.amazonaws.com".to_owned(), path: "/".to_owned() };
    let timestamp = RequestTimestamp::parse("2011-06-20T22:30:59.556Z").unwrap();
    for (name, body) in forms() {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap()));
        let form = QueryForm::parse(body.as_bytes(), LIMITS).unwrap();
        let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "ie", form).unwrap();
        let string_to_sign = prepare(&allowed, &key, &target, PROFILE, &timestamp).string_to_sign().to_vec();
        group.bench_function("bare HMAC-SHA256", |bencher| {
            bencher.iter(|| key.signing_key().mac(SignatureMethod::HmacSha256, black_box(&string_to_sign)));
        });
        group.bench_function("parse", |bencher| {
            bencher.iter(|| QueryForm::parse(black_box(body.as_bytes()), LIMITS).unwrap());
        });
        group.bench_function("parse and sign", |bencher| {
            bencher.iter(|| parse_and_sign(black_box(body.as_bytes()), &key, &target, &timestamp));
        });
        group.finish();
    }
}

criterion_group!(benches, sign);
criterion_main!(benches);
