//! `[listener.NAME]` and the tables below it.

use serde_json::{Value, json};

use super::comments::Comments;
use super::hosts::{listen, listener_host, network, other_than_tcp, unix};
use super::shapes::{
    Table, any, count, duration, either, except, file, filled, flag, list, name, not_both, one_of, pattern, rate,
    several, short, where_given, where_it_is, without, word,
};
use crate::authorize::{Method, RateLimitFields};
use crate::config::grammar::header::ORDINARY;
use crate::config::grammar::identifier::LARGEST_ID;
use crate::config::tables::listener::{MOST_CONNECTIONS, MOST_REQUESTS};
use crate::config::tables::relays::UNIX;
use crate::downstream::TokenAlgorithm;

pub(super) fn schema(comments: &Comments) -> Value {
    let header = except(&pattern("^[a-z0-9_-]+$"), &json!({"anyOf": [one_of(ORDINARY), {"pattern": "^sec-"}]}));
    let keys = vec![
        ("address", several(&listen())),
        ("only_v6", flag()),
        ("mode", mode()),
        ("group", group()),
        ("any_local", flag()),
        ("authenticate", filled(&list(word(&Method::WORDS)))),
        ("danger_beyond_loopback", flag()),
        ("danger_cleartext_tokens", flag()),
        ("required_header", header),
        ("proxy_protocol_from", filled(&list(any(&[network(), one_of([UNIX])])))),
        ("hosts", list(listener_host())),
        ("routes", filled(&list(name()))),
        ("hide_routes", flag()),
        ("rate_limit_fields", word(&RateLimitFields::WORDS)),
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
    let only = |methods: &[Method]| {
        let words: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
        json!({"items": {"enum": words}})
    };
    let (tcp, unix) = (json!({"not": other_than_tcp()}), json!({"pattern": "^unix:"}));
    let address = |like: &Value| json!({"properties": {"address": like}});
    let given = |like: &Value| json!({"required": ["address"], "properties": {"address": like}});
    let tls_with_ca = json!({"required": ["tls"], "properties": {"tls": {"required": ["client_ca"]}}});
    let client_ca = json!({"required": ["tls"], "properties": {"tls": {"required": ["client_ca"]}}});
    let mtls = json!({"required": ["authenticate"], "properties": {"authenticate": with(Method::Mtls)}});
    let contains = |word: &str| json!({"contains": {"const": word}});
    let with_any_local = json!({"required": ["any_local"], "properties": {"any_local": {"const": true}}});
    let both = |first: &Value, key: &str| json!({"allOf": [first, {"required": [key]}]});
    let danger =
        json!({"required": ["danger_beyond_loopback"], "properties": {"danger_beyond_loopback": {"const": true}}});
    let by_user = json!({"properties": {"authenticate": {"not": with(Method::UnixPeer)}}});
    vec![
        // nobody could call, or anybody beside those that are named
        json!({"oneOf": [
            {"required": ["any_local"], "properties": {"any_local": {"const": true}}},
            {"required": ["authenticate"]},
        ]}),
        where_it_is("hide_routes", &json!({"const": true}), &json!({"required": ["authenticate"]})),
        where_given("mode", &on_a_socket_of_ours()),
        where_given("group", &on_a_socket_of_ours()),
        where_given("only_v6", &on_every_v6()),
        where_it_is("authenticate", &with(Method::UnixPeer), &given(&some(&other_than_tcp()))),
        where_it_is("authenticate", &with(Method::LoopbackOwner), &address(&some(&tcp))),
        // none of several addresses is one at which nobody could call
        where_it_is("authenticate", &only(&[Method::UnixPeer]), &given(&every(&other_than_tcp()))),
        where_it_is("authenticate", &only(&[Method::LoopbackOwner]), &address(&every(&tcp))),
        where_it_is("authenticate", &with(Method::Mtls), &tls_with_ca),
        where_it_is("authenticate", &with(Method::ServiceAccount), &json!({"required": ["service_account"]})),
        json!({"if": client_ca, "then": mtls}),
        has_method("service_account", Method::ServiceAccount),
        where_it_is("address", &some(&unix), &without(&["tls"])),
        // clients of a load balancer are not on this machine, and its user is none of them
        json!({"if": both(&with_any_local, "proxy_protocol_from"), "then": danger}),
        where_it_is("proxy_protocol_from", &contains(UNIX), &given(&some(&other_than_tcp()))),
        where_it_is("proxy_protocol_from", &contains(UNIX), &by_user),
        where_it_is(
            "proxy_protocol_from",
            &json!({"contains": {"not": {"const": UNIX}}}),
            &address(&some(&json!({"not": unix}))),
        ),
    ]
}

/// That an address, or one of several, is like this.
fn some(like: &Value) -> Value {
    any(&[json!({"type": "string", "allOf": [like]}), json!({"type": "array", "contains": like})])
}

/// That an address, or each of several, is like this.
fn every(like: &Value) -> Value {
    any(&[json!({"type": "string", "allOf": [like]}), json!({"type": "array", "items": like})])
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

/// That a socket is at `[::]`, for the tables whose address may be a list.
pub(super) fn on_every_v6() -> Value {
    let every_v6 = json!({"pattern": "^\\[[0:.]+(?:%[0-9]+)?\\]:"});
    json!({"required": ["address"], "properties": {"address": some(&every_v6)}})
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
        ("requests_per_connection", count(1..=MOST_REQUESTS)),
        ("connection_lifetime", duration()),
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
