//! The status report of a running countersign, asked for and made safe to show.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::cli::admin_client::{Answer, Targets};
use crate::cli::output::printable;
use crate::status::Report;

/// Where the admin listener has the report.
const PATH: &str = "/status";

/// A report, and where it is from.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) from: String,
    /// No text in it can change a terminal.
    pub(super) report: Report,
    /// As it was received, for programs.
    pub(super) document: Value,
}

/// Asks for the report.
///
/// # Errors
/// Why there is none, for people.
pub(super) async fn fetch(targets: &Targets, limit: Duration) -> Result<Fetched, String> {
    read(targets.ask(PATH, limit).await?)
}

fn read(Answer { target, response }: Answer) -> Result<Fetched, String> {
    let from = target.to_string();
    if response.status == StatusCode::NOT_FOUND {
        return Err(format!(
            "{from}: there is no {PATH}: it is an older countersign, one with `status = false` in [admin], another \
             program, or one on another host without `status = true`: ask it on its own host"
        ));
    }
    if response.status != StatusCode::OK {
        let text = String::from_utf8_lossy(&response.body);
        let first: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
        return Err(format!("{from}: {PATH} was answered with {}: {}", response.status.as_u16(), printable(&first)));
    }
    let document: Value = serde_json::from_slice(&response.body)
        .map_err(|error| format!("{from}: {PATH} is no JSON ({error}): does another program listen there?"))?;
    let report = serde_json::from_value::<Report>(shown(document.clone()));
    let report = report.map_err(|error| {
        let error = printable(&error.to_string());
        format!("{from}: {PATH} is not a report that this version reads ({error}): is it another version's?")
    })?;
    Ok(Fetched { from, report, document })
}

/// The document with every text of it made safe for a terminal: names of clients come from their certificates, Actions
/// and addresses from whoever called.
fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(shown).collect()),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, shown(value))).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::admin_client::{Response, Target};
    use crate::cli::top::sheet;

    const SAMPLE: &str = include_str!("../../status/sample.json");

    fn answer(status: u16, body: &str) -> Result<Fetched, String> {
        let status = StatusCode::from_u16(status).unwrap();
        let response = Response { status, media_type: "application/json".to_owned(), body: body.to_owned().into() };
        read(Answer { target: "127.0.0.1:1".parse::<Target>().unwrap(), response })
    }

    #[test]
    fn what_is_no_report_is_told_with_its_reason() {
        for (status, body, expected) in [
            (404, "", "there is no /status"),
            (403, "requests from web pages are not allowed\n\u{1b}[2J", "answered with 403: requests from"),
            (500, "\u{1b}[2J", "answered with 500: \\u{1b}[2J"),
            (200, "<html>", "does another program listen there?"),
            (200, "{\"schema\": 1, \"version\": \"\u{1b}\"}", "is no JSON"),
            (200, "{\"schema\": 1}", "is it another version's?"),
        ] {
            let error = answer(status, body).unwrap_err();
            assert!(error.starts_with("http://127.0.0.1:1: ") && error.contains(expected), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn no_text_of_a_report_reaches_the_terminal_as_it_is() {
        let mut sample: Value = serde_json::from_str(SAMPLE).unwrap();
        spoil(&mut sample);
        let fetched = answer(200, &sample.to_string()).unwrap();
        let all = sheet::all(&fetched.report);
        let texts = all
            .iter()
            .flat_map(|sheet| &sheet.rows)
            .flat_map(|row| row.cells.iter().map(|cell| &cell.text).chain(&row.detail));
        for text in texts {
            assert!(!text.contains(|character: char| character.is_control() || character == '\u{202e}'), "{text:?}");
        }
        assert!(format!("{all:?}").contains("[31mspoilt"));
    }

    /// Makes every text that is not one of a closed set hostile.
    fn spoil(value: &mut Value) {
        match value {
            Value::Object(members) => {
                let closed = ["state", "kind", "mode", "unit", "token_keys"];
                let open = members.iter_mut().filter(|(name, _)| !closed.contains(&name.as_str()));
                open.for_each(|(_, value)| spoil(value));
            }
            Value::Array(items) => items.iter_mut().for_each(spoil),
            Value::String(text) => text.insert_str(0, "\u{1b}[31mspoilt\u{9b}\u{202e}\r\n"),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
