//! A step of the sign path, again and again, with nothing around it: what the tests here count the instructions of.
//!
//! `sign_path STEP KIND AMOUNT TIMES`: STEP is `read` (parse and decide), `write` (the string to sign) or `sign` (both,
//! the MAC and the seal); the form has AMOUNT bytes (KIND `bytes`) or AMOUNT parameters (KIND `parameters`).

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // a benchmark fails by panicking

#[allow(dead_code)] // shared with benchmarks
#[path = "../../../benches/subject/mod.rs"]
mod subject;

use std::hint::black_box;

use subject::{Subject, of_parameters, of_size};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [step, kind, amount, times] = arguments.as_slice() else { panic!("STEP KIND AMOUNT TIMES") };
    let amount = amount.parse().unwrap();
    let form = match kind.as_str() {
        "bytes" => of_size(amount),
        "parameters" => of_parameters(amount),
        other => panic!("{other}: bytes or parameters"),
    };
    let (subject, form) = (Subject::new(), form.as_bytes());
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
