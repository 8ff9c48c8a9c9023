//! What texts look like: in colour, or where `NO_COLOR` is set by weight alone.

use std::ffi::OsStr;

use ratatui::style::{Color, Modifier, Style};

use crate::cli::top::sheet::Tone;

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Palette {
    Colours,
    Weights,
}

impl Palette {
    /// `NO_COLOR` with any value but the empty one asks for none (no-color.org).
    pub(super) fn of_environment() -> Self {
        Self::of(std::env::var_os("NO_COLOR").as_deref())
    }

    fn of(no_color: Option<&OsStr>) -> Self {
        if no_color.is_some_and(|value| !value.is_empty()) { Self::Weights } else { Self::Colours }
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        match (self, tone) {
            (Self::Colours, Tone::Plain) | (Self::Weights, Tone::Plain | Tone::Good) => Style::new(),
            (Self::Colours, Tone::Good) => Style::new().fg(Color::Green),
            (Self::Colours, Tone::Warning) => Style::new().fg(Color::Yellow),
            (Self::Colours, Tone::Bad) => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            (Self::Weights, Tone::Warning | Tone::Bad) => Style::new().add_modifier(Modifier::BOLD),
        }
    }

    /// Headings of columns.
    pub(super) const fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Where the user is: a tab, a row.
    pub(super) const fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_takes_every_colour_away_and_the_words_stay() {
        let value = |text: &'static str| Some(OsStr::new(text));
        assert_eq!(
            [Palette::of(None), Palette::of(value("")), Palette::of(value("1"))],
            [Palette::Colours, Palette::Colours, Palette::Weights]
        );
        for tone in [Tone::Plain, Tone::Good, Tone::Warning, Tone::Bad] {
            let style = Palette::Weights.tone(tone);
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert_eq!((Palette::Weights.selected().fg, Palette::Weights.heading().fg), (None, None));
    }
}
