//! The text of an audit line: its fields, its greatest length, and the escapes that keep it one line.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use crate::telemetry::outcome::Outcome;
use crate::telemetry::peer::CertificateText;

/// The longest text of one field, in bytes. Actions, names of clients and the like are far shorter.
const LONGEST_TEXT: usize = 256;
/// The greatest length of all parameters' names together, and of all values, in bytes.
const LONGEST_LIST: usize = 2048;

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A rule allows this client to call this Action.
    Allow,
    /// A rule forbids the call, no rule allows it, or the request was refused before the policy was asked.
    Deny,
    /// Allowed, because the client's policy only records what it would decide.
    Recorded,
    /// Allowed, because the listener lets every local process call everything.
    AnyLocal,
}

impl Decision {
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Recorded => "recorded",
            Self::AnyLocal => "any_local",
        }
    }
}

/// The fields of a line except the time. `None` is written as `null`, except where noted.
pub(crate) struct Entry<'a> {
    /// The ID that the log and the client's response have too. `None` if there was no request, or several.
    pub(crate) request_id: Option<&'a str>,
    /// The trace that the request belongs to. Absent where there is none.
    pub(crate) trace_id: Option<&'a str>,
    pub(crate) listener: &'a str,
    /// The other end of the connection: an address, or a user and a process.
    pub(crate) peer: &'a str,
    /// The client's name.
    pub(crate) client: Option<&'a str>,
    /// Whose the client is: the name of a file of `conf.d/`. Absent for the main file's.
    pub(crate) client_tenant: Option<&'a str>,
    /// How the client was identified.
    pub(crate) identified_by: Option<&'a str>,
    /// The certificate that the client presented.
    pub(crate) certificate: Option<CertificateText<'a>>,
    /// Which token identified the client: the beginning of its digest, or its service account. Never the token.
    pub(crate) token: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
    /// Whose the route is, likewise.
    pub(crate) route_tenant: Option<&'a str>,
    /// The endpoint that got the call. Absent where the route has one, and where none got it.
    pub(crate) endpoint: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
    pub(crate) key_id: Option<&'a str>,
    pub(crate) rule: Option<&'a str>,
    pub(crate) decision: Decision,
    /// How the exchange ended, as far as known when the head of the response was passed on.
    pub(crate) outcome: Outcome,
    /// The status of the response.
    pub(crate) status: Option<u16>,
    /// Our own error code, when the response is ours.
    pub(crate) code: Option<&'a str>,
    /// Why the response is ours: one word of a fixed set.
    pub(crate) reason: Option<&'a str>,
    /// Why the client was turned away before its first request. Absent otherwise.
    pub(crate) handshake: Option<&'a str>,
    /// What the endpoint calls the request.
    pub(crate) endpoint_request_id: Option<&'a str>,
    /// How many refusals the line stands for, if not for one. Absent otherwise.
    pub(crate) repeated: Option<Repeated>,
    pub(crate) parameters: &'a FormSummary,
}

impl<'a> Entry<'a> {
    /// Somebody is refused of whom nothing is known but the address: no client, and no request that could be named.
    pub(crate) const fn of_refused_stranger(listener: &'a str, peer: &'a str) -> Self {
        Self {
            request_id: None,
            trace_id: None,
            listener,
            peer,
            client: None,
            client_tenant: None,
            identified_by: None,
            certificate: None,
            token: None,
            route: None,
            route_tenant: None,
            endpoint: None,
            action: None,
            key_id: None,
            rule: None,
            decision: Decision::Deny,
            outcome: Outcome::Refused,
            status: None,
            code: None,
            reason: None,
            handshake: None,
            endpoint_request_id: None,
            repeated: None,
            parameters: FormSummary::EMPTY,
        }
    }
}

/// Refusals of strangers that have no lines of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub(crate) times: u64,
    /// The time in which they came.
    pub(crate) seconds: u64,
}

/// What the audit keeps of a form: the name of every parameter, and the values that the route's `audit_values` ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FormSummary {
    names: Vec<String>,
    values: Vec<(String, String)>,
    omitted: usize,
}

