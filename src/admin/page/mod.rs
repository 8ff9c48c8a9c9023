//! The page of the admin listener: the report as one document of HTML, made here. It reads whole without its script,
//! which only refreshes it, and loads nothing.

mod amounts;
mod clients;
mod html;
mod keys;
mod listeners;
mod refusals;
mod routes;
mod summary;
mod table;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use self::html::Html;
use crate::status::{Report, State};

/// How the page looks.
const STYLE: &str = include_str!("style.css");
/// What refreshes it.
const SCRIPT: &str = include_str!("refresh.js");

/// What a browser may do with the page: use this style and this script, by their digests, and ask this listener again.
/// It must not load anything, send forms, or be shown inside of another page.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
});

fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

/// The document.
pub(super) fn render(report: &Report) -> String {
    let mut html = Html::default();
    html.markup("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.markup("<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">");
    html.element("title", &[], |html| html.text(report.state.word()).markup(" \u{b7} countersign"));
    html.open("link", &[("rel", "icon"), ("href", icon(report.state))]);
    html.markup("<style>").markup(STYLE).markup("</style></head><body>");
    html.markup("<header class=\"bar\"><p class=\"product\"><strong>countersign</strong> ").text(&report.version);
    html.markup(
        "</p><p id=\"refresh\" hidden><span role=\"status\"></span> <button type=\"button\">Pause</button></p>",
    );
    html.markup("</header><main id=\"report\">");
    summary::write(&mut html, report);
    routes::table(&report.routes).write(&mut html);
    keys::table(&report.keys).write(&mut html);
    clients::table(&report.clients).write(&mut html);
    refusals::table(&report.refusals).write(&mut html);
    html.markup("<div class=\"pair\">");
    listeners::limits(&report.limits).write(&mut html);
    html.markup("<div>");
    listeners::table(&report.listeners).write(&mut html);
    keys::certificates(&report.certificates).write(&mut html);
    summary::write_about(&mut html, report);
    html.markup("</div></div></main><script>").markup(SCRIPT).markup("</script></body></html>\n");
    html.into_string()
}

/// A tab's icon: the mark of the state.
const fn icon(state: State) -> &'static str {
    match state {
        State::Ok => {
            "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><circle cx='12' cy='12' \
             r='11' fill='%231a7f45'/></svg>"
        }
        State::Degraded => {
            "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><path d='M12 1.5 23 \
             21.5H1z' fill='%23c77700'/></svg>"
        }
        State::NotReady => {
            "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><rect x='1' y='1' \
             width='22' height='22' rx='4' fill='%23c62828'/></svg>"
        }
        State::Draining => {
            "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><circle cx='12' cy='12' \
             r='11' fill='%234a5fb0'/></svg>"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Report {
        serde_json::from_str(include_str!("../../status/sample.json")).unwrap()
    }

    #[test]
    fn the_page_tells_all_that_the_report_does() {
        let page = render(&sample());
        for told in [
            "not ready",
            "the key has expired",
            "route.ie",
            "https://importexport.amazonaws.com/",
            "no connection to it could be made lately",
            "12 s behind this host",
            "12.0/s",
            "24 ms",
            "99 of 100 within 190 ms",
            "3 of 256",
            "No address of the endpoint accepts a connection.",
            "Look at the endpoint, its port, and firewalls on the way.",
            "cannot connect to 192.0.2.7:443: connection refused",
            "AKIAIOSFODNN7EXAMPLE",
            "1 h ago",
            "reporting",
            "3 of 128",
            "10/s",
            "127.0.0.1:8021",
            "/etc/countersign/tls.pem",
            "in 4 d 21 h",
            "1 MiB of 64 MiB",
            "CreateJob",
            "<span>403</span> <span>AccessDenied</span> <span>policy</span>",
            "3 times",
            "generation 3",
            "every decision is written",
        ] {
            assert!(page.contains(told), "{told} is not in {page}");
        }
    }

    #[test]
    fn every_state_has_its_word_in_the_title_and_a_mark_of_its_own() {
        let marks: std::collections::BTreeSet<String> = [State::Ok, State::Degraded, State::NotReady, State::Draining]
            .into_iter()
            .map(|state| {
                let page = render(&Report { state, reasons: Vec::new(), ..sample() });
                assert!(page.contains(&format!("<title>{} \u{b7} countersign</title>", state.word())), "{page}");
                let (_, from) = page.split_once("<h1").unwrap();
                from.split_once("</h1>").unwrap().0.to_owned()
            })
            .collect();
        assert_eq!(marks.len(), 4);
    }

    #[test]
    fn hostile_texts_stay_texts() {
        let mut report = sample();
        let hostile = "</main><img src=x onerror=alert(1)>";
        report.routes[0].last_error.as_mut().unwrap().error = Some(hostile.to_owned());
        report.keys[0].trouble = Some(hostile.to_owned());
        report.reasons[0].text = format!("route.{hostile}: x");
        report.refusals[0].peer = hostile.to_owned();
        report.certificates[0].file = hostile.to_owned();
        let page = render(&report);
        assert!(!page.contains("<img") && page.matches("</main>").count() == 1, "{page}");
    }

    #[test]
    fn the_policy_names_the_digests_of_what_stands_in_the_page() {
        let page = render(&sample());
        let inside = |begin: &str, end: &str| page.split_once(begin).unwrap().1.split_once(end).unwrap().0.to_owned();
        for (tag, text) in
            [("style-src", inside("<style>", "</style>")), ("script-src", inside("<script>", "</script>"))]
        {
            assert!(POLICY.contains(&format!("{tag} 'sha256-{}'", digest(&text))), "{tag}");
        }
        assert!(!page.contains(" style=") && !page.contains("http://127"), "no inline styles: the policy forbids them");
    }
}
