//! The page of the reference that lists every row, and what all rows have in common.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;
use crate::query::ErrorDialect;
use crate::telemetry::reference_page;

const GROUPS: [(&str, &[FaultClass]); 6] = [
    ("The request's head", head::ALL),
    ("The client", client::ALL),
    ("The body and the form", form::ALL),
    ("countersign itself", service::ALL),
    ("The egress proxy", egress::ALL),
    ("The endpoint", endpoint::ALL),
];

fn status(class: &FaultClass) -> String {
    match class.unrepeatable_status {
        Some(status) => format!("{status}, or {} if safe to repeat", class.status),
        None => class.status.to_string(),
    }
}

fn level(class: &FaultClass) -> &'static str {
    match class.log.severity {
        Severity::Error => "error",
        Severity::Warn => "warn",
        Severity::Info => "info",
    }
}

#[test]
fn every_error_is_in_the_reference() {
    let mut page = String::new();
    for (title, rows) in GROUPS {
        write!(page, "## {title}\n\n| what happened | status | code | `reason`, level | what to do |\n").unwrap();
        page.push_str("|---|---|---|---|---|\n");
        for row in rows {
            let FaultClass { code, cause, remedy, log, .. } = row;
            let (status, reason, level) = (status(row), log.reason, level(row));
            writeln!(page, "| {cause} | {status} | `{code}` | `{reason}`, {level} | {remedy} |").unwrap();
        }
        page.push('\n');
    }
    reference_page::check("docs/reference/errors.md", "errors", &page);
    let mut page = String::from("| what happened | status | code | what to do |\n|---|---|---|---|\n");
    for row in sandbox::ALL {
        writeln!(page, "| {} | {} | `{}` | {} |", row.cause, row.status, row.code, row.remedy).unwrap();
    }
    reference_page::check("docs/reference/errors.md", "sandbox errors", &page);
    let mut page = String::from(
        "| `query`, `ec2`, log and audit | Alibaba Cloud | Tencent Cloud | CloudStack | QingCloud |\n\
         |---|---|---|---|---|\n",
    );
    for codes::Codes { ours, alibaba, tencent, cloudstack, qingcloud } in codes::ALL {
        writeln!(page, "| `{ours}` | `{alibaba}` | `{tencent}` | {cloudstack} | {qingcloud} |").unwrap();
    }
    reference_page::check("docs/reference/errors.md", "error codes of dialects", &page);
}

#[test]
fn every_code_has_one_in_each_dialect() {
    for codes::Codes { ours, alibaba, tencent, cloudstack, qingcloud } in codes::ALL {
        for (dialect, code) in [(ErrorDialect::Alibaba, alibaba), (ErrorDialect::Tencent, tencent)] {
            assert!(!code.is_empty() && codes::in_dialect(ours, dialect) == *code, "{ours}");
        }
        for (dialect, code) in [(ErrorDialect::CloudStack, cloudstack), (ErrorDialect::QingCloud, qingcloud)] {
            assert!((400..6000).contains(&code.parse::<u16>().unwrap()), "{ours}");
            assert_eq!(codes::in_dialect(ours, dialect), *code);
        }
        assert_eq!(
            [ErrorDialect::Query, ErrorDialect::Ec2].map(|dialect| codes::in_dialect(ours, dialect)),
            [*ours; 2]
        );
    }
    let listed: BTreeSet<&str> = codes::ALL.iter().map(|codes| codes.ours).collect();
    assert_eq!(listed.len(), codes::ALL.len(), "a code is listed twice");
    for row in GROUPS.iter().flat_map(|(_, rows)| *rows) {
        assert!(listed.contains(row.code), "{} has no codes in the other dialects", row.code);
    }
}

/// QingCloud's SDK repeats 5000 and 5100, and Tencent's `RequestLimitExceeded`, whatever the Action.
#[test]
fn no_sdk_repeats_a_request_for_its_code_that_may_have_been_sent() {
    let rows = GROUPS.iter().flat_map(|(_, rows)| *rows);
    for row in rows.filter(|row| row.fate == Fate::Unknown) {
        let in_dialect = |dialect| codes::in_dialect(row.code, dialect);
        assert!(!["5000", "5100"].contains(&in_dialect(ErrorDialect::QingCloud)), "{row:?}");
        assert!(!in_dialect(ErrorDialect::Tencent).starts_with("RequestLimitExceeded"), "{row:?}");
    }
}

#[test]
fn every_reason_of_the_audit_is_in_the_reference() {
    let mut page = String::from("| `reason` | what happened | with the codes |\n|---|---|---|\n");
    for reason in AuditReason::ALL {
        let rows = GROUPS.iter().flat_map(|(_, rows)| *rows).filter(|row| row.audit == reason);
        let codes: BTreeSet<String> = rows.map(|row| format!("`{}`", row.code)).collect();
        assert!(!codes.is_empty(), "no row has {reason:?}");
        let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(page, "| `{}` | {} | {codes} |", reason.as_str(), reason.meaning()).unwrap();
    }
    reference_page::check("docs/reference/log-and-audit.md", "audit reasons", &page);
}

#[test]
fn every_row_has_what_a_reader_needs() {
    for row in GROUPS.iter().flat_map(|(_, rows)| *rows).chain(sandbox::ALL) {
        assert!((400..600).contains(&row.status), "{row:?}");
        for sentence in [row.cause, row.remedy] {
            assert!(sentence.ends_with('.') && !sentence.contains('|'), "{sentence:?} is a sentence in a table");
        }
        assert!(row.code.chars().all(|c| c.is_ascii_alphanumeric()), "{row:?}");
    }
}

#[test]
fn no_sdk_repeats_an_action_that_may_have_been_carried_out_unless_it_is_safe() {
    for row in endpoint::ALL.iter().chain(egress::ALL) {
        let expected = (row.fate == Fate::Unknown).then_some(409);
        assert_eq!(row.unrepeatable_status, expected, "{row:?}");
    }
}
