//! The head of the page: the state in one word, what it means, and why; and at its end, what runs.

use super::amounts::{bytes, count, lasting};
use super::html::Html;
use crate::status::{AuditState, Reason, Report, State};

/// The state, and its reasons.
pub(super) fn write(html: &mut Html, report: &Report) {
    let state = report.state;
    html.element("div", &[("class", class(state))], |html| {
        html.element("h1", &[("id", "state")], |html| html.markup(mark(state)).text(state.word()));
        html.element("p", &[("class", "meaning")], |html| html.text(meaning(state)));
        html.element("p", &[("class", "facts")], |html| {
            html.markup("as of ").time(&report.at, clock_time(&report.at));
            html.markup(" UTC \u{b7} up ").text(lasting(report.process.uptime_seconds));
            html.markup(" \u{b7} configuration ").text(report.configuration.generation)
        });
        if !report.reasons.is_empty() {
            html.element("ul", &[("class", "reasons")], |html| {
                report.reasons.iter().for_each(|reason| write_reason(html, reason));
                html
            });
        }
        html
    });
}

/// A reason, which leads to what it is about.
fn write_reason(html: &mut Html, reason: &Reason) {
    let subject = reason.text.split_once(": ").filter(|(subject, _)| is_table(subject));
    html.element("li", &[("class", class(reason.state))], |html| match subject {
        Some((subject, rest)) => {
            let target = format!("#{subject}");
            html.element("a", &[("href", &target)], |html| html.text(subject)).markup(" ").text(rest)
        }
        None => html.text(&reason.text),
    });
}

/// Whether this is the name of a table of which there is a row on the page.
fn is_table(subject: &str) -> bool {
    let named = |kind: &str| subject.strip_prefix(kind).is_some_and(|name| !name.contains(char::is_whitespace));
    ["route.", "key.", "listener."].into_iter().any(named)
}

const fn class(state: State) -> &'static str {
    match state {
        State::Ok => "state ok",
        State::Degraded => "state warn",
        State::NotReady => "state bad",
        State::Draining => "state draining",
    }
}

/// Shapes differ, since not everybody tells the colours apart.
const fn mark(state: State) -> &'static str {
    match state {
        State::Ok => {
            "<svg class=\"mark\" aria-hidden=\"true\" viewBox=\"0 0 24 24\"><circle cx=\"12\" cy=\"12\" r=\"11\">\
             </circle><path d=\"m7 12.5 3.4 3.4L17 9\"></path></svg>"
        }
        State::Degraded => {
            "<svg class=\"mark\" aria-hidden=\"true\" viewBox=\"0 0 24 24\"><path class=\"shape\" \
             d=\"M12 1.5 23 21.5H1z\"></path><path d=\"M12 9v5.5m0 3v.2\"></path></svg>"
        }
        State::NotReady => {
            "<svg class=\"mark\" aria-hidden=\"true\" viewBox=\"0 0 24 24\"><rect x=\"1\" y=\"1\" width=\"22\" \
             height=\"22\" rx=\"4\"></rect><path d=\"m8 8 8 8m0-8-8 8\"></path></svg>"
        }
        State::Draining => {
            "<svg class=\"mark\" aria-hidden=\"true\" viewBox=\"0 0 24 24\"><circle cx=\"12\" cy=\"12\" r=\"11\">\
             </circle><path d=\"M12 7v9m-4-3.5 4 4 4-4\"></path></svg>"
        }
    }
}

const fn meaning(state: State) -> &'static str {
    match state {
        State::Ok => "Requests are served, and nothing needs attention.",
        State::Degraded => "Requests are served, and something needs attention:",
        State::NotReady => "Requests are refused for what is wrong here:",
        State::Draining => "The process ends: it takes no new connections, and lets exchanges that have begun go on.",
    }
}

/// `03:00:05` of a time.
fn clock_time(at: &str) -> &str {
    at.get(11..19).unwrap_or(at)
}

/// What runs, and where else to look.
pub(super) fn write_about(html: &mut Html, report: &Report) {
    let Report { version, build, process, configuration, audit, .. } = report;
    html.element("section", &[("id", "about"), ("aria-labelledby", "about-heading")], |html| {
        html.markup("<h2 id=\"about-heading\">Process</h2><dl>");
        let mut fact = |name: &'static str, value: &dyn Fn(&mut Html)| {
            html.markup("<div>").element("dt", &[], |html| html.text(name));
            html.markup("<dd>");
            value(html);
            html.markup("</dd></div>");
        };
        fact("Version", &|html| {
            html.text(version);
            if let Some(commit) = &build.commit {
                html.markup(" ").note(format_args!("commit {commit}"));
            }
        });
        fact("Features", &|html| {
            html.text(build.features.join(", "));
        });
        fact("Started", &|html| {
            html.time(&process.started_at, &process.started_at).markup(" ");
            html.note(format_args!("{} workers", process.workers));
            if let Some(resident) = process.resident_bytes {
                html.markup(" ").note(format_args!("{} in memory", bytes(resident)));
            }
        });
        fact("Configuration", &|html| {
            html.text(format_args!("generation {}", configuration.generation));
            if let Some(sha256) = &configuration.sha256 {
                html.markup(" ").note(format_args!("SHA-256 {sha256}"));
            }
            if let Some(at) = &configuration.refused_at {
                html.markup(" ").element("strong", &[("class", "warn")], |html| {
                    html.markup("The one that was read at ").text(at);
                    html.markup(" was refused: <code>countersign check</code> and the log say why.")
                });
            }
        });
        fact("Audit", &|html| {
            html.text(match audit.state {
                AuditState::Off => "off",
                AuditState::Writing => "every decision is written",
                AuditState::Refusing => "it cannot be written, and requests are refused for that",
            });
            if audit.lost_lines > 0 {
                html.markup(" ").note(format_args!("{} lines are lost", count(audit.lost_lines)));
            }
        });
        html.markup(
            "<div><dt>For programs</dt><dd><a href=\"/status\">/status</a>, <code>/metrics</code>, \
             <code>/readyz</code>, <code>countersign top</code></dd></div></dl>",
        )
    });
}
