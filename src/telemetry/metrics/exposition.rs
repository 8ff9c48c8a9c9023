//! The two text formats of `/metrics`, and which of them a client asks for.

/// How the metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus's text format, version 0.0.4: what every collector of metrics reads.
    Text,
    /// OpenMetrics 1.0: the same values, with units and an end mark.
    OpenMetrics,
}

/// How well a field `Accept` matches one format.
#[derive(Debug, Clone, Copy)]
struct Match {
    /// From 0, not acceptable, to 1000.
    quality: u16,
    specificity: Specificity,
}

/// How closely a media range names a media type: of several that match, the closest counts (RFC 9110 section 12.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    Nothing,
    Anything,
    Type,
    Subtype,
    Version,
}

impl Exposition {
    /// The format that a client asks for in its `Accept` fields. OpenMetrics only where it is preferred to the text
    /// format, or named beside it with the same weight: whoever says nothing of it may not know it. A client that
    /// accepts neither gets the text format too, because a response that it did not ask for tells it more than none.
    #[must_use]
    pub fn asked_for<'f>(accept: impl IntoIterator<Item = &'f [u8]>) -> Self {
        let nothing = Match { quality: 0, specificity: Specificity::Nothing };
        let (mut text, mut open_metrics) = (nothing, nothing);
        for range in accept.into_iter().flat_map(|field| field.split(|byte| *byte == b',')) {
            let Some(range) = std::str::from_utf8(range).ok().and_then(MediaRange::parse) else { continue };
            for (format, best) in [(Self::Text, &mut text), (Self::OpenMetrics, &mut open_metrics)] {
                let specificity = range.specificity(format);
                if specificity > best.specificity {
                    *best = Match { quality: range.quality, specificity };
                }
            }
        }
        let is_named = open_metrics.specificity >= Specificity::Subtype;
        let is_as_good = is_named && open_metrics.quality > 0 && open_metrics.quality == text.quality;
        if open_metrics.quality > text.quality || is_as_good { Self::OpenMetrics } else { Self::Text }
    }

    /// The media type of a response.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes a text in OpenMetrics, as the library makes it, in this format.
    pub(super) fn convert(self, open_metrics: String) -> String {
        match self {
            Self::Text => to_text_format(&open_metrics),
            Self::OpenMetrics => open_metrics,
        }
    }

    const fn named(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Text => ("text", "plain", "0.0.4"),
            Self::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
        }
    }
}

/// One element of `Accept`: `type/subtype;parameter=value;q=0.5`.
struct MediaRange<'f> {
    kind: &'f str,
    subtype: &'f str,
    version: Option<&'f str>,
    quality: u16,
}

impl<'f> MediaRange<'f> {
    /// `None` for one that is malformed, which says nothing. Parameters other than the version do not distinguish what
    /// there is to choose from: `charset` is UTF-8 in both formats, and no name here needs `escaping`.
    fn parse(range: &'f str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut parsed = Self { kind, subtype, version: None, quality: 1000 };
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim_matches('"');
            if name.eq_ignore_ascii_case("q") {
                parsed.quality = quality(value)?;
            } else if name.eq_ignore_ascii_case("version") {
                parsed.version = Some(value);
            }
        }
        Some(parsed)
    }

    fn specificity(&self, format: Exposition) -> Specificity {
        let (kind, subtype, version) = format.named();
        match (self.kind, self.subtype, self.version) {
            ("*", "*", _) => Specificity::Anything,
            (asked, "*", _) if asked.eq_ignore_ascii_case(kind) => Specificity::Type,
            (asked, of, asked_version) if asked.eq_ignore_ascii_case(kind) && of.eq_ignore_ascii_case(subtype) => {
                match asked_version {
                    None => Specificity::Subtype,
                    Some(asked) if asked == version => Specificity::Version,
                    Some(_) => Specificity::Nothing,
                }
            }
            (_, _, _) => Specificity::Nothing,
        }
    }
}

/// A weight in thousandths (RFC 9110 section 12.4.2): `0`, `1`, or either with up to three digits.
fn quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !["0", "1"].contains(&whole) || decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

/// Version 0.0.4 has no units and no end mark, knows no `info`, and names a counter with its suffix.
fn to_text_format(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // the line of the type, which comes next, tells how the name ends
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            for piece in ["# HELP ", name, suffix, " ", help, "\n# TYPE ", name, suffix, " ", kind, "\n"] {
                text.push_str(piece);
            }
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_the_format_that_it_asks_for() {
        use Exposition::{OpenMetrics, Text};
        // what Prometheus 2.42 and 3.5 send, and what others are known to send
        let two = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let three = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
                     application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                     application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;\
                     escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (two, OpenMetrics),
            (three, OpenMetrics),
            ("", Text),
            ("*/*", Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
            ("application/json", Text),
            ("text/plain", Text),
            ("text/*", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", OpenMetrics),
            ("application/openmetrics-text;version=\"1.0.0\"", OpenMetrics),
            ("application/openmetrics-text; version=0.0.1, text/plain;version=0.0.4;q=0.1", Text),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.3", OpenMetrics),
            ("application/openmetrics-text;q=0.299,text/plain;q=0.3", Text),
            ("text/plain;q=0.5,*/*", OpenMetrics),
            ("application/openmetrics-text;q=0,*/*", Text),
            ("application/openmetrics-text;q=0", Text),
            ("text/plain;q=0,*/*;q=0.1", OpenMetrics),
            ("application/*,text/plain;q=0.9", OpenMetrics),
            ("application/openmetrics-text;q=2,text/plain;q=0.1", Text),
            ("application/openmetrics-text;q=0.1234,text/plain;q=0.1", Text),
            ("application/openmetrics-text;q", Text),
            ("openmetrics-text", Text),
            (";;,,/,", Text),
        ] {
            assert_eq!(Exposition::asked_for([accept.as_bytes()]), expected, "{accept}");
        }
        let fields = [&b"text/plain;q=0.5"[..], b"\xff\xfe", b"application/openmetrics-text"];
        assert_eq!(Exposition::asked_for(fields), OpenMetrics, "several fields are one list");
        assert_eq!(Exposition::asked_for([]), Text);
    }

    #[test]
    fn the_text_format_names_counters_with_their_suffix_and_has_no_units_and_no_end_mark() {
        let open_metrics = "# HELP a_seconds Time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                            a_seconds_total{l=\"# x\"} 1.5\n# HELP b Build.\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                            # HELP c Now.\n# TYPE c gauge\nc 3\n# HELP d Long.\n# TYPE d histogram\n\
                            d_bucket{le=\"+Inf\"} 0\n# EOF\n";
        assert_eq!(
            Exposition::Text.convert(open_metrics.to_owned()),
            "# HELP a_seconds_total Time.\n# TYPE a_seconds_total counter\na_seconds_total{l=\"# x\"} 1.5\n\
             # HELP b_info Build.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n# HELP c Now.\n# TYPE c gauge\nc 3\n\
             # HELP d Long.\n# TYPE d histogram\nd_bucket{le=\"+Inf\"} 0\n"
        );
        assert_eq!(Exposition::OpenMetrics.convert(open_metrics.to_owned()), open_metrics);
    }
}
