//! What the screen shows at the moment, and what a key makes of it. No terminal, no clock but the one it is given.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::feed::Demand;
use crate::cli::top::report::Fetched;
use crate::cli::top::sheet;

/// The intervals that + and - choose from, in milliseconds.
const INTERVALS: [u64; 8] = [500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000];

/// How many rows a page is.
const PAGE: usize = 10;

/// The tabs: the overview, and each table.
pub(super) const TABS: usize = sheet::COUNT + 1;

/// The state of the screen.
#[derive(Debug)]
pub(super) struct View {
    /// Where is asked.
    pub(super) from: String,
    /// 0 is the overview.
    pub(super) tab: usize,
    /// The selected row of each tab.
    rows: [usize; TABS],
    pub(super) help: bool,
    pub(super) paused: bool,
    pub(super) interval: Duration,
    /// The last report, and when it came.
    pub(super) latest: Option<(Fetched, Instant)>,
    /// Since when nobody answers, and why.
    pub(super) silence: Option<(Instant, String)>,
}

/// What has to be done after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing but to draw.
    Stay,
    Quit,
    /// Everything is drawn anew.
    Repaint,
    Ask(Demand),
    Suspend,
}

impl View {
    pub(super) const fn new(from: String, interval: Duration) -> Self {
        Self { from, tab: 0, rows: [0; TABS], help: false, paused: false, interval, latest: None, silence: None }
    }

    /// Takes what the admin listener answered.
    pub(super) fn take(&mut self, answer: Result<Fetched, String>) {
        match answer {
            Ok(fetched) => {
                self.from.clone_from(&fetched.from);
                self.latest = Some((fetched, Instant::now()));
                self.silence = None;
            }
            Err(why) => {
                let since = self.silence.as_ref().map_or_else(Instant::now, |(since, _)| *since);
                self.silence = Some((since, why));
            }
        }
    }

    /// The selected row of the table shown, which has so many.
    pub(super) fn row(&self, count: usize) -> usize {
        self.rows.get(self.tab).copied().unwrap_or_default().min(count.saturating_sub(1))
    }

    /// What a key does.
    // a terminal knows many keys, and those without a meaning here do nothing
    #[allow(clippy::wildcard_enum_match_arm)]
    pub(super) fn press(&mut self, key: KeyEvent) -> Step {
        if key.kind == KeyEventKind::Release {
            return Step::Stay;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Step::Quit,
                KeyCode::Char('z') => Step::Suspend,
                KeyCode::Char('l') => Step::Repaint,
                _other => Step::Stay,
            };
        }
        if self.help {
            // any key but `q` leads back
            self.help = false;
            return if key.code == KeyCode::Char('q') { Step::Quit } else { Step::Stay };
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Step::Quit,
            KeyCode::Char('?') | KeyCode::F(1) => self.help = true,
            KeyCode::Char('p' | ' ') => return self.pause(),
            KeyCode::Char('r') => return Step::Ask(Demand::Now),
            KeyCode::Char('+') => return self.change_interval(&Change::Longer),
            KeyCode::Char('-') => return self.change_interval(&Change::Shorter),
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(TABS.saturating_sub(1)),
            KeyCode::Char(digit) if digit.is_ascii_digit() => self.open(digit),
            KeyCode::Up | KeyCode::Char('k') => self.select(|row| row.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(|row| row.saturating_add(1)),
            KeyCode::PageUp => self.select(|row| row.saturating_sub(PAGE)),
            KeyCode::PageDown => self.select(|row| row.saturating_add(PAGE)),
            KeyCode::Home => self.select(|_| 0),
            KeyCode::End => self.select(|_| usize::MAX),
            _other => {}
        }
        Step::Stay
    }

    fn pause(&mut self) -> Step {
        self.paused = !self.paused;
        Step::Ask(if self.paused { Demand::Pause } else { Demand::Resume })
    }

    fn change_interval(&mut self, change: &Change) -> Step {
        let mut all = INTERVALS.into_iter().map(Duration::from_millis);
        let next = match change {
            Change::Longer => all.find(|interval| *interval > self.interval),
            Change::Shorter => all.rev().find(|interval| *interval < self.interval),
        };
        self.interval = next.unwrap_or(self.interval);
        Step::Ask(Demand::Every(self.interval))
    }

    fn turn(&mut self, by: usize) {
        self.tab = self.tab.saturating_add(by).checked_rem(TABS).unwrap_or_default();
    }

    fn open(&mut self, digit: char) {
        let number = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
        if let Some(tab) = number.and_then(|number| number.checked_sub(1)).filter(|tab| *tab < TABS) {
            self.tab = tab;
        }
    }

    /// Selects another row of the table shown.
    fn select(&mut self, to: impl FnOnce(usize) -> usize) {
        let count = self.count();
        let now = self.row(count);
        if let Some(row) = self.rows.get_mut(self.tab) {
            *row = to(now).min(count.saturating_sub(1));
        }
    }

