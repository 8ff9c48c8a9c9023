//! The schema is compared with what the readers ask for, take and refuse.

#![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

use std::collections::BTreeSet;

use serde_json::Value;

use super::comments::Comments;
use super::schema;
use crate::config::load::catalogue;
use crate::config::sample::{LEAST, faults, read};
use crate::config::tables::route::LARGEST_BODY;
use crate::credentials::StoreKind;

/// Where the schema is in the source tree.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/countersign.schema.json");

/// Tables that `catalogue` has none of.
const RULE: &str = "client.*.rule";
const CONDITION: &str = "client.*.rule.when";
const FALLBACK: &str = "route.*.fallback";

/// What stands under a key of the schema, by its path, in which `*` is for any name: `listener.*.limits.connections`.
/// The tables of a kind of key have the kind in front: `sealed:key.*.file`.
fn keys(schema: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, table) in schema["properties"].as_object().unwrap() {
        found.push((name.clone(), table.clone()));
        match table["patternProperties"].as_object() {
            None => below(table, name, &mut found),
            Some(_) if name == "key" => {
                for table in schema["definitions"]["key"]["oneOf"].as_array().unwrap() {
                    let kind = table["properties"]["kind"]["const"].as_str().unwrap();
                    below(table, &format!("{kind}:key.*"), &mut found);
                }
            }
            Some(_) => below(&schema["definitions"][name], &format!("{name}.*"), &mut found),
        }
    }
    found
}

fn below(table: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    for (key, value) in table["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        found.push((path.clone(), value.clone()));
        below(value, &path, found);
        below(&value["items"], &path, found);
    }
}

/// The path with the kind of key in front, from one of `catalogue`, whose keys are of the kinds in their order.
fn as_in_schema(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('.').collect();
    let kind = match (parts[0], parts.get(1)) {
        ("key", Some(name)) => {
            let nth = usize::from(name.as_bytes()[0] - b'a');
            Some(StoreKind::ALL[nth].as_str())
        }
        _ => None,
    };
    if parts.len() > 1 && matches!(parts[0], "listener" | "client" | "route" | "key" | "conf_d") {
        parts[1] = "*";
    }
    kind.map_or_else(|| parts.join("."), |kind| format!("{kind}:{}", parts.join(".")))
}

