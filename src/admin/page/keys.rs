//! Keys and certificates on the page: whether they can be used, and until when.

use super::amounts::until;
use super::html::{Html, text};
use super::table::{Row, Table, Weight, badge};
use crate::status::{Certificate, CertificateState, Key, KeyState};

/// How long before its end a key is to be renewed, in seconds: 14 days, as for certificates.
const SOON: i64 = 14 * 86_400;

pub(super) fn table(keys: &[Key]) -> Table {
    Table {
        title: "Keys",
        id: "keys",
        headings: &["Key", "State", "Ends", "Access key ID", "Generation"],
        rows: keys.iter().map(key).collect(),
        empty: "There are none.",
    }
}

fn key(key: &Key) -> Row {
    let (weight, word) = match key.state {
        KeyState::Usable if ends_soon(key) => (Weight::Warn, "ends soon: renew it"),
        KeyState::Usable => (Weight::Calm, "usable"),
        KeyState::Degraded => (Weight::Warn, "usable, not renewed"),
        KeyState::Unusable => (Weight::Bad, "not usable"),
    };
    let mut state = badge(weight, word);
    if let Some(trouble) = &key.trouble {
        state.note(trouble);
    }
    let mut name = Html::default();
    name.span("name", &key.name).note(format_args!("store: {}", key.store));
    let mut id = Html::default();
    match &key.id {
        Some(known) => id.code(known),
        None => id.text("never loaded"),
    };
    let generation = text(key.generation);
    let ends = match (&key.expires_at, key.expires_in_seconds) {
        (Some(at), Some(seconds)) => ends(at, seconds),
        (_, _) => text("never"),
    };
    Row { id: Some(format!("key.{}", key.name)), weight, cells: vec![name, state, ends, id, generation], more: None }
}

/// Whether somebody has to renew the key. Other stores renew theirs by themselves, so that they end soon as a rule.
fn ends_soon(key: &Key) -> bool {
    ["sealed", "file"].contains(&&*key.store) && key.expires_in_seconds.is_some_and(|seconds| seconds < SOON)
}

pub(super) fn certificates(certificates: &[Certificate]) -> Table {
    Table {
        title: "Certificates",
        id: "certificates",
        headings: &["Shown by", "State", "Ends", "File"],
        rows: certificates.iter().map(certificate).collect(),
        empty: "No listener and no route shows one.",
    }
}

fn certificate(certificate: &Certificate) -> Row {
    let (weight, word) = match certificate.state {
        CertificateState::Valid => (Weight::Calm, "valid"),
        CertificateState::EndsSoon => (Weight::Warn, "ends soon: renew it"),
        CertificateState::Ended => (Weight::Bad, "has ended"),
        CertificateState::NotYet => (Weight::Bad, "not valid yet"),
    };
    let mut of = Html::default();
    of.span("name", &certificate.of);
    let mut file = Html::default();
    file.code(&certificate.file);
    let ends = ends(&certificate.expires_at, certificate.expires_in_seconds);
    Row { id: None, weight, cells: vec![of, badge(weight, word), ends, file], more: None }
}

fn ends(at: &str, seconds: i64) -> Html {
    let mut html = Html::default();
    html.time(at, until(seconds)).note(at);
    html
}
