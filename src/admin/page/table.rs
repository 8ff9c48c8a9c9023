//! Tables, which a narrow screen shows as a card for each row.

use super::html::{Html, text};

/// The most rows of a table: a page is for reading. The report has all of them.
const MOST_ROWS: usize = 200;

/// A table.
pub(super) struct Table {
    pub(super) title: &'static str,
    /// For links within the page.
    pub(super) id: &'static str,
    pub(super) headings: &'static [&'static str],
    pub(super) rows: Vec<Row>,
    /// What stands there when there are no rows.
    pub(super) empty: &'static str,
}

/// One row.
pub(super) struct Row {
    /// For links within the page: `route.ie`.
    pub(super) id: Option<String>,
    pub(super) weight: Weight,
    /// As many as there are headings; the first says what the row is about.
    pub(super) cells: Vec<Html>,
    /// A line below, over the whole width.
    pub(super) more: Option<Html>,
}

/// How much attention something wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    Bad,
    Warn,
    Calm,
}

impl Weight {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Calm => "calm",
        }
    }

    /// That of a limit that is used so far.
    pub(super) const fn of_fullness(permille: u64) -> Self {
        match permille {
            950.. => Self::Bad,
            800..950 => Self::Warn,
            0..800 => Self::Calm,
        }
    }
}

impl Table {
    /// Writes it as a section. Rows that want attention come first; the others stay in their order.
    pub(super) fn write(mut self, html: &mut Html) {
        self.rows.sort_by_key(|row| row.weight);
        let total = self.rows.len();
        self.rows.truncate(MOST_ROWS);
        let heading = format!("{}-heading", self.id);
        html.element("section", &[("id", self.id), ("aria-labelledby", &heading)], |html| {
            html.element("h2", &[("id", &heading)], |html| {
                html.text(self.title);
                if total > 0 {
                    html.markup(" ").span("count", total);
                }
                html
            });
            if self.rows.is_empty() {
                html.element("p", &[("class", "empty")], |html| html.text(self.empty));
            } else {
                self.write_table(html, &heading);
            }
            if total > MOST_ROWS {
                html.element("p", &[("class", "empty")], |html| {
                    html.text(format_args!("{MOST_ROWS} of {total} are shown. "))
                        .markup("<a href=\"/status\">/status</a> has all of them.")
                });
            }
            html
        });
    }

    /// With the roles that a table has anyway: browsers forget them where a style sheet shows rows as blocks.
    fn write_table(&self, html: &mut Html, heading: &str) {
        html.element("table", &[("role", "table"), ("aria-labelledby", heading)], |html| {
            html.markup("<thead role=\"rowgroup\"><tr role=\"row\">");
            for heading in self.headings {
                html.element("th", &[("scope", "col"), ("role", "columnheader")], |html| html.text(heading));
            }
            html.markup("</tr></thead><tbody role=\"rowgroup\">");
            self.rows.iter().for_each(|row| self.write_row(html, row));
            html.markup("</tbody>")
        });
    }

    fn write_row(&self, html: &mut Html, row: &Row) {
        let mut attributes = vec![("role", "row"), ("class", row.weight.class())];
        attributes.extend(row.id.as_deref().map(|id| ("id", id)));
        html.element("tr", &attributes, |html| {
            for (at, (heading, cell)) in self.headings.iter().zip(&row.cells).enumerate() {
                if at == 0 {
                    html.element("th", &[("scope", "row"), ("role", "rowheader")], |html| html.piece(cell));
                } else {
                    let attributes = [("role", "cell"), ("data-label", *heading)];
                    html.element("td", &attributes, |html| html.element("div", &[], |html| html.piece(cell)));
                }
            }
            html
        });
        let Some(more) = &row.more else { return };
        let columns = self.headings.len().to_string();
        html.element("tr", &[("role", "row"), ("class", "more")], |html| {
            html.element("td", &[("role", "cell"), ("colspan", &columns)], |html| html.piece(more))
        });
    }
}

/// A word with a mark before it: neither tells by its colour alone.
pub(super) fn badge(weight: Weight, word: &str) -> Html {
    let mut html = Html::default();
    let mark = match weight {
        Weight::Bad => "\u{25a0}",
        Weight::Warn => "\u{25b2}",
        Weight::Calm => "\u{25cf}",
    };
    let class = match weight {
        Weight::Bad => "badge bad",
        Weight::Warn => "badge warn",
        Weight::Calm => "badge calm",
    };
    html.element("span", &[("class", class)], |html| {
        html.element("span", &[("aria-hidden", "true")], |html| html.text(mark)).markup(" ").text(word)
    });
    html
}

/// How much of a limit is used, as a bar with its numbers.
pub(super) fn bar(used: &str, limit: &str, permille: u64) -> Html {
    let mut html = Html::default();
    let class = match Weight::of_fullness(permille) {
        Weight::Bad => "fill bad",
        Weight::Warn => "fill warn",
        Weight::Calm => "fill calm",
    };
    // whole percents, and something of whatever is not nothing
    let percent = permille.div_ceil(10).to_string();
    html.piece(&text(format_args!("{used} of {limit}")));
    html.markup("<svg class=\"bar\" aria-hidden=\"true\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\">");
    html.markup("<rect class=\"track\" width=\"100\" height=\"4\"></rect>");
    html.element("rect", &[("class", class), ("width", &percent), ("height", "4")], |html| html);
    html.markup("</svg>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, weight: Weight) -> Row {
        Row { id: Some(format!("route.{name}")), weight, cells: vec![text(name), text("x")], more: None }
    }

    fn written(rows: Vec<Row>) -> String {
        let mut html = Html::default();
        Table { title: "Routes", id: "routes", headings: &["Route", "Endpoint"], rows, empty: "None." }
            .write(&mut html);
        html.into_string()
    }

    #[test]
    fn rows_that_want_attention_come_first_and_the_others_keep_their_order() {
        let rows = [("a", Weight::Calm), ("b", Weight::Warn), ("c", Weight::Bad), ("d", Weight::Calm)];
        let html = written(rows.map(|(name, weight)| row(name, weight)).into());
        let order: Vec<usize> = ["c", "b", "a", "d"].map(|name| html.find(&format!("route.{name}")).unwrap()).into();
        assert!(order.is_sorted(), "{html}");
    }

    #[test]
    fn a_page_has_no_more_rows_than_can_be_read_and_says_where_the_others_are() {
        let html = written((0..1000).map(|n| row(&n.to_string(), Weight::Calm)).collect());
        assert_eq!(html.matches("<tr ").count(), MOST_ROWS + 1);
        assert!(html.contains("200 of 1000 are shown"), "{html}");
        assert!(written(Vec::new()).contains("None."));
    }

    #[test]
    fn a_bar_has_its_numbers_and_shows_whatever_is_not_nothing() {
        let bar = bar("1", "9000", 1).into_string();
        assert!(bar.starts_with("1 of 9000<svg") && bar.contains(r#"width="1" height"#), "{bar}");
        let weights = [0, 799, 800, 950, 1000].map(Weight::of_fullness);
        assert_eq!(weights, [Weight::Calm, Weight::Calm, Weight::Warn, Weight::Bad, Weight::Bad]);
    }
}
