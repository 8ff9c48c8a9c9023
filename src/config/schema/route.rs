//! `[route.NAME]` and the tables below it.

use serde_json::{Value, json};

use super::comments::Comments;
use super::hosts::{endpoint, http_host, https, next_hop, proxy};
use super::shapes::{
    Table, any, count, duration, except, file, filled, flag, list, name, one_of, pattern, short, size, text,
    where_given, where_it_is, without, word,
};
use crate::config::grammar::never_forwarded::{FAMILIES, GLUED, WORDS};
use crate::config::tables::fallback::MOST_FALLBACKS;
use crate::config::tables::route::{LARGEST_BODY, MOST_CONNECTIONS, MOST_FAILURES, MOST_PARAMETERS, MOST_WARM};
use crate::query::{Action, ErrorDialect, FormPlace, Service};
use crate::signing::{ClockSource, Dialect, Profile, SignatureMethod};
use crate::trust::MinimumTls;

/// What only an endpoint with TLS has.
const OF_TLS: [&str; 5] = ["ca_file", "client_certificate", "client_key", "pinned_public_keys", "minimum_tls"];

/// A region, or a service that is signed for.
const PLAIN: &str = "^[A-Za-z0-9-]{1,64}$";

pub(super) fn schema(comments: &Comments) -> Value {
    let mut keys = of_an_endpoint();
    keys.extend([
        ("key", name()),
        ("probe", probe()),
        ("clock", word(&ClockSource::WORDS)),
        ("hosts", list(http_host())),
        ("path", pattern("^/(?:[!-\"$&->@-~]*[!-\"$&-.0->@-~])?$")),
        ("scope", scope()),
        ("accept", accept()),
        ("forward_headers", list(header())),
        ("safe_to_repeat", list(pattern(&format!("^[A-Za-z0-9]{{1,{}}}\\*?$", Action::MAX_LENGTH)))),
        ("known_actions", list(action())),
        ("audit_values", list(short("^[^\\u0000-\\u001f\\u007f]+$", 128))),
        ("profile", profile(comments)),
        ("limits", limits(comments)),
        ("timeouts", timeouts(comments)),
        ("fallback", json!({"type": "array", "maxItems": MOST_FALLBACKS, "items": fallback(comments)})),
    ]);
    let largest = |dialect: Dialect| {
        let most = dialect.vocabulary().largest_form?;
        let limits = json!({"properties": {"limits": {"properties": {"body": size(1..=most)}}}});
        Some(json!({"if": of_dialect(dialect), "then": limits}))
    };
    let mut rules = rules_of_an_endpoint();
    rules.extend(Dialect::ON_ROUTES.into_iter().filter_map(|(_, dialect)| largest(dialect)));
    rules.push(regions_of_fallbacks());
    Table { header: "route.importexport", keys, required: &["endpoint"], rules }.described(comments)
}

/// The keys of an endpoint, in the table of its route or of a fallback.
fn of_an_endpoint() -> Vec<(&'static str, Value)> {
    vec![
        ("endpoint", endpoint()),
        ("connect", next_hop()),
        ("egress", any(&[one_of(["direct", "environment"]), proxy()])),
        ("egress_ca_file", file()),
        ("egress_credentials_file", file()),
        ("ca_file", file()),
        ("client_certificate", file()),
        ("client_key", file()),
        // 32 bytes in Base64; curl writes a second slash
        ("pinned_public_keys", filled(&list(pattern("^sha256/(?:/?)[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")))),
        ("minimum_tls", word(&MinimumTls::WORDS)),
        ("danger_plaintext", flag()),
    ]
}

fn fallback(comments: &Comments) -> Value {
    let mut keys = of_an_endpoint();
    keys.push(("region", pattern(PLAIN)));
    let rules = rules_of_an_endpoint();
    Table { header: "route.importexport.fallback", keys, required: &["endpoint"], rules }.described(comments)
}

/// That fallbacks have a region where the dialect signs for one, and only there.
fn regions_of_fallbacks() -> Value {
    let signing = Dialect::ON_ROUTES.into_iter().filter(|(_, dialect)| dialect.signs_for_a_service());
    let fallbacks = |like: &Value| json!({"properties": {"fallback": {"items": like}}});
    json!({
        "if": any(&signing.map(|(_, dialect)| of_dialect(dialect)).collect::<Vec<_>>()),
        "then": fallbacks(&json!({"required": ["region"]})),
        "else": fallbacks(&without(&["region"])),
    })
}

/// What the keys of an endpoint demand of each other.
fn rules_of_an_endpoint() -> Vec<Value> {
    let plain = json!({"not": https()});
    let files_of_a_proxy = without(&["egress_ca_file", "egress_credentials_file"]);
    let no_proxy = json!({"if": {"not": {"required": ["egress"]}}, "then": files_of_a_proxy});
    let not_direct = json!({"pattern": "^(?:environment$|.*:)"});
    let with_a_proxy = json!({"properties": {"egress": not_direct}});
    vec![
        where_given("client_certificate", &json!({"required": ["client_key"]})),
        where_given("client_key", &json!({"required": ["client_certificate"]})),
        where_it_is("endpoint", &plain, &without(&OF_TLS)),
        no_proxy,
        where_given("egress_ca_file", &with_a_proxy),
        where_given("egress_credentials_file", &with_a_proxy),
        // the certificate of a proxy is looked at only where one is shown
        where_it_is("egress", &json!({"pattern": "^[Hh][Tt][Tt][Pp]:"}), &without(&["egress_ca_file"])),
        where_it_is("egress", &not_direct, &without(&["connect"])),
        where_it_is("egress", &not_direct, &json!({"properties": {"endpoint": https()}})),
    ]
}