/// The keys that the reader of a table names when it is asked for one that is not there.
fn named_by_the_reader(text: &str) -> Vec<String> {
    let told = faults(text).into_iter().find(|fault| fault.contains("known here are ")).unwrap();
    let (_, known) = told.split_once("known here are ").unwrap();
    known.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

#[test]
fn the_schema_has_every_key_that_a_reader_asks_for_and_no_other() {
    let in_schema: BTreeSet<String> = keys(&schema()).into_iter().map(|(path, _)| path).collect();
    let mut asked: BTreeSet<String> = catalogue().iter().map(|path| as_in_schema(&path.to_string())).collect();
    let client = format!("{LEAST}[client.a]\nuid = 1\n");
    let rules = named_by_the_reader(&format!("{client}[[client.a.rule]]\nnothing-like-it = 1\n"));
    asked.extend(rules.into_iter().map(|key| format!("{RULE}.{key}")));
    let condition = "[[client.a.rule]]\neffect = \"allow\"\nactions = [\"ie:A\"]\nwhen = [{ nothing-like-it = 1 }]\n";
    let conditions = named_by_the_reader(&format!("{client}{condition}"));
    asked.extend(conditions.into_iter().map(|key| format!("{CONDITION}.{key}")));
    let fallbacks = named_by_the_reader(&format!("{LEAST}[[route.ie.fallback]]\nnothing-like-it = 1\n"));
    asked.extend(fallbacks.into_iter().map(|key| format!("{FALLBACK}.{key}")));
    let only_in = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(
        (only_in(&in_schema, &asked), only_in(&asked, &in_schema)),
        (Vec::new(), Vec::new()),
        "(only in the schema, only asked for by readers): a new key needs a shape in src/config/schema"
    );
}

#[test]
fn every_key_has_the_description_of_the_reference() {
    let schema = schema();
    let described: BTreeSet<_> = keys(&schema)
        .into_iter()
        .filter_map(|(_, value)| value["description"].as_str().map(ToOwned::to_owned))
        .collect();
    let comments = Comments::read();
    // conditions are described at `when`; grants have words of their own until the reference has some
    let grants = if comments.paths().any(|path| path.starts_with("conf_d")) { CONDITION } else { "conf_d.*" };
    let undescribed = |path: &str| path.starts_with(CONDITION) || path.starts_with(grants);
    for (path, value) in keys(&schema).iter().filter(|(path, _)| !undescribed(path)) {
        let has_one = value["description"].is_string() || value["$ref"].is_string();
        // what is in a table of its own may be said at its keys
        assert!(has_one || value["properties"].is_object(), "{path} has no description");
    }
    for path in comments.paths().filter(|path| path.matches('.').count() > 1 || path.starts_with("log.")) {
        let text = comments.describe(path, serde_json::json!({}));
        let Some(text) = text["description"].as_str() else { continue };
        let is_there = described.contains(text) || schema.to_string().contains(&Value::from(text).to_string());
        assert!(is_there, "{path} of the reference is not in the schema");
    }
}

#[test]
fn every_default_of_the_schema_is_the_default() {
    let mut tried = 0;
    for (path, value) in keys(&schema()) {
        let Some((table, lines)) = table_of(&path) else { continue };
        let key = path.rsplit('.').next().unwrap();
        let Some(default) = value.get("default").filter(|_| key != "kind") else { continue };
        let lines: Vec<_> = lines.iter().filter(|line| !line.starts_with(&format!("{key} = "))).copied().collect();
        let without = whole(&table, &lines.join("\n"));
        let with = whole(&table, &format!("{}\n{key} = {}", lines.join("\n"), in_toml(default)));
        assert_eq!(read(&with), read(&without), "{path}\n{with}");
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}

/// A value as TOML writes it.
fn in_toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(in_toml).collect::<Vec<_>>().join(", ")),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            other.to_string()
        }
    }
}

/// The table of a key, and what has to stand in it so that nothing is wrong.
fn table_of(path: &str) -> Option<(String, Vec<&'static str>)> {
    let (kind, path) = path.split_once(':').map_or((None, path), |(kind, path)| (Some(kind), path));
    let (table, key) = path.rsplit_once('.')?;
    let socket = ["address = \"unix:/s\""];
    let lines: &[&str] = match (kind, table, key) {
        (Some("sealed"), ..) => &["file = \"/f\"", "identity_file = \"/i\""],
        (Some("file"), ..) => &["kind = \"file\"", "file = \"/f\""],
        (Some("process"), ..) => &["kind = \"process\"", "command = [\"/c\"]"],
        (Some("aws"), ..) => &["kind = \"aws\"", "source = \"profile\""],
        (Some(_), ..) => &[
            "kind = \"pkcs11\"",
            "module = \"/m\"",
            "uri = \"pkcs11:token=t;object=o\"",
            "access_key_id = \"id\"",
            "pin_file = \"/p\"",
        ],
        (None, "listener.*", "mode" | "group") => &["any_local = true", socket[0]],
        (None, "admin", "mode" | "group") => &socket,
        (None, "listener.*", "authenticate") => &["authenticate = [\"token\"]"],
        (None, "listener.*", _) => &["any_local = true"],
        (None, "listener.*.tls", "crl") => &["certificate = \"/c\"", "private_key = \"/k\"", "client_ca = \"/a\""],
        (None, "listener.*.tls", _) => &["certificate = \"/c\"", "private_key = \"/k\""],
        (None, "listener.*.service_account", "jwks_url" | "jwks_ca_file" | "jwks_token_file") => {
            &["issuer = \"i\"", "audience = \"a\"", "algorithm = \"RS256\"", "jwks_url = \"https://j/\""]
        }
        (None, "listener.*.service_account", _) => {
            &["issuer = \"i\"", "audience = \"a\"", "algorithm = \"RS256\"", "jwks_file = \"/j\""]
        }
        (None, "client.*", "burst") => {
            &["token_sha256 = \"0d81fc19a25422d45732c4ad71af527eedfbe8ef5a5f7a703b2c2a0b04402bb9\"", "rate = \"1/s\""]
        }
        (None, "client.*", _) => {
            &["token_sha256 = \"0d81fc19a25422d45732c4ad71af527eedfbe8ef5a5f7a703b2c2a0b04402bb9\""]
        }
        (None, "trace", _) => &["endpoint = \"https://c/\""],
        (None, RULE, _) => &["effect = \"allow\"", "actions = [\"ie:A\"]"],
        (None, CONDITION, _) => return None,
        (None, FALLBACK, "region") => &["endpoint = \"https://f/\"", "region = \"r\""],
        (None, "route.*" | FALLBACK, "client_certificate") => &["endpoint = \"https://e/\"", "client_key = \"/k\""],
        (None, "route.*" | FALLBACK, "client_key") => &["endpoint = \"https://e/\"", "client_certificate = \"/c\""],
        (None, "route.*" | FALLBACK, "egress_ca_file" | "egress_credentials_file") => {
            &["endpoint = \"https://e/\"", "egress = \"https://p\""]
        }
        (None, "route.*" | FALLBACK, _) => &["endpoint = \"https://e/\""],
        (None, "route.*.profile", "region") => &["dialect = \"aws-v4\"", "service = \"ec2\"", "region = \"r\""],
        (None, ..) => &[],
    };
    Some((kind.map_or(table.to_owned(), |kind| format!("{kind}:{table}")), lines.to_vec()))
}

