//! `[admin]`, `[audit]`, `[log]`, `[rates]`, `[trace]`, `[process]` and `[conf_d.NAME]`.

use serde_json::{Value, json};

use super::client::granted_identity;
use super::comments::Comments;
use super::hosts::{admin as address, endpoint, http_host, https, server_name, store, store_with_tls};
use super::listener::{group, mode, on_a_socket_of_ours, on_every_v6};
use super::numbers::whole;
use super::shapes::{
    Table, any, count, duration, duration_or_zero, except, file, flag, list, name, one_of, pattern, several, short,
    size, where_given, where_it_is, without, word,
};
use crate::config::grammar::resource::SET_ELSEWHERE;
use crate::config::tables::process::{MOST_BODIES, MOST_WORKERS};
use crate::config::tables::rates::{LAST_DATABASE, LONGEST_WORD, OF_TLS};
use crate::config::tables::trace::{MOST_IN_BATCH, MOST_QUEUED, OF_EXPORT};
use crate::rates::WhenUnavailable;
use crate::telemetry::LogFormat;
use crate::telemetry::audit::WhenFull;

/// `[conf_d.NAME]`: what a file of `conf.d/` may use.
pub(super) fn grant(comments: &Comments) -> Value {
    let keys = vec![
        ("keys", list(name())),
        ("hosts", list(http_host())),
        ("routes", list(name())),
        ("identities", list(granted_identity())),
        ("files", list(file())),
    ];
    Table { header: "conf_d.team-a", keys, required: &[], rules: Vec::new() }.described(comments)
}

/// Each table with its schema.
pub(super) fn schemas(comments: &Comments) -> [(&'static str, Value); 6] {
    let of = |header, keys, rules| Table { header, keys, required: &[], rules }.described(comments);
    let socket = on_a_socket_of_ours();
    let admin = vec![
        ("address", several(&address())),
        ("hosts", list(http_host())),
        ("only_v6", flag()),
        ("mode", mode()),
        ("group", group()),
        ("status", flag()),
    ];
    let admin_rules =
        vec![where_given("mode", &socket), where_given("group", &socket), where_given("only_v6", &on_every_v6())];
    let target = any(&[one_of(["off", "stdout", "journald", "syslog"]), pattern("^file:/[^\\u0000]*[^/\\u0000]$")]);
    let audit = vec![("target", target), ("when_full", word(&WhenFull::WORDS))];
    let log = vec![("format", word(&LogFormat::WORDS)), ("level", level())];
    let process = vec![
        ("workers", count(1..=MOST_WORKERS)),
        ("drain_delay", duration_or_zero()),
        ("drain", duration()),
        ("bodies", size(1..=MOST_BODIES)),
        ("danger_unconfined", flag()),
        ("danger_writable_files", flag()),
    ];
    [
        ("admin", of("admin", admin, admin_rules)),
        ("audit", of("audit", audit, Vec::new())),
        ("log", of("log", log, Vec::new())),
        (
            "rates",
            Table { header: "rates", keys: rates(), required: &["store"], rules: rates_rules() }.described(comments),
        ),
        ("trace", of("trace", trace(), trace_rules())),
        ("process", of("process", process, Vec::new())),
    ]
}

fn rates() -> Vec<(&'static str, Value)> {
    vec![
        ("store", store()),
        ("when_unavailable", word(&WhenUnavailable::WORDS)),
        ("namespace", short("^[!-~]+$", LONGEST_WORD)),
        ("ca_file", file()),
        ("server_name", server_name()),
        ("client_certificate", file()),
        ("client_key", file()),
        ("user", short("^[!-~]+$", LONGEST_WORD)),
        ("password_file", file()),
        ("database", count(0..=LAST_DATABASE)),
        ("danger_plaintext", flag()),
        ("lease", pattern(&format!("^0*(?:(?:{})ms|[12]s)$", whole(20..=2000)))),
        ("hints", flag()),
    ]
}

fn rates_rules() -> Vec<Value> {
    vec![
        where_given("user", &json!({"required": ["password_file"]})),
        where_given("client_certificate", &json!({"required": ["client_key"]})),
        where_given("client_key", &json!({"required": ["client_certificate"]})),
        where_it_is("store", &json!({"not": store_with_tls()}), &without(&OF_TLS)),
    ]
}

fn trace() -> Vec<(&'static str, Value)> {
    let set_elsewhere: Vec<_> = SET_ELSEWHERE.iter().map(|(name, _)| name.replace('.', "\\.")).collect();
    let refused = format!("^(?:telemetry\\.sdk\\.|(?:{})=)", set_elsewhere.join("|"));
    let attribute = pattern("^[A-Za-z0-9._/-]+=[^\\u0000-\\u001f\\u007f-\\u009f]+$");
    vec![
        ("endpoint", except(&endpoint(), &json!({"pattern": "/v1/traces/*$"}))),
        ("forward", flag()),
        ("sample_ratio", json!({"type": "number", "minimum": 0, "maximum": 1})),
        ("parent_based", flag()),
        ("ca_file", file()),
        ("headers_file", file()),
        ("danger_plaintext", flag()),
        ("queue", count(1..=MOST_QUEUED)),
        ("batch", count(1..=MOST_IN_BATCH)),
        ("interval", duration()),
        ("timeout", duration()),
        ("service_name", short("^[!-~]+$", 255)),
        ("resource", list(except(&attribute, &json!({"pattern": refused})))),
    ]
}

fn trace_rules() -> Vec<Value> {
    let forwards = json!({"required": ["forward"], "properties": {"forward": {"const": true}}});
    vec![
        json!({"anyOf": [{"required": ["endpoint"]}, {"allOf": [forwards, without(&OF_EXPORT)]}]}),
        where_it_is("endpoint", &json!({"not": https()}), &without(&["ca_file"])),
    ]
}

/// A level, or directives with one each; with `[` or `{` the log itself decides.
fn level() -> Value {
    let directive = "(?:[ -+./0-9:-@A-Z\\\\\\]^-z|}~-]*=)? *(?:off|error|warn|info|debug|trace) *";
    let filter = format!("^(?:{directive}(?:,{directive})*|[ -~]*[\\[{{][ -~]*)$");
    json!({"type": "string", "pattern": filter})
}
