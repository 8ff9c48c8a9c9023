//! One decision of the policy, by how many rules a client has; parsing the form it decides on is there to compare with.
//!
//! `cargo bench --bench policy`. Only the last rule speaks of the call, and all of them have to be looked at anyway: deny wins.

#![allow(clippy::unwrap_used, missing_docs)] // a benchmark fails by panicking; criterion's macros write undocumented items

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use countersign::app::clients::clients;
use countersign::authorize::{Client, Verdict};
use countersign::config;
use countersign::query::{Limits, QueryForm};
use criterion::{Criterion, criterion_group, criterion_main};

const FORM: &str = "Action=GetStatus&JobId=JOBID&Version=2010-06-03";
const LIMITS: Limits = Limits { parameters: 1000 };

/// A client with so many rules, each with a condition.
fn client(rules: usize) -> Arc<Client> {
    let mut text = "[listener.bench]\nauthenticate = [\"unix-peer\"]\naddress = \"unix:/run/bench/socket\"\n\
         [route.importexport]\nendpoint = \"https://importexport.amazonaws.com/\"\n\
         [key.main]\nfile = \"/main.age\"\nidentity_file = \"/identity\"\n[client.bench]\nuid = 1\n"
        .to_owned();
    for number in (0..rules).rev() {
        let action = if number == 0 { "GetStatus".to_owned() } else { format!("GetOther{number}*") };
        write!(
            text,
            "[[client.bench.rule]]\neffect = \"allow\"\nactions = [\"importexport:{action}\"]\n\
             when = [{{ parameter = \"JobId\", prefix = \"JOB\" }}]\n"
        )
        .unwrap();
    }
    let settings = config::parse(&text, "bench", []).unwrap();
    Arc::clone(clients(&settings, None).named("bench").unwrap())
}

fn policy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    group.bench_function("parse the reference request", |bencher| {
        bencher.iter(|| QueryForm::parse(black_box(FORM.as_bytes()), LIMITS).unwrap());
    });
    let form = QueryForm::parse(FORM.as_bytes(), LIMITS).unwrap();
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