/// That a route has this dialect, which is not the default.
fn of_dialect(dialect: Dialect) -> Value {
    let named = json!({"required": ["dialect"], "properties": {"dialect": {"const": dialect.as_str()}}});
    json!({"required": ["profile"], "properties": {"profile": named}})
}

fn action() -> Value {
    pattern(&format!("^[A-Za-z0-9]{{1,{}}}$", Action::MAX_LENGTH))
}

/// An Action, or a form.
fn probe() -> Value {
    let plain = "[A-Za-z0-9._~%-]*";
    any(&[action(), pattern(&format!("^{plain}={plain}(?:&{plain}={plain})*$"))])
}

fn scope() -> Value {
    pattern("^[A-Za-z0-9_.-]{1,64}/[A-Za-z0-9_.-]{1,64}$")
}

/// A list without "post" would lock most SDKs out.
fn accept() -> Value {
    let mut places = list(word(&FormPlace::WORDS));
    if let Some(members) = places.as_object_mut() {
        members.insert("contains".to_owned(), json!({"const": "post"}));
    }
    places
}

/// The name of a header in lower case, but none of those that are never passed on.
fn header() -> Value {
    except(&pattern("^[a-z0-9!#$%&'+.^_`|~-]+$"), &json!({"pattern": never_forwarded()}))
}

/// The lists of [`never_forwarded`](crate::config::grammar::never_forwarded) as an expression.
fn never_forwarded() -> String {
    // any mark separates words there
    const MARK: &str = "[^a-z0-9]";
    let families: Vec<_> = FAMILIES.iter().map(|(family, _)| family.replace('-', MARK)).collect();
    let word = |(word, _): &(&str, &str)| {
        if word.len() >= GLUED {
            format!("(?:^|{MARK}){word}|{word}(?:{MARK}|$)")
        } else {
            format!("(?:^|{MARK}){word}(?:{MARK}|$)")
        }
    };
    let words: Vec<_> = WORDS.iter().map(word).collect();
    format!("^{MARK}*(?:{})(?:{MARK}|$)|{}", families.join("|"), words.join("|"))
}

fn limits(comments: &Comments) -> Value {
    let keys = vec![
        ("body", size(1..=LARGEST_BODY)),
        ("parameters", count(1..=MOST_PARAMETERS)),
        ("in_flight", count(1..=MOST_CONNECTIONS)),
        ("pool", count(0..=MOST_CONNECTIONS)),
        ("warm", count(0..=MOST_WARM)),
        ("failures", count(0..=MOST_FAILURES)),
    ];
    Table { header: "route.importexport.limits", keys, required: &[], rules: Vec::new() }.described(comments)
}

fn timeouts(comments: &Comments) -> Value {
    let keys = ["connect", "first_byte", "idle", "pool_idle", "probe"].map(|key| (key, duration())).to_vec();
    Table { header: "route.importexport.timeouts", keys, required: &[], rules: Vec::new() }.described(comments)
}

fn profile(comments: &Comments) -> Value {
    let keys = vec![
        ("dialect", word(&Dialect::ON_ROUTES)),
        ("signature_method", word(&SignatureMethod::WORDS)),
        ("region", text()),
        ("errors", word(&ErrorDialect::WORDS)),
        ("service", text()),
    ];
    let rules = Dialect::ON_ROUTES.into_iter().map(|(word, dialect)| of_profile(word, dialect)).collect();
    Table { header: "route.importexport.profile", keys, required: &[], rules }.described(comments)
}

/// What a dialect leaves to choose: asked of the dialect itself.
fn of_profile(word: &str, dialect: Dialect) -> Value {
    let signs_for_a_service = dialect.signs_for_a_service();
    let realm = signs_for_a_service.then_some("a");
    let methods = SignatureMethod::WORDS
        .into_iter()
        .filter(|(_, method)| Profile::new(dialect, Some(*method), realm, realm).is_ok());
    let mut keys = json!({"signature_method": one_of(methods.map(|(word, _)| word))});
    let plain = pattern(PLAIN);
    let service =
        if signs_for_a_service { plain.clone() } else { one_of(Service::all().map(|service| service.name())) };
    let mut refused = Vec::new();
    if let Some(keys) = keys.as_object_mut() {
        keys.insert("service".to_owned(), service);
        if signs_for_a_service {
            keys.insert("region".to_owned(), plain);
        } else {
            refused.push("region");
        }
        if !ErrorDialect::WORDS.iter().any(|(_, errors)| *errors == dialect.errors()) {
            refused.push("errors");
        }
    }
    let required: &[&str] = if signs_for_a_service { &["region", "service"] } else { &[] };
    let named = json!({"properties": {"dialect": {"const": word}}, "required": ["dialect"]});
    // the default is what a profile without this line has
    let given =
        if dialect == Dialect::AwsV2 { json!({"anyOf": [named, {"not": {"required": ["dialect"]}}]}) } else { named };
    let mut then = json!({"properties": keys, "required": required});
    if let (Some(then), false) = (then.as_object_mut(), refused.is_empty()) {
        then.insert("allOf".to_owned(), json!([without(&refused)]));
    }
    json!({"if": given, "then": then})
}