/// A configuration with these lines in a table, and whatever else it takes.
fn whole(table: &str, lines: &str) -> String {
    let (_, table) = table.split_once(':').unwrap_or(("", table));
    let header = match table {
        RULE => "[[client.a.rule]]".to_owned(),
        FALLBACK => "[[route.a.fallback]]".to_owned(),
        table => format!("[{}]", table.replace(".*", ".a")),
    };
    let any_local = "[listener.a]\nany_local = true\n";
    let with_clients = "[listener.a]\nauthenticate = [\"token\"]\n";
    let client = "[client.a]\ntoken_sha256 = \"0d81fc19a25422d45732c4ad71af527eedfbe8ef5a5f7a703b2c2a0b04402bb9\"\n";
    let route = "[route.ie]\nendpoint = \"https://e/\"\n";
    let key = "[key.a]\nfile = \"/f\"\nidentity_file = \"/i\"\n";
    let own = format!("{header}\n{lines}\n");
    if table == "listener.*" && lines.contains("authenticate") {
        return format!("{client}{route}{key}{own}");
    }
    match table {
        "listener.*" => format!("{route}{key}{own}"),
        "listener.*.tls" if lines.contains("client_ca") => {
            let client = "[client.a]\ndns = \"a\"\n";
            format!("[listener.a]\nauthenticate = [\"mtls\"]\n{client}{route}{key}{own}")
        }
        "listener.*.service_account" => {
            let client = "[client.a]\nservice_account = \"a/b\"\n";
            format!("[listener.a]\nauthenticate = [\"service-account\"]\n{client}{route}{key}{own}")
        }
        "client.*" => format!("{with_clients}{route}{key}{own}"),
        RULE => format!("{with_clients}{client}{route}{key}{own}"),
        "route.*" => format!("{any_local}{key}{own}"),
        FALLBACK => {
            let signed_for = "profile = { dialect = \"aws-v4\", region = \"r\", service = \"sts\" }\n";
            let profile = if lines.contains("region = ") { signed_for } else { "" };
            format!("{any_local}{key}[route.a]\nendpoint = \"https://first/\"\n{profile}{own}")
        }
        _ if table.starts_with("route.*.") => {
            format!("{any_local}{key}[route.a]\nendpoint = \"https://e/\"\n{own}")
        }
        "key.*" => format!("{any_local}{route}{own}"),
        _ => format!("{any_local}{route}{key}{own}"),
    }
}

