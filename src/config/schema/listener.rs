//! `[listener.NAME]` and the tables below it.

use serde_json::{Value, json};

use super::comments::Comments;
use super::hosts::{listen, listener_host, other_than_tcp, unix};
use super::shapes::{
    Table, count, duration, either, except, file, filled, flag, list, name, not_both, one_of, pattern, rate, short,
    where_given, where_it_is, without, word,
};
use crate::authorize::Method;
use crate::config::grammar::header::ORDINARY;
use crate::config::grammar::identifier::LARGEST_ID;
use crate::config::tables::listener::MOST_CONNECTIONS;
use crate::downstream::TokenAlgorithm;

pub(super) fn schema(comments: &Comments) -> Value {
    let header = except(&pattern("^[a-z0-9_-]+$"), &json!({"anyOf": [one_of(ORDINARY), {"pattern": "^sec-"}]}));
    let keys = vec![
        ("address", listen()),
        ("mode", mode()),
        ("group", group()),
        ("any_local", flag()),
        ("authenticate", filled(&list(word(&Method::WORDS)))),
        ("danger_beyond_loopback", flag()),
        ("danger_cleartext_tokens", flag()),
        ("required_header", header),
        ("hosts", list(listener_host())),
        ("routes", filled(&list(name()))),
        ("limits", limits(comments)),
        ("tls", tls(comments)),
        ("service_account", service_account(comments)),
    ];
    Table { header: "listener.local", keys, required: &[], rules: rules() }.described(comments)
}

fn rules() -> Vec<Value> {
    let with = |method: Method| json!({"contains": {"const": method.as_str()}});
    let has_method = |key: &str, method| {
        where_given(key, &json!({"required": ["authenticate"], "properties": {"authenticate": with(method)}}))
    };
    let on_unix = json!({"required": ["address"], "properties": {"address": {"pattern": "^unix:"}}});
    let tcp = json!({"properties": {"address": {"not": other_than_tcp()}}});
    let tls_with_ca = json!({"required": ["tls"], "properties": {"tls": {"required": ["client_ca"]}}});
    let client_ca = json!({"required": ["tls"], "properties": {"tls": {"required": ["client_ca"]}}});
    let mtls = json!({"required": ["authenticate"], "properties": {"authenticate": with(Method::Mtls)}});
    vec![
        // nobody could call, or anybody beside those that are named
        json!({"oneOf": [
            {"required": ["any_local"], "properties": {"any_local": {"const": true}}},
            {"required": ["authenticate"]},
        ]}),
        where_given("mode", &on_unix),
        where_given("group", &on_unix),
        where_it_is(
            "authenticate",
            &with(Method::UnixPeer),
            &json!({
                "required": ["address"], "properties": {"address": other_than_tcp()},
            }),
        ),
        where_it_is("authenticate", &with(Method::LoopbackOwner), &tcp),
        where_it_is("authenticate", &with(Method::Mtls), &tls_with_ca),
        where_it_is("authenticate", &with(Method::ServiceAccount), &json!({"required": ["service_account"]})),
        json!({"if": client_ca, "then": mtls}),
        has_method("service_account", Method::ServiceAccount),
        where_it_is("address", &json!({"pattern": "^unix:"}), &without(&["tls"])),
    ]
}

/// The permission bits of a Unix socket.
pub(super) fn mode() -> Value {
    pattern("^0?[0-7]{3}$")
}

/// The group of a Unix socket.
pub(super) fn group() -> Value {
    let name = short("^[0-9]*[A-Za-z_.-][A-Za-z0-9_.-]*$", 32);
    json!({"anyOf": [count(0..=LARGEST_ID), name]})
}

/// That a socket is one which countersign makes, for the tables whose address may be a list.
pub(super) fn on_a_socket_of_ours() -> Value {
    let socket = unix();
    let one_of_several = json!({"type": "array", "contains": socket});
    json!({"required": ["address"], "properties": {"address": {"anyOf": [socket, one_of_several]}}})
}

fn limits(comments: &Comments) -> Value {
    let keys = vec![
        ("head_timeout", duration()),
        ("body_timeout", duration()),
        ("idle_timeout", duration()),
        ("minimum_rate", rate()),
        ("rate_grace", duration()),
        ("connections", count(1..=MOST_CONNECTIONS)),
    ];
    Table { header: "listener.local.limits", keys, required: &[], rules: Vec::new() }.described(comments)
}

fn tls(comments: &Comments) -> Value {
    let keys = vec![
        ("certificate", file()),
        ("private_key", file()),
        ("client_ca", file()),
        ("crl", list(file())),
        ("session_lifetime", duration()),
    ];
    let rules = vec![where_given("crl", &json!({"required": ["client_ca"]}))];
    Table { header: "listener.local.tls", keys, required: &["certificate", "private_key"], rules }.described(comments)
}

fn service_account(comments: &Comments) -> Value {
    // the value of a claim begins and ends with something that can be seen
    let claim = pattern("^[^\\s\\u0000-\\u001f\\u007f](?:[^\\u0000-\\u001f\\u007f]*[^\\s\\u0000-\\u001f\\u007f])?$");
    let keys = vec![
        ("issuer", claim.clone()),
        ("audience", claim),
        ("algorithm", word(&TokenAlgorithm::WORDS)),
        ("jwks_file", file()),
        ("jwks_url", super::hosts::endpoint()),
        ("jwks_ca_file", file()),
        ("jwks_token_file", file()),
    ];
    let of_a_url = |key| where_given(key, &json!({"required": ["jwks_url"]}));
    let rules = vec![
        either("jwks_file", "jwks_url"),
        not_both("jwks_file", "jwks_url"),
        of_a_url("jwks_ca_file"),
        of_a_url("jwks_token_file"),
        where_given("jwks_ca_file", &json!({"properties": {"jwks_url": super::hosts::https()}})),
    ];
    let required = &["issuer", "audience", "algorithm"];
    Table { header: "listener.local.service_account", keys, required, rules }.described(comments)
}
