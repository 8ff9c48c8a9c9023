//! What clients were seen to call, and the least-privilege rules that would let them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::query::Action;

/// Most kinds of calls that are remembered: clients choose Actions, and memory must not be theirs to fill.
const MOST_CALLS: usize = 10_000;
/// Most parameter names remembered of one kind of call. They are comments in what is suggested, no rules.
const MOST_PARAMETERS: usize = 40;
/// Most characters shown of a parameter's name.
const LONGEST_NAME: usize = 64;

/// The kinds of calls seen, and how often. Values of parameters never come here.
#[derive(Debug, Default)]
pub struct Learned {
    calls: BTreeMap<Call, Use>,
    overflow: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    client: String,
    route: String,
    action: String,
}

#[derive(Debug, Default)]
struct Use {
    count: u64,
    parameters: BTreeSet<String>,
}

impl Learned {
    /// Remembers a call. Names of client and route are those of the configuration.
    pub fn remember<'p>(
        &mut self,
        client: &str,
        route: &str,
        action: &Action,
        parameters: impl IntoIterator<Item = &'p str>,
    ) {
        let call = Call { client: client.to_owned(), route: route.to_owned(), action: action.as_str().to_owned() };
        if self.calls.len() >= MOST_CALLS && !self.calls.contains_key(&call) {
            self.overflow = self.overflow.saturating_add(1);
            return;
        }
        let seen = self.calls.entry(call).or_default();
        seen.count = seen.count.saturating_add(1);
        for name in parameters {
            if seen.parameters.len() >= MOST_PARAMETERS {
                break;
            }
            seen.parameters.insert(name.chars().take(LONGEST_NAME).flat_map(char::escape_default).collect());
        }
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Calls that were not remembered, because there were too many kinds.
    #[must_use]
    pub const fn overflow(&self) -> u64 {
        self.overflow
    }

    /// For each client one rule that allows what was seen and no more, as tables that can be appended to the configuration.
    #[must_use]
    pub fn suggest(&self) -> String {
        let mut text = String::new();
        let mut clients: Vec<&str> = self.calls.keys().map(|call| call.client.as_str()).collect();
        clients.dedup();
        for client in clients {
            self.suggest_for(client, &mut text);
        }
        text
    }

    fn suggest_for(&self, client: &str, text: &mut String) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _infallible = writeln!(text, "[[client.{client}.rule]]\neffect = \"allow\"\nactions = [");
        for (call, seen) in self.calls.iter().filter(|(call, _)| call.client == client) {
            let _infallible = write!(text, "  \"{}:{}\", # {}", call.route, call.action, times(seen.count));
            // every call has these two
            let names: Vec<&str> = seen
                .parameters
                .iter()
                .map(String::as_str)
                .filter(|name| !matches!(*name, "Action" | "Version"))
                .collect();
            if !names.is_empty() {
                let _infallible = write!(text, ", with {}", names.join(", "));
            }
            text.push('\n');
        }
        text.push_str("]\n");
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(name: &str) -> Action {
        Action::parse(name).unwrap()
    }

    #[test]
    fn what_was_seen_is_suggested_and_no_more() {
        let mut learned = Learned::default();
        assert!(learned.is_empty() && learned.suggest().is_empty());
        learned.remember("b", "ie", &action("ListJobs"), ["Action", "Version"]);
        learned.remember("a", "ie", &action("GetStatus"), ["Action", "JobId"]);
        learned.remember("a", "ie", &action("GetStatus"), ["Action", "Version", "A\nB"]);
        learned.remember("a", "sdb", &action("Select"), []);
        assert_eq!(
            learned.suggest(),
            "[[client.a.rule]]\neffect = \"allow\"\nactions = [\n  \"ie:GetStatus\", # 2 times, with A\\nB, JobId\n  \
             \"sdb:Select\", # once\n]\n\n\
             [[client.b.rule]]\neffect = \"allow\"\nactions = [\n  \"ie:ListJobs\", # once\n]\n"
        );
    }

    #[test]
    fn memory_is_bounded_whatever_clients_call() {
        let mut learned = Learned::default();
        for number in 0..MOST_CALLS + 5 {
            learned.remember("a", "ie", &action(&format!("A{number}")), []);
        }
        let names: Vec<String> = (0..1000).map(|number| format!("P{number}")).collect();
        learned.remember("a", "ie", &action("A0"), names.iter().map(String::as_str));
        assert_eq!((learned.calls.len(), learned.overflow()), (MOST_CALLS, 5));
        assert!(learned.calls.values().all(|seen| seen.parameters.len() <= MOST_PARAMETERS));
    }
}
