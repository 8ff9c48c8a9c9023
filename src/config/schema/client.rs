//! `[client.NAME]` and its rules.

use serde_json::{Value, json};

use super::comments::Comments;
use super::hosts::{dns, granted_dns};
use super::numbers::whole;
use super::shapes::{
    Table, any, count, except, filled, flag, list, name, one_of, pattern, several, short, text, where_given,
    where_it_is, without, word,
};
use crate::authorize::{Effect, Mode};
use crate::config::grammar::identifier::LARGEST_ID;
use crate::config::tables::client::{IDENTIFIERS, LARGEST_QUOTA, MOST_CALLS, MOST_PLACES};
use crate::query::Action;

/// The conditions that a parameter may be asked.
const TESTS: [&str; 4] = ["equals", "prefix", "one_of", "absent"];

pub(super) fn schema(comments: &Comments) -> Value {
    let id = count(0..=LARGEST_ID);
    // an empty text has a digest too, and nobody means it
    let digest = except(&pattern("^[0-9A-Fa-f]{64}$"), &json!({"pattern": "^[Ee]3[Bb]0[Cc]442"}));
    let keys = vec![
        ("uid", several(&id)),
        ("gid", several(&id)),
        ("spiffe", several(&spiffe())),
        ("dns", several(&dns())),
        ("token_sha256", several(&digest)),
        ("service_account", several(&pattern(&format!("^{PART}/{PART}$")))),
        ("issued_keys", list(name())),
        ("rate", pattern(&format!("^0*(?:{})/[sm]$", whole(1..=u64::try_from(MOST_CALLS).unwrap_or(u64::MAX))))),
        ("quota", pattern(&format!("^0*(?:{})/d$", whole(1..=LARGEST_QUOTA)))),
        ("burst", count(1..=MOST_CALLS)),
        ("share", any(&[count(1..=MOST_PLACES), pattern(&format!("^0*(?:{})%$", whole(1..=100)))])),
        ("mode", word(&Mode::WORDS)),
        ("allow", list(calls())),
        ("deny", list(calls())),
        ("rule", json!({"type": "array", "items": rule(comments)})),
    ];
    let identified = json!({"anyOf": IDENTIFIERS.map(|key| json!({"required": [key]}))});
    let rules = vec![identified, where_given("burst", &json!({"required": ["rate"]}))];
    Table { header: "client.reporting", keys, required: &[], rules }.described(comments)
}

/// A segment of the path of a SPIFFE id: none is `.` or `..`.
const SEGMENT: &str = "(?:\\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\\.{3,}[A-Za-z0-9._-]*)";
/// A part of the name of a service account.
const PART: &str = "[a-z0-9.-]{1,253}";

fn spiffe() -> Value {
    short(&format!("^spiffe://[a-z0-9._-]+(?:/{SEGMENT})+$"), 2048)
}

/// What may identify the clients of a file of `conf.d/`.
pub(super) fn granted_identity() -> Value {
    let id = format!("0*(?:{})", whole(0..=u64::try_from(LARGEST_ID).unwrap_or(u64::MAX)));
    any(&[
        one_of(["token"]),
        pattern(&format!("^[ug]id:{id}(?:-{id})?$")),
        spiffe(),
        short(&format!("^spiffe://[a-z0-9._-]+(?:/{SEGMENT})*/\\*$"), 2048),
        granted_dns(),
        pattern(&format!("^service_account:{PART}/(?:{PART}|\\*)$")),
    ])
}

/// `route:Action`.
fn calls() -> Value {
    let longest = Action::MAX_LENGTH;
    let route = super::shapes::NAME.trim_matches(['^', '$']);
    pattern(&format!("^(?:\\*|{route}):(?:\\*|[A-Za-z0-9]{{1,{longest}}}\\*?)$"))
}

/// The name of a parameter: printable, and a letter or digit at least.
fn parameter() -> Value {
    pattern("^[ -~]*[^\\s_-][ -~]*$")
}

fn rule(comments: &Comments) -> Value {
    let keys = vec![
        ("effect", word(&Effect::WORDS)),
        ("actions", filled(&list(calls()))),
        ("only", list(parameter())),
        ("when", json!({"type": "array", "items": condition()})),
    ];
    let rules = vec![where_it_is("effect", &json!({"const": "deny"}), &without(&["only"]))];
    Table { header: "client.reporting.rule", keys, required: &["effect", "actions"], rules }.described(comments)
}

fn condition() -> Value {
    let keys = vec![
        ("parameter", parameter()),
        ("equals", text()),
        ("prefix", text()),
        ("one_of", filled(&list(text()))),
        ("absent", flag()),
    ];
    let one_test = json!({"oneOf": TESTS.map(|key| json!({"required": [key]}))});
    // the reference describes conditions at `when`
    Table { header: "when", keys, required: &["parameter"], rules: vec![one_test] }.schema(&|_path, shape| shape)
}
