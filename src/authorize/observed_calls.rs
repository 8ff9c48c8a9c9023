//! Collects the calls that clients were seen to make, and suggests the least-privilege rules that allow them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::query::folded::Folded;
use crate::query::{Action, Vocabulary};

/// How many different calls are kept. Clients choose the Actions, so without a limit they could fill the memory.
const MAX_CALLS: usize = 10_000;
/// How many parameter names are kept for each call. They appear in comments of the suggestion, not in rules.
const MAX_PARAMETERS: usize = 40;
/// How many characters of a parameter's name are shown.
const MAX_NAME: usize = 64;

/// The different calls that were seen, and how often. Values of parameters are never kept.
#[derive(Debug, Default)]
pub struct ObservedCalls {
    calls: BTreeMap<Call, Usage>,
    dropped: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    client: String,
    route: String,
    action: String,
}

#[derive(Debug, Default)]
struct Usage {
    count: u64,
    parameters: BTreeSet<String>,
}

impl ObservedCalls {
    /// Adds a call. `client` and `route` are names from the configuration, and `vocabulary` is that of the route.
    pub fn add<'p>(
        &mut self,
        client: &str,
        route: &str,
        vocabulary: &Vocabulary,
        action: &Action,
        parameters: impl IntoIterator<Item = &'p str>,
    ) {
        let call = Call { client: client.to_owned(), route: route.to_owned(), action: action.as_str().to_owned() };
        if self.calls.len() >= MAX_CALLS && !self.calls.contains_key(&call) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let usage = self.calls.entry(call).or_default();
        usage.count = usage.count.saturating_add(1);
        // every call has those that say what is called, so naming them would tell nothing
        for name in parameters.into_iter().filter(|name| !vocabulary.says_what_is_called(name)) {
            if usage.parameters.len() >= MAX_PARAMETERS {
                break;
            }
            usage.parameters.insert(name.chars().take(MAX_NAME).flat_map(char::escape_default).collect());
        }
    }

    /// Whether no call was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// How many calls were dropped because there were too many different ones.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// One rule for each client, which allows the calls that were seen and no others, as TOML that can be appended to
    /// the configuration.
    #[must_use]
    pub fn suggest_rules(&self) -> String {
        let mut text = String::new();
        let mut clients: Vec<&str> = self.calls.keys().map(|call| call.client.as_str()).collect();
        clients.dedup();
        for client in clients {
            self.suggest_rule(client, &mut text);
        }
        text
    }

    fn suggest_rule(&self, client: &str, text: &mut String) {
        if !text.is_empty() {
            text.push('\n');
        }
        let _infallible = writeln!(text, "[[client.{client}.rule]]\neffect = \"allow\"\nactions = [");
        for (call, usage) in self.calls.iter().filter(|(call, _)| call.client == client) {
            let _infallible = write!(text, "  \"{}:{}\", # {}", call.route, call.action, times(usage.count));
            let names: Vec<&str> = usage.parameters.iter().map(String::as_str).collect();
            if !names.is_empty() {
                let _infallible = write!(text, ", with {}", names.join(", "));
            }
            if let Some(other) = self.other_spelling(call) {
                let _infallible =
                    write!(text, "; another spelling of {other}: keep the one that the endpoint documents");
            }
            text.push('\n');
        }
        text.push_str("]\n");
    }

    /// The Action of another call that a lenient endpoint takes for the same.
    fn other_spelling(&self, of: &Call) -> Option<&str> {
        let is_other = |call: &&Call| {
            (&call.client, &call.route) == (&of.client, &of.route)
                && call.action != of.action
                && Folded::of(call.action.as_bytes()) == Folded::of(of.action.as_bytes())
        };
        self.calls.keys().find(is_other).map(|call| call.action.as_str())
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: &Vocabulary = &Vocabulary::AWS;

    fn action(name: &str) -> Action {
        Action::parse(name).unwrap()
    }

    #[test]
    fn rules_are_suggested_for_what_was_seen_and_nothing_more() {
        let mut observed = ObservedCalls::default();
        assert!(observed.is_empty() && observed.suggest_rules().is_empty());
        observed.add("b", "ie", AWS, &action("ListJobs"), ["Action", "Version"]);
        observed.add("a", "ie", AWS, &action("GetStatus"), ["Action", "JobId"]);
        observed.add("a", "ie", AWS, &action("GetStatus"), ["Action", "Version", "A\nB"]);
        observed.add("a", "sdb", AWS, &action("Select"), []);
        assert_eq!(
            observed.suggest_rules(),
            "[[client.a.rule]]\neffect = \"allow\"\nactions = [\n  \"ie:GetStatus\", # 2 times, with A\\nB, JobId\n  \
             \"sdb:Select\", # once\n]\n\n\
             [[client.b.rule]]\neffect = \"allow\"\nactions = [\n  \"ie:ListJobs\", # once\n]\n"
        );
    }

    #[test]
    fn a_suggestion_speaks_the_dialect_of_each_route() {
        let mut observed = ObservedCalls::default();
        let stack = ["command", "response", "zoneid", "Version"];
        observed.add("a", "stack", &Vocabulary::CLOUDSTACK, &action("listZones"), stack);
        observed.add("a", "qing", &Vocabulary::QINGCLOUD, &action("DescribeInstances"), ["action", "zone", "Action"]);
        let suggested = observed.suggest_rules();
        for line in [
            "\"stack:listZones\", # once, with Version, zoneid\n",
            "\"qing:DescribeInstances\", # once, with Action, zone\n",
        ] {
            assert!(suggested.contains(line), "{suggested}");
        }
    }

    #[test]
    fn a_suggestion_says_which_actions_are_spellings_of_one_another() {
        let mut observed = ObservedCalls::default();
        for action_name in ["GetStatus", "getStatus", "ListJobs"] {
            observed.add("a", "ie", AWS, &action(action_name), []);
        }
        observed.add("b", "ie", AWS, &action("listjobs"), []);
        let suggested = observed.suggest_rules();
        for line in [
            "\"ie:GetStatus\", # once; another spelling of getStatus: keep the one that the endpoint documents\n",
            "\"ie:getStatus\", # once; another spelling of GetStatus: keep the one that the endpoint documents\n",
            "\"ie:ListJobs\", # once\n",
            "\"ie:listjobs\", # once\n",
        ] {
            assert!(suggested.contains(line), "{suggested}");
        }
    }

    #[test]
    fn memory_is_bounded_whatever_clients_call() {
        let mut observed = ObservedCalls::default();
        for number in 0..MAX_CALLS + 5 {
            observed.add("a", "ie", AWS, &action(&format!("A{number}")), []);
        }
        let names: Vec<String> = (0..1000).map(|number| format!("P{number}")).collect();
        observed.add("a", "ie", AWS, &action("A0"), names.iter().map(String::as_str));
        assert_eq!((observed.calls.len(), observed.dropped()), (MAX_CALLS, 5));
        assert!(observed.calls.values().all(|usage| usage.parameters.len() <= MAX_PARAMETERS));
    }
}
