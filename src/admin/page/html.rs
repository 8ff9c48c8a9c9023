//! HTML that is written piece by piece. Whatever does not stand in the program's own text is escaped.

use std::fmt::{self, Write as _};

/// A piece of HTML.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// Adds markup of our own.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds a text from anywhere.
    pub(super) fn text(&mut self, text: impl fmt::Display) -> &mut Self {
        let _infallible = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// Adds another piece.
    pub(super) fn piece(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// Adds an element with attributes, and `content` in it.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        content: impl FnOnce(&mut Self) -> &mut Self,
    ) -> &mut Self {
        self.open(name, attributes);
        content(self);
        self.markup("</").markup(name).markup(">")
    }

    /// Adds the beginning of an element, which is all of an element without content.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) -> &mut Self {
        self.markup("<").markup(name);
        for (attribute, value) in attributes {
            self.markup(" ").markup(attribute).markup("=\"").text(value).markup("\"");
        }
        self.markup(">")
    }

    /// Adds a `span` of a class with a text.
    pub(super) fn span(&mut self, class: &'static str, text: impl fmt::Display) -> &mut Self {
        self.element("span", &[("class", class)], |html| html.text(text))
    }

    /// Adds a second, quieter line.
    pub(super) fn note(&mut self, text: impl fmt::Display) -> &mut Self {
        self.span("note", text)
    }

    /// Adds a name, a path or an ID.
    pub(super) fn code(&mut self, text: impl fmt::Display) -> &mut Self {
        self.element("code", &[], |html| html.text(text))
    }

    /// Adds a sentence in which names of settings and commands stand between backticks.
    pub(super) fn prose(&mut self, sentence: &str) -> &mut Self {
        for (at, part) in sentence.split('`').enumerate() {
            if at.is_multiple_of(2) {
                self.text(part)
            } else {
                self.code(part)
            };
        }
        self
    }

    /// Adds a point in time: to the second for programs, `shown` for people.
    pub(super) fn time(&mut self, at: &str, shown: impl fmt::Display) -> &mut Self {
        self.element("time", &[("datetime", at), ("title", at)], |html| html.text(shown))
    }
}

/// A piece with one text in it.
pub(super) fn text(text: impl fmt::Display) -> Html {
    let mut html = Html::default();
    html.text(text);
    html
}

/// Writes text so that it is text in an element and in an attribute with double quotes.
struct Escaped<'h>(&'h mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(' '),
                character if is_deceptive(character) => self.0.push(char::REPLACEMENT_CHARACTER),
                character => self.0.push(character),
            }
        }
        Ok(())
    }
}

/// Whether a character shows other text than is there: control characters, and those that change the direction in which
/// the text around them is written.
const fn is_deceptive(character: char) -> bool {
    character.is_ascii_control()
        || matches!(
            character,
            '\u{80}'..='\u{9f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_cannot_leave_its_element_or_attribute() {
        let hostile = "</p><script>alert(1)</script>\" onload='x' & \u{202e}\u{7}\u{0}";
        let mut html = Html::default();
        html.element("p", &[("title", hostile)], |html| html.text(hostile));
        let html = html.into_string();
        let escaped =
            "&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp; \u{fffd}\u{fffd}\u{fffd}";
        assert_eq!(html, format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn what_stands_between_backticks_is_code() {
        let mut html = Html::default();
        html.prose("Raise `in_flight`, or `a<b`.");
        assert_eq!(html.into_string(), "Raise <code>in_flight</code>, or <code>a&lt;b</code>.");
    }

    #[test]
    fn pieces_are_added_as_they_are() {
        let mut html = Html::default();
        html.piece(&text("a < b")).open("br", &[]).span("note", 7).code("x").time("2026-11-30T03:00:00Z", "now");
        let expected = "a &lt; b<br><span class=\"note\">7</span><code>x</code>\
                        <time datetime=\"2026-11-30T03:00:00Z\" title=\"2026-11-30T03:00:00Z\">now</time>";
        assert_eq!(html.into_string(), expected);
    }
}