impl FormSummary {
    /// Of no form.
    pub(crate) const EMPTY: &'static Self = &Self { names: Vec::new(), values: Vec::new(), omitted: 0 };

    /// Takes the names, and the values that are given. Names beyond the limit are counted instead.
    pub(crate) fn of<'p>(parameters: impl Iterator<Item = (&'p str, Option<&'p str>)>) -> Self {
        let mut summary = Self::default();
        let (mut names, mut values) = (0_usize, 0_usize);
        for (name, value) in parameters {
            if let Some(value) = value {
                let value = cut(value);
                values = values.saturating_add(value.len());
                if values <= LONGEST_LIST {
                    summary.values.push((name.to_owned(), value));
                }
            }
            let name = cut(name);
            names = names.saturating_add(name.len());
            if names <= LONGEST_LIST {
                summary.names.push(name);
            } else {
                summary.omitted = summary.omitted.saturating_add(1);
            }
        }
        summary
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    listener: &'a str,
    peer: String,
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_tenant: Option<&'a str>,
    identified_by: Option<String>,
    certificate: Option<Certificate<'a>>,
    token: Option<String>,
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route_tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    action: Option<String>,
    key_id: Option<String>,
    rule: Option<String>,
    decision: &'a str,
    outcome: &'a str,
    status: Option<u16>,
    code: Option<&'a str>,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake: Option<&'a str>,
    endpoint_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    parameters: &'a [String],
    #[serde(skip_serializing_if = "is_zero")]
    parameters_omitted: usize,
    values: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Certificate<'a> {
    serial: &'a str,
    subject: &'a str,
    names: &'a [String],
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde calls
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The line with its newline.
pub(super) fn render(entry: &Entry<'_>, time: Timestamp) -> Vec<u8> {
    let FormSummary { names, values, omitted } = entry.parameters;
    let line = Line {
        time: format!("{time:.3}"),
        request_id: entry.request_id,
        trace_id: entry.trace_id,
        listener: entry.listener,
        peer: cut(entry.peer),
        client: entry.client.map(cut),
        client_tenant: entry.client_tenant,
        identified_by: entry.identified_by.map(cut),
        certificate: entry.certificate.map(|CertificateText { serial, subject, names }| Certificate {
            serial,
            subject,
            names,
        }),
        token: entry.token.map(cut),
        route: entry.route,
        route_tenant: entry.route_tenant,
        endpoint: entry.endpoint.map(cut),
        action: entry.action.map(cut),
        key_id: entry.key_id.map(cut),
        rule: entry.rule.map(cut),
        decision: entry.decision.as_str(),
        outcome: entry.outcome.as_str(),
        status: entry.status,
        code: entry.code,
        reason: entry.reason,
        handshake: entry.handshake,
        endpoint_request_id: entry.endpoint_request_id,
        repeated: entry.repeated.map(|repeated| repeated.times),
        seconds: entry.repeated.map(|repeated| repeated.seconds),
        parameters: names,
        parameters_omitted: *omitted,
        values: values.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect(),
    };
    // a struct of texts and numbers is always JSON
    let mut text = ascii(&serde_json::to_string(&line).unwrap_or_default());
    text.push('\n');
    text.into_bytes()
}

/// Escapes all characters beyond ASCII, and DEL. JSON itself escapes control characters below U+0020 only; others
/// (CSI, line separators, marks that turn the direction of text) could still forge what a reader sees. They can only
/// be inside of strings, where an escape means the same.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// Shortens a text that is too long.
fn cut(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_TEXT);
    format!("{}...", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(client: &'a str, noted: &'a FormSummary) -> Entry<'a> {
        Entry {
            request_id: Some("id"),
            trace_id: None,
            listener: "local",
            peer: "unix:uid=7",
            client: Some(client),
            client_tenant: None,
            identified_by: Some("uid"),
            certificate: None,
            token: None,
            route: Some("ie"),
            route_tenant: None,
            endpoint: None,
            action: Some("GetStatus"),
            key_id: None,
            rule: None,
            decision: Decision::Allow,
            outcome: Outcome::Answered2xx,
            status: Some(200),
            code: None,
            reason: None,
            handshake: None,
            endpoint_request_id: Some("req-1"),
            repeated: None,
            parameters: noted,
        }
    }

