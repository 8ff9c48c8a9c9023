//! The filter of the log.

use crate::config::reading::value::shown;

/// A filter for the log: a level, or `target=level` directives separated by commas.
///
/// tracing-subscriber takes a word that it does not know for a target: `level = "inof"` would silence everything.
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
