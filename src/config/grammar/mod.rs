//! The small vocabularies of listeners and routes: `Host` values, path prefixes, header names, Actions.

pub(crate) mod address;
pub(crate) mod identifier;
pub mod token_uri;

use crate::authorize::ActionPattern;
use crate::config::reading::value::shown;
use crate::query::Action;
use crate::signing::authority::Authority;

/// A `Host` value: lower case, with the port unless it is 80.
pub(crate) fn host(text: &str) -> Result<String, String> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!("{} has capitals: write it in lower case", shown(text)));
    }
    if text.contains('*') {
        return Err(format!("{} is a pattern: hosts are compared exactly, list each one", shown(text)));
    }
    if text.contains('/') {
        return Err(format!("{} is not a host: write `name` or `name:port`, without scheme and path", shown(text)));
    }
    let parsed = Authority::parse(text).map_err(|why| format!("{} {why}", shown(text)))?;
    if parsed.port == Some(80) {
        return Err(format!(
            "{} names the default port, which clients leave out: write \"{}\"",
            shown(text),
            parsed.host
        ));
    }
    Ok(text.to_owned())
}

/// The path prefix that chooses a route.
pub(crate) fn path_prefix(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("{} does not start with `/`", shown(text)));
    }
    if text.len() > 1 && text.ends_with('/') {
        let fix = text.trim_end_matches('/');
        let fix = if fix.is_empty() { "/" } else { fix };
        return Err(format!("{} ends with `/`: write \"{fix}\", which stands for both", shown(text)));
    }
    if text.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'?' | b'#' | b'%')) {
        return Err(format!(
            "{} is not a plain path: spaces, `?`, `#`, `%` and characters beyond ASCII have no place in it",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// The name of a request header that may be passed on.
pub(crate) fn forwarded_header(text: &str) -> Result<String, String> {
    let token = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9') || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!("{} has capitals: write it in lower case", shown(text)));
    }
    if text.is_empty() || !text.bytes().all(token) {
        return Err(format!("{} is not the name of a header", shown(text)));
    }
    match never_forwarded(text) {
        Some(why) => Err(format!("{} is never passed on: {why}", shown(text))),
        None => Ok(text.to_owned()),
    }
}

/// The name of a header that every request must have: one that a web page's form cannot make a browser send.
pub(crate) fn required_header(text: &str) -> Result<String, String> {
    const ORDINARY: [&str; 14] = [
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-language",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "origin",
        "referer",
        "te",
        "transfer-encoding",
        "user-agent",
    ];
    let token = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if text.is_empty() || !text.bytes().all(token) {
        return Err(format!("{} is not the name of a header in lower case", shown(text)));
    }
    if ORDINARY.contains(&text) || text.starts_with("sec-") {
        return Err(format!(
            "{} proves nothing: browsers send it too; choose another, e.g. \"x-requested-by\"",
            shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// Why a header stays here whatever the configuration wishes.
fn never_forwarded(name: &str) -> Option<&'static str> {
    const CREDENTIALS: &str = "it carries the client's credentials, or may";
    const FRAMING: &str = "it belongs to the connection or the body, and both are made anew";
    const ORIGIN: &str = "it says where the client is and came from, which is not the endpoint's business";
    const EXACT: &[(&str, &str)] = &[
        ("authorization", CREDENTIALS),
        ("cookie", CREDENTIALS),
        ("x-api-key", CREDENTIALS),
        ("host", FRAMING),
        ("connection", FRAMING),
        ("keep-alive", FRAMING),
        ("te", FRAMING),
        ("trailer", FRAMING),
        ("transfer-encoding", FRAMING),
        ("upgrade", FRAMING),
        ("http2-settings", FRAMING),
        ("expect", FRAMING),
        ("forwarded", ORIGIN),
        ("via", ORIGIN),
        ("origin", ORIGIN),
        ("referer", ORIGIN),
    ];
    const PREFIXES: &[(&str, &str)] = &[
        ("x-amz-", CREDENTIALS),
        // OpenStack's tokens
        ("x-auth-", CREDENTIALS),
        // `proxy-authorization` among them
        ("proxy-", FRAMING),
        ("content-", FRAMING),
        ("x-forwarded-", ORIGIN),
        ("sec-", ORIGIN),
    ];
    let exact = EXACT.iter().find(|(known, _)| *known == name);
    let prefix = PREFIXES.iter().find(|(start, _)| name.starts_with(start));
    exact.or(prefix).map(|(_, why)| *why)
}

/// An Action, or the beginning of one followed by `*`.
pub(crate) fn action_pattern(text: &str) -> Result<ActionPattern, String> {
    if text == "*" {
        return Err(
            "`*` would call every Action safe to repeat, and CreateJob would create two: list the ones that only \
                    read"
                .to_owned(),
        );
    }
    ActionPattern::parse(text).ok_or_else(|| {
        format!("{} is not an Action: write letters and digits, and perhaps one `*` at the end", shown(text))
    })
}

/// The name of an Action.
pub(crate) fn action(text: &str) -> Result<Action, String> {
    Action::parse(text).ok_or_else(|| {
        format!("{} is not an Action: write 1 to {} letters and digits", shown(text), Action::MAX_LENGTH)
    })
}

/// A form that proves a key, and its Action.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) action: Action,
    pub(crate) form: String,
}

/// An Action, or a form with one: `Action=ListJobs&Version=2010-06-03`.
pub(crate) fn probe(text: &str) -> Result<Probe, String> {
    if !text.contains('=') {
        return action(text).map(|action| Probe { form: format!("Action={action}"), action });
    }
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b));
    let pairs: Option<Vec<_>> = text.split('&').map(|pair| pair.split_once('=')).collect();
    let pairs = pairs.filter(|pairs| pairs.iter().all(|(name, value)| plain(name) && plain(value)));
    let pairs =
        pairs.ok_or_else(|| format!("{} is not a form: write \"Action=ListJobs&Version=2010-06-03\"", shown(text)))?;
    let named = pairs.iter().find(|(name, _)| *name == "Action");
    let (_, named) = named.ok_or_else(|| "is a form without Action".to_owned())?;
    Ok(Probe { action: action(named)?, form: text.to_owned() })
}

/// The name of a parameter, such as `Filter.1.Name`.
pub(crate) fn parameter(text: &str) -> Result<String, String> {
    if (1..=128).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("{} is not the name of a parameter: write 1 to 128 characters", shown(text)))
    }
}

