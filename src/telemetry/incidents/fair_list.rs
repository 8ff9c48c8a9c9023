//! A list of the last incidents, in which no client's many push out another's few.

use std::collections::VecDeque;

use smol_str::SmolStr;

use super::incident::Incident;

/// The last incidents, at most so many. When there is no room, the oldest goes of whoever has the most: a client that
/// is refused all the time keeps what is left by the others. All strangers are one, since whoever has many addresses
/// could be any number of them.
#[derive(Debug)]
pub(super) struct FairList {
    most: usize,
    length: usize,
    /// By client, each with its incidents, the oldest first.
    holders: Vec<(Option<SmolStr>, VecDeque<Incident>)>,
}

impl FairList {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, length: 0, holders: Vec::new() }
    }

    /// Adds an incident, or counts it with one that is like it.
    pub(super) fn add(&mut self, incident: Incident) {
        let known = self.holders.iter_mut().find(|(client, _)| *client == incident.client);
        let Some((_, theirs)) = known else {
            self.holders.push((incident.client.clone(), VecDeque::from([incident])));
            return self.grown();
        };
        let like = theirs.iter().position(|known| known.is_like(&incident));
        match like.and_then(|at| theirs.remove(at)) {
            Some(known) => theirs.push_back(known.joined(incident)),
            None => {
                theirs.push_back(incident);
                self.grown();
            }
        }
    }

    fn grown(&mut self) {
        self.length = self.length.saturating_add(1);
        if self.length <= self.most {
            return;
        }
        let oldest = |theirs: &VecDeque<Incident>| theirs.front().map(|incident| std::cmp::Reverse(incident.at));
        let largest = self.holders.iter_mut().max_by_key(|(_, theirs)| (theirs.len(), oldest(theirs)));
        if let Some((_, theirs)) = largest {
            theirs.pop_front();
            self.length = self.length.saturating_sub(1);
        }
        self.holders.retain(|(_, theirs)| !theirs.is_empty());
    }

    /// All of them, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.holders.iter().flat_map(|(_, theirs)| theirs)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

    use std::time::{Duration, Instant};

    use super::*;

    fn incident(client: Option<&str>, action: &str, second: u64) -> Incident {
        Incident {
            at: beginning() + Duration::from_secs(second),
            times: 1,
            listener: "local".into(),
            client: client.map(SmolStr::new),
            route: Some("ie".into()),
            action: Some(action.into()),
            peer: "127.0.0.1:1".into(),
            status: Some(403),
            code: Some("AccessDenied"),
            reason: "policy",
            cause: "The client's rules do not allow this Action.",
            remedy: "Add a rule.",
            error: None,
            request_id: None,
            trace_id: None,
        }
    }

    fn beginning() -> Instant {
        static BEGINNING: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *BEGINNING.get_or_init(Instant::now)
    }

    fn told(list: &FairList) -> Vec<(String, String, u64)> {
        let mut all: Vec<_> = list.iter().collect();
        all.sort_by_key(|incident| incident.at);
        let text = |text: &Option<SmolStr>| text.as_deref().unwrap_or("-").to_owned();
        all.into_iter().map(|incident| (text(&incident.client), text(&incident.action), incident.times)).collect()
    }

    #[test]
    fn incidents_of_one_kind_are_one_with_their_number_and_the_last_of_them_counts() {
        let mut list = FairList::new(3);
        for second in 0..1000 {
            list.add(incident(Some("a"), "CreateJob", second));
        }
        list.add(incident(Some("a"), "ListJobs", 7));
        assert_eq!(told(&list), [("a".into(), "ListJobs".into(), 1), ("a".into(), "CreateJob".into(), 1000)]);
    }

    #[test]
    fn a_client_that_is_refused_for_everything_it_can_think_of_leaves_the_others_theirs() {
        let mut list = FairList::new(10);
        list.add(incident(Some("b"), "ListJobs", 0));
        list.add(incident(None, "ListJobs", 1));
        for second in 2..500 {
            list.add(incident(Some("flood"), &format!("Action{second}"), second));
        }
        let all = told(&list);
        assert_eq!(all.len(), 10);
        assert_eq!(all[..2], [("b".into(), "ListJobs".into(), 1), ("-".into(), "ListJobs".into(), 1)]);
        assert_eq!(all[2].1, "Action492", "the last ones of the flood");
    }

    #[test]
    fn of_as_many_holders_as_places_each_has_one_and_the_oldest_goes() {
        let mut list = FairList::new(4);
        for number in 0..9 {
            list.add(incident(Some(&format!("c{number}")), "ListJobs", number));
        }
        let clients: Vec<String> = told(&list).into_iter().map(|(client, ..)| client).collect();
        assert_eq!(clients, ["c5", "c6", "c7", "c8"]);
    }
}
