//! Collects the calls that clients were seen to make, and suggests the least-privilege rules that allow them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::query::folded::Folded;
use crate::query::{Action, Vocabulary};

/// How many different calls are kept. Clients choose the Actions, so without a limit they could fill the memory.
const MAX_CALLS: usize = 10_000;
/// How many parameter names are kept for each call. They appear in comments of the suggestion, not in rules.
const MAX_PARAMETERS: usize = 40;
/// How many characters of a parameter's name are shown.
const MAX_NAME: usize = 64;

/// The different calls that were seen, how often and when. Values of parameters are never kept.
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
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    parameters: BTreeSet<String>,
}

/// A rule for one client, which allows the calls that were seen and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The client.
    pub client: String,
    /// What it allows, sorted by route and Action.
    pub calls: Vec<SuggestedCall>,
}

/// An Action on a route that was called, and what the suggestion is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestedCall {
    /// The route.
    pub route: String,
    /// The Action.
    pub action: String,
    /// How often it was called.
    pub count: u64,
    /// When it was first called, as far as the times are known.
    pub first_seen: Option<Timestamp>,
    /// When it was last called.
    pub last_seen: Option<Timestamp>,
    /// The names of parameters that it was called with, sorted.
    pub parameters: Vec<String>,
    /// Another Action that was called, and that a lenient endpoint takes for the same.
    pub other_spelling: Option<String>,
}

impl ObservedCalls {
    /// Adds a call, which was made `at` a time if that is known. `client` and `route` are names from the configuration,
    /// and `vocabulary` is that of the route. The order of calls does not matter: they may be of several records.
    pub fn add<'p>(
        &mut self,
        client: &str,
        route: &str,
        vocabulary: &Vocabulary,
        action: &Action,
        parameters: impl IntoIterator<Item = &'p str>,
        at: Option<Timestamp>,
    ) {
        let call = Call { client: client.to_owned(), route: route.to_owned(), action: action.as_str().to_owned() };
        if self.calls.len() >= MAX_CALLS && !self.calls.contains_key(&call) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let usage = self.calls.entry(call).or_default();
        usage.count = usage.count.saturating_add(1);
        usage.first = [usage.first, at].into_iter().flatten().min();
        usage.last = usage.last.max(at);
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

    /// One rule for each client that was seen.
    #[must_use]
    pub fn suggestions(&self) -> Vec<Suggestion> {
        let mut suggestions: Vec<Suggestion> = Vec::new();
        for (call, usage) in &self.calls {
            let suggested = SuggestedCall {
                route: call.route.clone(),
                action: call.action.clone(),
                count: usage.count,
                first_seen: usage.first,
                last_seen: usage.last,
                parameters: usage.parameters.iter().cloned().collect(),
                other_spelling: self.other_spelling(call).map(str::to_owned),
            };
            match suggestions.last_mut() {
                // the calls of a client follow one another
                Some(last) if last.client == call.client => last.calls.push(suggested),
                Some(_) | None => {
                    suggestions.push(Suggestion { client: call.client.clone(), calls: vec![suggested] });
                }
            }
        }
        suggestions
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

impl fmt::Display for Suggestion {
    /// The rule as TOML that can be appended to the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[client.{}.rule]]\neffect = \"allow\"\nactions = [", self.client)?;
        for SuggestedCall { route, action, count, last_seen, parameters, other_spelling, .. } in &self.calls {
            write!(f, "  \"{route}:{action}\", # {}", times(*count))?;
            if let Some(time) = last_seen {
                write!(f, ", last at {time:.0}")?;
            }
            if !parameters.is_empty() {
                write!(f, ", with {}", parameters.join(", "))?;
            }
            if let Some(other) = other_spelling {
                write!(f, "; another spelling of {other}: keep the one that the endpoint documents")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "]")
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: &Vocabulary = &Vocabulary::AWS;

    /// The rules, one after the other.
    fn suggested(observed: &ObservedCalls) -> String {
        observed.suggestions().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn action(name: &str) -> Action {
        Action::parse(name).unwrap()
    }

    #[test]
    fn rules_are_suggested_for_what_was_seen_and_nothing_more() {
        let mut observed = ObservedCalls::default();
        assert!(observed.is_empty() && suggested(&observed).is_empty());
        observed.add("b", "ie", AWS, &action("ListJobs"), ["Action", "Version"], None);
        observed.add("a", "ie", AWS, &action("GetStatus"), ["Action", "JobId"], None);
        observed.add("a", "ie", AWS, &action("GetStatus"), ["Action", "Version", "A\nB"], None);
        observed.add("a", "sdb", AWS, &action("Select"), [], None);
        assert_eq!(
            suggested(&observed),
            "[[client.a.rule]]\neffect = \"allow\"\nactions = [\n  \"ie:GetStatus\", # 2 times, with A\\nB, JobId\n  \
             \"sdb:Select\", # once\n]\n\n\
             [[client.b.rule]]\neffect = \"allow\"\nactions = [\n  \"ie:ListJobs\", # once\n]\n"
        );
    }

    #[test]
    fn a_suggestion_speaks_the_dialect_of_each_route() {
        let mut observed = ObservedCalls::default();
        let stack = ["command", "response", "zoneid", "Version"];
        observed.add("a", "stack", &Vocabulary::CLOUDSTACK, &action("listZones"), stack, None);
        observed.add(
            "a",
            "qing",
            &Vocabulary::QINGCLOUD,
            &action("DescribeInstances"),
            ["action", "zone", "Action"],
            None,
        );
        let suggested = suggested(&observed);
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
            observed.add("a", "ie", AWS, &action(action_name), [], None);
        }
        observed.add("b", "ie", AWS, &action("listjobs"), [], None);
        let suggested = suggested(&observed);
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
            observed.add("a", "ie", AWS, &action(&format!("A{number}")), [], None);
        }
        let names: Vec<String> = (0..1000).map(|number| format!("P{number}")).collect();
        observed.add("a", "ie", AWS, &action("A0"), names.iter().map(String::as_str), None);
        assert_eq!((observed.calls.len(), observed.dropped()), (MAX_CALLS, 5));
        assert!(observed.calls.values().all(|usage| usage.parameters.len() <= MAX_PARAMETERS));
    }

    #[test]
    fn a_suggestion_says_when_each_call_was_last_made_whatever_the_order_of_the_records() {
        let mut observed = ObservedCalls::default();
        let times = ["2026-01-03T00:00:00Z", "2026-01-09T10:20:30.456Z", "2026-01-01T00:00:00Z"];
        let at = times.map(|time| Some(time.parse().unwrap()));
        for at in at.into_iter().chain([None]) {
            observed.add("a", "ie", AWS, &action("GetStatus"), ["JobId"], at);
        }
        let [Suggestion { calls, .. }] = &observed.suggestions()[..] else { panic!("one client") };
        assert_eq!((calls[0].first_seen, calls[0].last_seen), (at[2], at[1]));
        let line = "  \"ie:GetStatus\", # 4 times, last at 2026-01-09T10:20:30Z, with JobId\n";
        assert!(suggested(&observed).contains(line), "{}", suggested(&observed));
    }
}
