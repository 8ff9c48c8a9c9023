//! Attributes of a resource: `name=value`, as in OpenTelemetry's `OTEL_RESOURCE_ATTRIBUTES`, but not encoded.

use crate::config::reading::value::shown;

/// Attributes that are set by others, and by what.
pub(crate) const SET_ELSEWHERE: [(&str, &str); 3] = [
    ("service.name", "by `service_name`"),
    ("service.version", "by countersign"),
    ("service.instance.id", "by countersign, at each start"),
];

/// One attribute.
pub(crate) fn attribute(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("{} is not an attribute: write \"name=value\"", shown(text));
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    if name.is_empty() || value.is_empty() || !name.bytes().all(is_name) || value.chars().any(char::is_control) {
        return Err(wrong());
    }
    if let Some((_, by)) = SET_ELSEWHERE.iter().find(|(known, _)| *known == name) {
        return Err(format!("`{name}` is set {by}: remove it"));
    }
    if name.starts_with("telemetry.sdk.") {
        return Err(format!("`{name}` says which library made the spans: remove it"));
    }
    Ok((name.to_owned(), value.to_owned()))
}
