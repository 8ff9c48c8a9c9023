//! `[admin]`, `[audit]`, `[log]` and `[process]`.

use serde_json::{Value, json};

use super::comments::Comments;
use super::hosts::{admin as address, http_host};
use super::listener::{group, mode, on_a_socket_of_ours};
use super::shapes::{Table, any, count, duration, flag, list, one_of, pattern, several, size, where_given, word};
use crate::config::tables::process::{MOST_BODIES, MOST_WORKERS};
use crate::telemetry::LogFormat;
use crate::telemetry::audit::WhenFull;

/// Each table with its schema.
pub(super) fn schemas(comments: &Comments) -> [(&'static str, Value); 4] {
    let describe = |path: &str, shape| comments.describe(path, shape);
    let of = |header, keys, rules| Table { header, keys, required: &[], rules }.schema(&describe);
    let socket = on_a_socket_of_ours();
    let admin =
        vec![("address", several(&address())), ("hosts", list(http_host())), ("mode", mode()), ("group", group())];
    let admin_rules = vec![where_given("mode", &socket), where_given("group", &socket)];
    let target = any(&[one_of(["off", "stdout", "journald", "syslog"]), pattern("^file:/[^\\u0000]*[^/\\u0000]$")]);
    let audit = vec![("target", target), ("when_full", word(&WhenFull::WORDS))];
    let log = vec![("format", word(&LogFormat::WORDS)), ("level", level())];
    let process = vec![
        ("workers", count(1..=MOST_WORKERS)),
        ("drain", duration()),
        ("bodies", size(1..=MOST_BODIES)),
        ("danger_unconfined", flag()),
        ("danger_writable_files", flag()),
    ];
    [
        ("admin", of("admin", admin, admin_rules)),
        ("audit", of("audit", audit, Vec::new())),
        ("log", of("log", log, Vec::new())),
        ("process", of("process", process, Vec::new())),
    ]
}

/// A level, or directives with one each; with `[` or `{` the log itself decides.
fn level() -> Value {
    let directive = "(?:[ -+./0-9:-@A-Z\\\\\\]^-z|}~-]*=)? *(?:off|error|warn|info|debug|trace) *";
    let filter = format!("^(?:{directive}(?:,{directive})*|[ -~]*[\\[{{][ -~]*)$");
    json!({"type": "string", "pattern": filter})
}
