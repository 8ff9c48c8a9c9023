//! A step of the sign path, again and again, with nothing around it: what the tests here count the instructions of.
//!
//! `sign_path STEP KIND AMOUNT TIMES [DIALECT]`: STEP is `read` (parse and decide), `write` (the string to sign) or
//! `sign` (both, the MAC and the seal); the form has AMOUNT bytes (KIND `bytes`) or AMOUNT parameters (KIND
//! `parameters`). With a DIALECT, KIND is `bytes`, and the form is signed in that dialect.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a benchmark fails by panicking

#[allow(dead_code)] // shared with benchmarks
#[path = "../../../benches/subject/mod.rs"]
mod subject;

use std::hint::black_box;

use countersign::signing::Dialect;
use subject::{Subject, of_parameters, of_size, of_size_in};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [step, kind, amount, times, dialect @ ..] = arguments.as_slice() else {
        panic!("STEP KIND AMOUNT TIMES [DIALECT]")
    };
    let amount = amount.parse().unwrap();
    let dialect = dialect.first().map(|word| Dialect::named(word).unwrap());
    let form = match (kind.as_str(), dialect) {
        ("bytes", None) => of_size(amount),
        ("bytes", Some(dialect)) => of_size_in(dialect, amount),
        ("parameters", None) => of_parameters(amount),
        (other, _) => panic!("{other}: bytes or parameters"),
    };
    let (subject, form) = (dialect.map_or_else(Subject::new, Subject::of_dialect), form.as_bytes());
    let times = 0..times.parse::<u32>().unwrap();
    match step.as_str() {
        "read" => times.for_each(|_| drop(black_box(subject.allowed(black_box(form))))),
        "write" => {
            let allowed = subject.allowed(form);
            times.for_each(|_| drop(black_box(subject.prepared(black_box(&allowed)))));
        }
        "sign" => times.for_each(|_| drop(black_box(subject.signed(black_box(form))))),
        other => panic!("{other}: read, write or sign"),
    }
}