    /// How many rows the table shown has.
    fn count(&self) -> usize {
        let Some((fetched, _)) = &self.latest else { return 0 };
        let sheets = sheet::all(&fetched.report);
        self.tab.checked_sub(1).and_then(|nth| sheets.get(nth)).map_or(0, |sheet| sheet.rows.len())
    }
}

/// A way to change the interval.
enum Change {
    Longer,
    Shorter,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Report;

    const SAMPLE: &str = include_str!("../../../status/sample.json");

    fn view() -> View {
        let mut report: Report = serde_json::from_str(SAMPLE).unwrap();
        let key = report.keys[0].clone();
        report.keys = vec![key; 25];
        let mut view = View::new("http://127.0.0.1:1".to_owned(), Duration::from_secs(2));
        view.take(Ok(Fetched { from: "unix:/run/a".to_owned(), report, document: serde_json::Value::Null }));
        view
    }

    fn press(view: &mut View, code: KeyCode) -> Step {
        view.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn keys_turn_the_tabs_round_and_open_them_by_number() {
        let mut view = view();
        let tabs: Vec<usize> = (0..TABS)
            .map(|_| {
                press(&mut view, KeyCode::Tab);
                view.tab
            })
            .collect();
        assert_eq!(tabs, [1, 2, 3, 4, 5, 6, 7, 0]);
        press(&mut view, KeyCode::BackTab);
        assert_eq!(view.tab, 7);
        press(&mut view, KeyCode::Right);
        press(&mut view, KeyCode::Left);
        assert_eq!(view.tab, 7);
        for (key, tab) in [('1', 0), ('8', 7), ('9', 7), ('0', 7), ('3', 2)] {
            press(&mut view, KeyCode::Char(key));
            assert_eq!(view.tab, tab, "{key}");
        }
    }

    #[test]
    fn a_row_is_selected_within_the_table_and_kept_for_it() {
        let mut view = view();
        press(&mut view, KeyCode::Char('3'));
        for (key, row) in [
            (KeyCode::Up, 0),
            (KeyCode::Down, 1),
            (KeyCode::PageDown, 11),
            (KeyCode::End, 24),
            (KeyCode::Down, 24),
            (KeyCode::PageUp, 14),
            (KeyCode::Home, 0),
            (KeyCode::Char('j'), 1),
        ] {
            press(&mut view, key);
            assert_eq!(view.row(25), row, "{key:?}");
        }
        press(&mut view, KeyCode::Tab);
        assert_eq!(view.row(1), 0);
        press(&mut view, KeyCode::Left);
        assert_eq!(view.row(25), 1);
        // a reload may have taken rows away
        assert_eq!(view.row(1), 0);
        assert_eq!(view.row(0), 0);
    }

    #[test]
    fn a_pause_ends_with_the_same_key_and_the_interval_has_bounds() {
        let mut view = view();
        assert_eq!(press(&mut view, KeyCode::Char('p')), Step::Ask(Demand::Pause));
        assert!(view.paused);
        assert_eq!(press(&mut view, KeyCode::Char('p')), Step::Ask(Demand::Resume));
        let every = |seconds| Step::Ask(Demand::Every(Duration::from_millis(seconds)));
        assert_eq!(press(&mut view, KeyCode::Char('+')), every(5000));
        for _ in 0..20 {
            press(&mut view, KeyCode::Char('-'));
        }
        assert_eq!(press(&mut view, KeyCode::Char('-')), every(500));
        for _ in 0..20 {
            press(&mut view, KeyCode::Char('+'));
        }
        assert_eq!(view.interval, Duration::from_secs(60));
    }

    #[test]
    fn help_goes_with_the_next_key_and_q_quits_from_everywhere() {
        let mut view = view();
        press(&mut view, KeyCode::Char('?'));
        assert!(view.help);
        assert_eq!(press(&mut view, KeyCode::Esc), Step::Stay);
        assert!(!view.help);
        assert_eq!(press(&mut view, KeyCode::Esc), Step::Quit);
        press(&mut view, KeyCode::F(1));
        assert_eq!(press(&mut view, KeyCode::Char('q')), Step::Quit);
        let control = |key| KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL);
        assert_eq!(['c', 'z', 'l'].map(|key| view.press(control(key))), [Step::Quit, Step::Suspend, Step::Repaint]);
    }

    #[test]
    fn a_silence_begins_with_the_first_failure_and_ends_with_a_report() {
        let mut view = view();
        view.take(Err("one".to_owned()));
        let (since, _) = view.silence.clone().unwrap();
        view.take(Err("two".to_owned()));
        assert_eq!(view.silence, Some((since, "two".to_owned())));
        let (fetched, _) = view.latest.clone().unwrap();
        view.take(Ok(fetched));
        assert_eq!((view.silence.is_none(), view.from.as_str()), (true, "unix:/run/a"));
    }
}
