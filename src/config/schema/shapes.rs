//! The shapes of values, each as the JSON Schema of it. Their limits are those of the readers in [`reading`] and
//! [`grammar`]; `tests` has each shape and its reader judge the same values.
//!
//! [`reading`]: crate::config::reading
//! [`grammar`]: crate::config::grammar

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::numbers::{quantity, whole};
use crate::config::settings::Name;

/// The name of a listener, client, route or key.
pub(super) const NAME: &str = "^[a-z0-9](?:[a-z0-9-]|_[a-z0-9-])*_?$";
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// A file's path. An age identity in its place is refused, because it is a secret.
const PATH: &str = "^[^\\u0000]+$";
const AGE_IDENTITY: &str = "[Aa][Gg][Ee]-[Ss][Ee][Cc][Rr][Ee][Tt]-[Kk][Ee][Yy]-";

pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

pub(super) fn text() -> Value {
    json!({"type": "string"})
}

pub(super) fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// A text of at most so many characters. ASCII only: a schema counts characters, and our limits are in bytes.
pub(super) fn short(pattern: &str, longest: usize) -> Value {
    json!({"type": "string", "pattern": pattern, "maxLength": longest})
}

/// A text that is none of these.
pub(super) fn except(shape: &Value, refused: &Value) -> Value {
    let mut made = shape.clone();
    if let Some(members) = made.as_object_mut() {
        members.insert("not".to_owned(), refused.clone());
    }
    made
}

/// One of the words that a `choice` has.
pub(super) fn word<T>(words: &[(&'static str, T)]) -> Value {
    one_of(words.iter().map(|(word, _)| *word))
}

pub(super) fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> Value {
    json!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()})
}

pub(super) fn duration() -> Value {
    pattern(&quantity(1..=HOUR, &[("ms", 1), ("s", SECOND), ("m", MINUTE), ("h", HOUR)]))
}

pub(super) fn duration_or_zero() -> Value {
    pattern(&quantity(0..=HOUR, &[("ms", 1), ("s", SECOND), ("m", MINUTE), ("h", HOUR)]))
}

pub(super) fn size(bytes: RangeInclusive<usize>) -> Value {
    pattern(&quantity(wide(&bytes), &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20)]))
}

/// Bytes a second.
pub(super) fn rate() -> Value {
    pattern(&quantity(1..=1 << 20, &[("B/s", 1), ("KiB/s", 1 << 10), ("MiB/s", 1 << 20)]))
}

pub(super) fn count(range: RangeInclusive<usize>) -> Value {
    json!({"type": "integer", "minimum": range.start(), "maximum": range.end()})
}

fn wide(range: &RangeInclusive<usize>) -> RangeInclusive<u64> {
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    wide(*range.start())..=wide(*range.end())
}

/// The path of a file.
pub(super) fn file() -> Value {
    except(&pattern(PATH), &json!({"pattern": AGE_IDENTITY}))
}

/// The name of a listener, client, route or key.
pub(super) fn name() -> Value {
    short(NAME, Name::MAX_LENGTH)
}

/// A list without repetitions.
pub(super) fn list(item: Value) -> Value {
    let mut list = json!({"type": "array", "uniqueItems": true});
    if let Some(members) = list.as_object_mut() {
        members.insert("items".to_owned(), item);
    }
    list
}

/// The same with one item at least.
pub(super) fn filled(list: &Value) -> Value {
    let mut made = list.clone();
    if let Some(members) = made.as_object_mut() {
        members.insert("minItems".to_owned(), json!(1));
    }
    made
}

/// A value, or a list of them.
pub(super) fn several(item: &Value) -> Value {
    json!({"anyOf": [item, filled(&list(item.clone()))]})
}

/// Any of these shapes.
pub(super) fn any(shapes: &[Value]) -> Value {
    json!({"anyOf": shapes})
}

/// Tables under names of the operator's choice.
pub(super) fn named(table: &Value) -> Value {
    json!({
        "type": "object",
        "propertyNames": {"maxLength": Name::MAX_LENGTH},
        "patternProperties": {NAME: table},
        "additionalProperties": false,
    })
}

/// A number of a port, from `least` on. Zeros may stand in front.
pub(super) fn port(least: u64) -> String {
    format!("0*(?:{})", whole(least..=65_535))
}

/// What a table must be like when it has `key`.
pub(super) fn where_given(key: &str, then: &Value) -> Value {
    json!({"if": {"required": [key]}, "then": then})
}

/// What a table must be like when `key` has a value like this, or is absent and `default` says so.
pub(super) fn where_it_is(key: &str, like: &Value, then: &Value) -> Value {
    json!({"if": {"properties": {key: like}, "required": [key]}, "then": then})
}

/// That a table has none of these keys.
pub(super) fn without(keys: &[&str]) -> Value {
    json!({"not": {"anyOf": keys.iter().map(|key| json!({"required": [key]})).collect::<Vec<_>>()}})
}

/// That a table has exactly one of two keys.
pub(super) fn either(one: &str, other: &str) -> Value {
    json!({"oneOf": [{"required": [one]}, {"required": [other]}]})
}

/// That a table has one key at most.
pub(super) fn not_both(one: &str, other: &str) -> Value {
    json!({"not": {"required": [one, other]}})
}

/// A table: its keys, those it must have, and the rules about several of them.
pub(super) struct Table {
    /// The header under which the reference describes it.
    pub(super) header: &'static str,
    pub(super) keys: Vec<(&'static str, Value)>,
    pub(super) required: &'static [&'static str],
    pub(super) rules: Vec<Value>,
}

impl Table {
    /// The schema, with what the reference says about each key.
    pub(super) fn described(self, comments: &Comments) -> Value {
        self.schema(&|path, shape| comments.describe(path, shape))
    }

    /// The schema; `describe` adds what the reference says about a key of the table, by its path.
    pub(super) fn schema(self, describe: &impl Fn(&str, Value) -> Value) -> Value {
        let keys = self
            .keys
            .into_iter()
            .map(|(key, shape)| (key.to_owned(), describe(&format!("{}.{key}", self.header), shape)));
        let properties: Map<String, Value> = keys.collect();
        let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
        if let Some(members) = schema.as_object_mut() {
            if !self.required.is_empty() {
                members.insert("required".to_owned(), json!(self.required));
            }
            if !self.rules.is_empty() {
                members.insert("allOf".to_owned(), Value::Array(self.rules));
            }
        }
        describe(self.header, schema)
    }
}