/// A filter for the log: a level, or `target=level` directives separated by commas.
///
/// tracing-subscriber takes a word it does not know for a target: `level = "inof"` would silence everything else.
pub(crate) fn log_filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err(format!("{} is not a log filter: write a level, e.g. \"info\"", shown(text)));
    }
    if text.contains(['[', '{']) {
        return Ok(text.to_owned());
    }
    for directive in text.split(',') {
        let level = directive.rsplit('=').next().unwrap_or(directive).trim();
        if !LEVELS.contains(&level) {
            return Err(format!("{} is not a log level: write one of {}", shown(level), LEVELS.join(", ")));
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_required_header_is_one_that_browsers_do_not_send_by_themselves() {
        assert_eq!(required_header("x-requested-by"), Ok("x-requested-by".to_owned()));
        for wrong in ["", "X-Requested-By", "a b", "content-type", "sec-fetch-site", "user-agent"] {
            assert!(required_header(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_are_exact_lower_case_and_without_port_80() {
        for good in ["ie.internal", "ie.internal:8021", "[::1]:8021", "10.0.0.1"] {
            assert_eq!(host(good), Ok(good.to_owned()));
        }
        for (text, why) in [
            ("IE.internal", "lower case"),
            ("*.internal", "is a pattern"),
            ("http://ie", "without scheme"),
            ("ie:80", "write \"ie\""),
            ("ie:0", "no port"),
            ("", "no valid host name"),
        ] {
            assert!(host(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn path_prefixes_start_with_a_slash_and_do_not_end_with_one() {
        for good in ["/", "/ie", "/a/b.c~"] {
            assert_eq!(path_prefix(good), Ok(good.to_owned()));
        }
        for (text, why) in [
            ("", "does not start"),
            ("ie", "does not start"),
            ("/ie/", "write \"/ie\""),
            ("//", "write \"/\""),
            ("/a b", "plain path"),
            ("/a?b", "plain path"),
            ("/a#b", "plain path"),
            ("/a%20b", "plain path"),
            ("/é", "plain path"),
        ] {
            assert!(path_prefix(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn ordinary_headers_may_be_passed_on() {
        for good in ["x-request-id", "traceparent", "user-agent", "accept"] {
            assert_eq!(forwarded_header(good), Ok(good.to_owned()));
        }
    }

    #[test]
    fn credentials_framing_and_origin_headers_are_refused() {
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "host",
            "content-type",
            "content-length",
            "x-amz-security-token",
            "x-auth-token",
            "x-api-key",
            "x-forwarded-for",
            "forwarded",
            "via",
            "connection",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "expect",
            "proxy-connection",
            "origin",
            "referer",
            "sec-fetch-site",
        ] {
            assert!(forwarded_header(name).unwrap_err().contains("is never passed on"), "{name}");
        }
    }

    #[test]
    fn what_is_no_header_name_is_refused() {
        assert!(forwarded_header("X-Request-Id").unwrap_err().contains("lower case"));
        for name in ["", "a b", "a:", "é", "a\r\nb"] {
            assert!(forwarded_header(name).unwrap_err().contains("is not the name of a header"), "{name}");
        }
    }

    #[test]
    fn actions_are_letters_and_digits() {
        assert_eq!(action("CreateJob").unwrap().as_str(), "CreateJob");
        for text in ["", "Create Job", "Create*", "Über", &"a".repeat(129)] {
            assert!(action(text).is_err(), "{text}");
        }
    }

    #[test]
    fn action_patterns_may_end_with_a_star_but_not_be_one() {
        for good in ["GetStatus", "Get*"] {
            assert_eq!(action_pattern(good).unwrap().to_string(), good);
        }
        assert!(action_pattern("*").unwrap_err().contains("every Action"));
        for text in ["", "*Get", "G*t", "Get**", "Get *"] {
            assert!(action_pattern(text).unwrap_err().contains("one `*` at the end"), "{text}");
        }
    }

    #[test]
    fn a_probe_is_an_action_or_a_form_with_one() {
        let read = |text| probe(text).map(|Probe { action, form }| (action.to_string(), form));
        let expected = |form: &str| Ok(("ListJobs".to_owned(), form.to_owned()));
        assert_eq!(read("ListJobs"), expected("Action=ListJobs"));
        let form = "Action=ListJobs&Version=2010-06-03";
        assert_eq!(read(form), expected(form));
        for text in ["", "List Jobs", "Version=2010-06-03", "Action=ListJobs&", "Action=List+Jobs", "Action=&A=1"] {
            assert!(probe(text).is_err(), "{text}");
        }
    }

    #[test]
    fn log_filters_are_levels_or_directives() {
        for good in ["off", "info", "info,countersign=debug", "countersign::proxy=trace, hyper=off", "[span{a=1}]=info"]
        {
            assert_eq!(log_filter(good), Ok(good.to_owned()));
        }
        for text in ["", "inof", "countersign=loud", "hyper", "info\n", "info,"] {
            assert!(log_filter(text).is_err(), "{text:?}");
        }
    }
}
