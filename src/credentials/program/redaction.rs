//! Makes the output of another program safe to log: one line, with everything hidden that could be a secret.

/// The longest line that is shown, in characters.
const LONGEST_SHOWN: usize = 200;

/// The shortest word that is hidden: an AWS access key id has 20 characters, and every secret is longer.
const SHORTEST_HIDDEN: usize = 20;

/// `: ` and the last line that is not empty, redacted; or nothing.
pub(super) fn last_line(errors: &[u8]) -> String {
    let line = errors.split(|byte| *byte == b'\n').rev().find(|line| !line.trim_ascii().is_empty());
    line.map_or_else(String::new, |line| format!(": {}", redacted(&String::from_utf8_lossy(line.trim_ascii()))))
}

/// The text in one line, with everything hidden that could be a secret.
pub(in crate::credentials) fn redacted(text: &str) -> String {
    hide(text).chars().take(LONGEST_SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Replaces every run of characters that could be an id, a secret or a token.
pub(in crate::credentials) fn hide(line: &str) -> String {
    let may_be_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let (run, after) = rest.split_at(rest.find(|c| !may_be_part(c)).unwrap_or(rest.len()));
        shown.push_str(if run.len() >= SHORTEST_HIDDEN { "[hidden]" } else { run });
        let (between, after) = after.split_at(after.find(may_be_part).unwrap_or(after.len()));
        shown.push_str(between);
        rest = after;
    }
    shown
}
