//! The JSON Schema of a configuration file, for editors and for whoever writes configurations by a program.
//!
//! The words, limits and dialects are those that the readers use (`tables`), and the descriptions, defaults and
//! examples are those of `config/reference.toml`. What a schema cannot say, such as that a route's key has to be there,
//! `countersign check` alone finds: `docs/reference/json.md` lists it. `tests` compares the keys with those that the
//! readers ask for, and the limits with what they refuse.

mod client;
mod comments;
mod hosts;
mod key;
mod listener;
mod numbers;
mod process;
mod route;
mod shapes;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use comments::Comments;
use shapes::named;

/// The schema, which is `config/countersign.schema.json`. It is one of draft 7, the latest that both Taplo and Tombi
/// know.
#[must_use]
pub fn schema() -> Value {
    let comments = Comments::read();
    let reference = |name: &str| json!({"$ref": format!("#/definitions/{name}")});
    let many = |name: &str, text: &str| {
        let mut tables = named(&reference(name));
        if let Some(members) = tables.as_object_mut() {
            members.insert("description".to_owned(), json!(text));
        }
        tables
    };
    let mut properties = Map::new();
    for (name, text) in [
        ("listener", "Where clients connect: [listener.NAME], one at least."),
        ("client", "Who may call listeners that authenticate, and what: [client.NAME]."),
        ("route", "The endpoints that may be called: [route.NAME], one at least."),
        ("key", "The access keys, none of which stands here: [key.NAME], one at least."),
        ("conf_d", "What the files of conf.d may use: [conf_d.NAME] for conf.d/NAME.toml."),
    ] {
        properties.insert(name.to_owned(), many(name, text));
    }
    properties.extend(process::schemas(&comments).map(|(name, schema)| (name.to_owned(), schema)));
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "countersign's configuration",
        "description": "A file of countersign's configuration: countersign.toml, or one in conf.d. Which tables there \
                        have to be is not said here, because others may be in another file or in variables.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "definitions": {
            "listener": listener::schema(&comments),
            "client": client::schema(&comments),
            "route": route::schema(&comments),
            "key": key::schema(&comments),
            "conf_d": process::grant(&comments),
        },
    })
}