    fn rendered(client: &str, noted: &FormSummary) -> String {
        String::from_utf8(render(&entry(client, noted), Timestamp::UNIX_EPOCH)).unwrap()
    }

    #[test]
    fn a_line_has_its_fields_in_order_and_values_only_where_asked_for() {
        let form = [("Action", None), ("JobId", Some("J")), ("Manifest", None)];
        let noted = FormSummary::of(form.into_iter());
        let expected = concat!(
            r#"{"time":"1970-01-01T00:00:00.000Z","request_id":"id","listener":"local","peer":"unix:uid=7","#,
            r#""client":"c","identified_by":"uid","certificate":null,"token":null,"route":"ie","action":"GetStatus","#,
            r#""key_id":null,"rule":null,"decision":"allow","outcome":"answered_2xx","status":200,"code":null,"#,
            r#""reason":null,"endpoint_request_id":"req-1","#,
            r#""parameters":["Action","JobId","Manifest"],"values":{"JobId":"J"}}"#
        );
        assert_eq!(rendered("c", &noted), format!("{expected}\n"));
    }

    #[test]
    fn a_line_names_the_trace_behind_the_request_where_there_is_one() {
        let traced = Entry { trace_id: Some("0af7651916cd43dd8448eb211c80319c"), ..entry("c", FormSummary::EMPTY) };
        let line = String::from_utf8(render(&traced, Timestamp::UNIX_EPOCH)).unwrap();
        let expected = r#""request_id":"id","trace_id":"0af7651916cd43dd8448eb211c80319c","listener":"local","#;
        assert!(line.contains(expected), "{line}");
    }

    #[test]
    fn a_line_without_a_request_says_what_it_stands_for() {
        let certificate = CertificateText { serial: "1f", subject: "CN=a", names: &["DNS:a.example".to_owned()] };
        let stranger = Entry {
            request_id: None,
            client: None,
            certificate: Some(certificate),
            handshake: Some("expired"),
            repeated: Some(Repeated { times: 4990, seconds: 60 }),
            ..entry("c", FormSummary::EMPTY)
        };
        let line = String::from_utf8(render(&stranger, Timestamp::UNIX_EPOCH)).unwrap();
        for expected in [
            r#""request_id":null,"#,
            r#""certificate":{"serial":"1f","subject":"CN=a","names":["DNS:a.example"]},"#,
            r#""handshake":"expired","#,
            r#""repeated":4990,"seconds":60,"parameters":[],"#,
        ] {
            assert!(line.contains(expected), "{expected} in {line}");
        }
    }

    #[test]
    fn whatever_is_in_a_field_stays_on_its_line_and_in_its_place() {
        let hostile = "a\r\n\u{1b}[2J\u{7f}\u{9b}31m\u{2028}\u{202e}\",\"decision\":\"allow\u{1f511}";
        let noted = FormSummary::of([(hostile, Some(hostile))].into_iter());
        let line = rendered(hostile, &noted);
        assert!(line.trim_end_matches('\n').bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["client"], &read["parameters"][0]), (&hostile.into(), &hostile.into()));
        assert_eq!(read["values"][hostile], hostile);
    }

    #[test]
    fn a_line_is_short_however_long_the_form_is() {
        let names: Vec<String> = (0..1000).map(|n| format!("{n:0>300}")).collect();
        let noted = FormSummary::of(names.iter().map(|name| (name.as_str(), Some(name.as_str()))));
        let line = rendered(&"é".repeat(10_000), &noted);
        assert!(line.len() < 8192, "{}", line.len());
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["parameters"].as_array().unwrap().len() + 993, 1000);
        assert_eq!(read["parameters_omitted"], 993);
    }
}
