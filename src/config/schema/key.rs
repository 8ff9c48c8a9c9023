//! `[key.NAME]`: a table of its own for each kind of store.

use serde_json::{Value, json};

use super::comments::Comments;
use super::shapes::{
    Table, count, duration, either, except, file, flag, list, not_both, pattern, short, size, where_given, where_it_is,
    without, word,
};
use crate::config::tables::key::pkcs11::{LONGEST_MESSAGE, LONGEST_QUEUE, MOST_SESSIONS};
use crate::config::tables::key::process::MOST_ARGUMENTS;
use crate::credentials::{AccessKeyId, AwsSource, StoreKind};

/// The longest name of a systemd credential.
const LONGEST_CREDENTIAL: usize = 255;
const LONGEST_WORD: usize = 2048;

pub(super) fn schema(comments: &Comments) -> Value {
    json!({"oneOf": StoreKind::ALL.map(|kind| of_kind(kind, comments))})
}

fn of_kind(kind: StoreKind, comments: &Comments) -> Value {
    let mut table = match kind {
        StoreKind::Sealed => sealed(),
        StoreKind::File => file_of_json(),
        StoreKind::Process => process(),
        StoreKind::Aws => aws(),
        StoreKind::Pkcs11 => pkcs11(),
    };
    table.keys.insert(0, ("kind", json!({"const": kind.as_str()})));
    let mut schema = table.described(comments);
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), json!(format!("kind = \"{kind}\"")));
    }
    schema
}

/// Of two ways to name a file there is one.
fn path_or_credential(path: &'static str, credential: &'static str) -> [(&'static str, Value); 2] {
    let name = except(&short("^[!-.0-~]+$", LONGEST_CREDENTIAL), &json!({"enum": [".", ".."]}));
    [(path, file()), (credential, name)]
}

/// The variables that a store's process gets.
fn environment() -> (&'static str, Value) {
    let refused = json!({"anyOf": [{"pattern": "^(?:LD_|COUNTERSIGN_)"}, {"const": "AGEDEBUG"}]});
    ("environment", list(except(&pattern("^[A-Za-z0-9_]+$"), &refused)))
}

fn sealed() -> Table {
    let mut keys = vec![("file", file())];
    keys.extend(path_or_credential("identity_file", "identity_credential"));
    keys.extend([environment(), ("timeout", duration())]);
    let rules = vec![either("identity_file", "identity_credential"), not_both("identity_file", "identity_credential")];
    Table { header: "key.main", keys, required: &["file"], rules }
}

fn file_of_json() -> Table {
    let keys = path_or_credential("file", "credential").to_vec();
    let rules = vec![either("file", "credential"), not_both("file", "credential")];
    Table { header: "key.mounted", keys, required: &["kind"], rules }
}

fn process() -> Table {
    let command = json!({
        "type": "array",
        "items": [pattern("^/[^\\u0000]*$")],
        "additionalItems": pattern("^[^\\u0000]*$"),
        "minItems": 1,
        "maxItems": MOST_ARGUMENTS,
    });
    let keys = vec![("command", command), environment(), ("timeout", duration()), ("refresh", duration())];
    Table { header: "key.printed", keys, required: &["kind", "command"], rules: Vec::new() }
}

fn aws() -> Table {
    let keys = vec![
        ("source", word(&AwsSource::WORDS)),
        ("profile", short("^[^\\u0000-\\u001f\\u007f]+$", LONGEST_WORD)),
        ("role", short("^arn:[^\\u0000-\\u001f\\u007f]*:role/[^\\u0000-\\u001f\\u007f]*$", LONGEST_WORD)),
        ("region", short("^[a-z0-9-]+$", 63)),
        ("timeout", duration()),
        ("refresh", duration()),
    ];
    let has_profiles = |source: &AwsSource| match source {
        AwsSource::Profile | AwsSource::Default => true,
        AwsSource::Environment | AwsSource::WebIdentity | AwsSource::Container | AwsSource::Instance => false,
    };
    let others = AwsSource::WORDS.into_iter().filter(|(_, source)| !has_profiles(source)).map(|(word, _)| word);
    let rules = vec![where_it_is("source", &super::shapes::one_of(others), &without(&["profile"]))];
    Table { header: "key.cloud", keys, required: &["kind", "source"], rules }
}

fn pkcs11() -> Table {
    let mut keys = vec![
        ("module", file()),
        ("uri", pattern(URI)),
        ("access_key_id", short("^[^\\u0000-\\u001f\\u007f]+$", AccessKeyId::MAX_LENGTH)),
    ];
    keys.extend(path_or_credential("pin_file", "pin_credential"));
    keys.extend([
        environment(),
        ("sessions", count(1..=MOST_SESSIONS)),
        ("queue", count(1..=LONGEST_QUEUE)),
        ("deadline", duration()),
        ("max_message", size(256..=LONGEST_MESSAGE)),
        ("danger_readable_secret", flag()),
    ]);
    // the PIN stands in one place
    let in_the_uri = json!({"pattern": "[?&]pin-source="});
    let elsewhere = json!({"not": in_the_uri});
    let rules = vec![
        not_both("pin_file", "pin_credential"),
        where_it_is("uri", &in_the_uri, &without(&["pin_file", "pin_credential"])),
        where_it_is("uri", &elsewhere, &either("pin_file", "pin_credential")),
        where_given("pin_file", &json!({"properties": {"uri": elsewhere}})),
    ];
    Table { header: "key.token", keys, required: &["kind", "module", "uri", "access_key_id"], rules }
}

/// A PKCS#11 URI (RFC 7512). Which attributes there have to be is more than an expression can say.
const URI: &str =
    "^pkcs11:(?:(?:token|manufacturer|model|serial|object|id|slot-id|type)=[^;?= ]+;?)+(?:\\?pin-source=file:[^ ]+)?$";