/// Values at and around the edges of a shape, as TOML writes them.
fn edges(path: &str, shape: &Value) -> Vec<String> {
    let quoted = |text: &str| format!("\"{text}\"");
    if let (Some(least), Some(most)) = (shape["minimum"].as_i64(), shape["maximum"].as_i64()) {
        let numbers = [least - 1, least, most, most + 1].map(|number| number.to_string());
        return numbers.into_iter().chain(["\"5\"".to_owned(), "1.5".to_owned(), "true".to_owned()]).collect();
    }
    if shape["type"] == "boolean" {
        return ["true", "false", "\"true\"", "1"].map(ToOwned::to_owned).to_vec();
    }
    if let Some(words) = shape["enum"].as_array() {
        let words = words.iter().map(ToString::to_string);
        return words.chain(["\"\"".to_owned(), "\"no such word\"".to_owned(), "1".to_owned()]).collect();
    }
    if shape == &super::shapes::duration() || is_described(shape, &super::shapes::duration()) {
        let texts =
            ["1ms", "3600000ms", "3600001ms", "60 m", "61m", "1h", "2h", "0s", "007s", "5", "5  s", "-1s", "5S"];
        return texts.map(quoted).into_iter().chain(["5".to_owned()]).collect();
    }
    if is_described(shape, &super::shapes::duration_or_zero()) {
        let texts = ["0s", "0ms", "00 h", "1ms", "1h", "3600001ms", "61m", "2h", "0", "-1s", "s"];
        return texts.map(quoted).into_iter().chain(["0".to_owned()]).collect();
    }
    if is_described(shape, &super::shapes::rate()) {
        return ["1 B/s", "1024 KiB/s", "1MiB/s", "1048577 B/s", "2 MiB/s", "0 B/s", "1 KiB", "1 kB/s"]
            .map(quoted)
            .to_vec();
    }
    if path.ends_with("body") || path.ends_with("bodies") || path.ends_with("max_message") {
        let of_body = format!("{} B", LARGEST_BODY + 1);
        let texts = [
            "0 B",
            "1 B",
            "255 B",
            "256 B",
            "128 KiB",
            "129 KiB",
            "1 MiB",
            "16 MiB",
            "17 MiB",
            "65536 MiB",
            "65537 MiB",
            "1 GiB",
            "1 kB",
            "1024",
        ];
        return texts.map(quoted).into_iter().chain([quoted(&of_body)]).collect();
    }
    if is_described(shape, &super::shapes::file()) {
        return ["\"\"", "\"/f\"", "\"f\"", "\"AGE-SECRET-KEY-1\"", "1", "[\"/f\"]"].map(ToOwned::to_owned).to_vec();
    }
    Vec::new()
}

/// Whether a shape is `plain` with the words of the reference.
fn is_described(shape: &Value, plain: &Value) -> bool {
    let mut shape = shape.clone();
    for word in ["description", "default", "examples"] {
        shape.as_object_mut().unwrap().remove(word);
    }
    shape == *plain
}

#[test]
fn the_values_at_the_edges_of_every_shape_are_in_the_corpus() {
    let mut tried = 0;
    for (path, shape) in keys(&schema()) {
        let Some((table, lines)) = table_of(&path).filter(|_| !path.ends_with(".kind")) else { continue };
        let key = path.rsplit('.').next().unwrap();
        let lines: Vec<_> = lines.iter().filter(|line| !line.starts_with(&format!("{key} = "))).copied().collect();
        for value in edges(&path, &shape) {
            // reading it puts it into the corpus
            drop(read(&whole(&table, &format!("{}\n{key} = {value}", lines.join("\n")))));
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn the_file_in_config_is_the_schema_and_a_reference_for_editors() {
    let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("COUNTERSIGN_WRITE_PAGES").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let found = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(found == made, "{FILE} is stale: run COUNTERSIGN_WRITE_PAGES=1 cargo test --lib reference");
}
