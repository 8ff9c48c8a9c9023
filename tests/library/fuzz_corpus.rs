//! The fuzz targets' seeds and past findings, through the same properties, with every ordinary test run.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use super::properties;

type Property = fn(&[u8]);

const TARGETS: [(&str, Property); 12] = [
    ("config", properties::config),
    ("diagnose", properties::diagnose),
    ("dialects", properties::dialects),
    ("differential", properties::differential),
    ("document", properties::document),
    ("form", properties::form),
    ("head", properties::head),
    ("percent", properties::percent),
    ("policy", properties::policy),
    ("proxy_header", properties::proxy_header),
    ("response", properties::response),
    ("sandbox_manifest", properties::sandbox_manifest),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// The names in a directory, without what follows a dot.
fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn replay(target: &str) {
    let property = TARGETS.iter().find(|(name, _)| *name == target).unwrap().1;
    let mut seeds: Vec<PathBuf> =
        fs::read_dir(fuzz().join("seeds").join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in seeds {
        let input = fs::read(&seed).unwrap();
        assert!(catch_unwind(|| property(&input)).is_ok(), "{} fails", seed.display());
        // cut anywhere, a seed is an input like any other
        for end in 0..input.len().min(512) {
            let cut = input.get(..end).unwrap();
            assert!(catch_unwind(|| property(cut)).is_ok(), "{} fails when cut after {end} bytes", seed.display());
        }
    }
}

#[test]
fn configurations_are_read_or_refused_at_a_place() {
    replay("config");
}

#[test]
fn every_signature_is_diagnosed() {
    replay("diagnose");
}

#[test]
fn in_every_dialect_a_server_reads_what_was_authorized_and_all_that_counts_is_signed() {
    replay("dialects");
}

#[test]
fn policies_decide_as_their_words_say() {
    replay("policy");
}

#[test]
fn credential_documents_are_read_as_any_reader_of_json_does_or_refused_without_a_word_of_them() {
    replay("document");
}

#[test]
fn two_readers_agree_on_every_form_and_on_what_is_sent() {
    replay("form");
}

#[test]
fn whatever_a_client_sends_answers_are_well_formed_and_what_leaves_is_signed() {
    replay("head");
}

#[test]
fn our_server_and_hypers_read_the_same_requests() {
    replay("differential");
}

#[test]
fn twenty_thousand_seeded_streams_are_read_as_hyper_reads_them() {
    const THREADS: u64 = 4;
    thread::scope(|scope| {
        for first in 0..THREADS {
            scope.spawn(move || {
                for seed in (first..20_000).step_by(THREADS as usize) {
                    assert!(catch_unwind(|| properties::seeded(seed)).is_ok(), "seed {seed} fails");
                }
            });
        }
    });
}

#[test]
fn a_pause_at_any_place_of_a_stream_changes_nothing() {
    for seed in 0..20 {
        assert!(catch_unwind(|| properties::paused_everywhere(seed)).is_ok(), "seed {seed} fails");
    }
}

#[test]
fn where_our_server_is_stricter_than_hypers_is_listed_and_true() {
    for properties::Stricter { fault, example, reason } in properties::STRICTER {
        assert_eq!(properties::refusal(example.as_bytes()), (Some(*fault), true), "{example:?} ({reason})");
    }
    for (example, reason) in properties::STRICTER_BODIES {
        assert_eq!(properties::refusal(example.as_bytes()), (None, true), "{example:?} ({reason})");
    }
}

#[test]
fn what_is_lawful_reaches_the_endpoint() {
    // were it not so, the property would hold of nothing
    let answers = |seed: &str| properties::answers(&fs::read(fuzz().join("seeds/head").join(seed)).unwrap(), 7);
    assert_eq!(answers("call"), [200]);
    assert_eq!(answers("pipeline"), [200, 200, 405]);
    assert_eq!(answers("chunked_then_call"), [200, 200]);
    assert_eq!(answers("forwarded"), [200, 200]);
    assert_eq!(answers("bad_form"), [400, 400, 200]);
    assert_eq!(answers("refused_http_1_0"), [415]);
}

#[test]
fn whatever_the_endpoint_answers_the_client_is_given_that_or_sees_that_it_broke() {
    replay("response");
}

#[test]
fn what_an_endpoint_may_answer_is_given_to_the_client() {
    // were it not so, the property would hold of nothing
    let given = |seed: &str| properties::relayed(&fs::read(fuzz().join("seeds/response").join(seed)).unwrap());
    for seed in ["length", "chunked", "until_close", "informational", "trailers", "two_answers", "http_1_0"] {
        assert_eq!(given(seed), Some(200), "{seed}");
    }
    assert_eq!(given("no_content"), Some(204));
    assert_eq!(given("expired"), Some(400), "an endpoint that is years ahead is not followed");
    for seed in ["cut", "cut_chunk", "stalled"] {
        assert_eq!(given(seed), Some(0), "{seed}");
    }
    for seed in ["two_lengths", "both_framings", "upgrade", "folded", "status_999", "greeting"] {
        assert_eq!(given(seed), Some(409), "{seed}");
    }
    assert_eq!(given("silence"), Some(409));
}

#[test]
fn decoding_undoes_encoding() {
    replay("percent");
}

#[test]
fn headers_of_load_balancers_are_read_as_their_specification_has_them() {
    replay("proxy_header");
}

#[test]
fn manifests_are_read_or_refused_at_a_line() {
    replay("sandbox_manifest");
}

#[test]
fn every_property_has_a_target_and_seeds() {
    let expected: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("targets"), expected);
    assert_eq!(names("seeds"), expected);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in expected {
        assert!(manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")), "{name}");
    }
}
