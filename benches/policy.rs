//! The time of one decision of the policy, by the number of rules that a client has.
//!
//! `cargo bench --bench policy`. Only the last rule speaks of the call, and all of them have to be looked at anyway:
//! deny wins. What reading the form costs, to compare with, is in `--bench sign`.

// a benchmark fails by panicking, and criterion's macros generate undocumented items
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)] // shared with other benchmarks
mod subject;

use std::hint::black_box;

use countersign::authorize::Verdict;
use criterion::{Criterion, criterion_group, criterion_main};
use subject::{Subject, client, of_size};

fn policy(criterion: &mut Criterion) {
    let body = of_size(120);
    let form = Subject::new().parsed(body.as_bytes());
    let mut group = criterion.benchmark_group("policy");
    for rules in [1, 20, 200] {
        let client = client(rules);
        assert!(matches!(client.judge("importexport", &form), Verdict::Allow(_)));
        group.bench_function(format!("decide by {rules} rules"), |bencher| {
            bencher.iter(|| black_box(&client).judge(black_box("importexport"), black_box(&form)));
        });
    }
    group.finish();
}

criterion_group!(benches, policy);
criterion_main!(benches);
