//! The screen as lines of text.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// What is drawn on. Nothing outside of it is ever written.
pub(super) struct Canvas<'f>(&'f mut Buffer);

impl<'f> Canvas<'f> {
    pub(super) fn of<'s>(frame: &'f mut Frame<'s>) -> Self {
        Self(frame.buffer_mut())
    }

    pub(super) const fn width(&self) -> u16 {
        self.0.area.width
    }

    pub(super) const fn height(&self) -> u16 {
        self.0.area.height
    }

    /// Writes a text, as far as it fits, and returns the column after it.
    pub(super) fn put(&mut self, column: u16, line: u16, text: &str, style: Style) -> u16 {
        if column >= self.width() || line >= self.height() {
            return self.width();
        }
        let left = usize::from(self.width().saturating_sub(column));
        self.0.set_stringn(column, line, text, left, style).0
    }

    /// Writes a text into a cell of a table.
    pub(super) fn put_cell(&mut self, column: u16, line: u16, text: &str, width: u16, style: Style) {
        if column < self.width() && line < self.height() {
            let left = self.width().saturating_sub(column).min(width);
            self.0.set_stringn(column, line, text, left.into(), style);
        }
    }

    /// Changes how a line looks.
    pub(super) fn mark(&mut self, line: u16, style: Style) {
        self.0.set_style(Rect { x: 0, y: line, width: self.width(), height: 1 }, style);
    }
}

/// A text as lines of this width, broken between words where that is possible.
pub(super) fn wrapped(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width).max(1);
    let (mut lines, mut line, mut length) = (Vec::new(), String::new(), 0_usize);
    for word in text.split(' ') {
        let count = word.chars().count();
        let together = length.saturating_add(1).saturating_add(count);
        if length > 0 && together <= width {
            line.push(' ');
            line.push_str(word);
            length = together;
            continue;
        }
        if length > 0 {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        for character in word.chars() {
            if length == width {
                lines.push(std::mem::take(&mut line));
                length = 0;
            }
            line.push(character);
            length = length.saturating_add(1);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words_and_a_long_word_anywhere() {
        assert_eq!(wrapped("the key has expired", 10), ["the key", "has", "expired"]);
        assert_eq!(wrapped("a 1234567890123 b", 6), ["a", "123456", "789012", "3 b"]);
        assert_eq!(wrapped("", 6), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
    }
}
