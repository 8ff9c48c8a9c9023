//! The last refusals, and the last failure of each route, for people who look at the process now.
//!
//! An exchange that goes well writes nothing here. Each worker has a list of its own, behind a lock that only a reader
//! of the report takes beside it: workers do not wait for each other. Lists are of fixed size, and [`fair_list`] keeps
//! one client's refusals from pushing out those of others.

mod fair_list;
mod incident;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use smol_str::SmolStr;

use super::own_cells::{cells, of_this_thread};
use super::thread_slot::CacheLine;
use fair_list::FairList;
pub(crate) use incident::Incident;

/// How many refusals a worker keeps: more than the report has, so that what the workers keep makes a whole report.
const KEPT: usize = 64;

/// What all workers have kept.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    /// Made at the first incident, when it is known how many workers there are.
    workers: OnceLock<Box<[CacheLine<Mutex<OfWorker>>]>>,
}

#[derive(Debug)]
struct OfWorker {
    refusals: FairList,
    /// By route.
    failures: BTreeMap<SmolStr, Incident>,
}

impl Default for OfWorker {
    fn default() -> Self {
        Self { refusals: FairList::new(KEPT), failures: BTreeMap::new() }
    }
}

impl Incidents {
    /// Keeps a request or connection that countersign refused.
    pub(crate) fn add_refusal(&self, incident: Incident) {
        self.with_ours(|ours| ours.refusals.add(incident));
    }

    /// Keeps a call that failed, and not for anything its client did, as the last one of its route.
    pub(crate) fn add_failure(&self, incident: Incident) {
        let Some(route) = incident.route.clone() else { return };
        self.with_ours(|ours| drop(ours.failures.insert(route, incident)));
    }

    fn with_ours(&self, add: impl FnOnce(&mut OfWorker)) {
        let workers = self.workers.get_or_init(|| (0..cells()).map(|_| CacheLine::default()).collect());
        if let Some(CacheLine(ours)) = of_this_thread(workers) {
            add(&mut lock(ours));
        }
    }

    /// The last refusals of all workers, the latest first, at most so many.
    pub(crate) fn refusals(&self, most: usize) -> Vec<Incident> {
        let mut kept: Vec<Incident> = Vec::new();
        for CacheLine(worker) in self.workers.get().into_iter().flatten() {
            kept.extend(lock(worker).refusals.iter().cloned());
        }
        // what is added first is given up first, whichever worker had it
        kept.sort_by_key(|incident| incident.at);
        let mut all = FairList::new(most);
        kept.into_iter().for_each(|incident| all.add(incident));
        let mut all: Vec<Incident> = all.iter().cloned().collect();
        all.sort_by_key(|incident| std::cmp::Reverse(incident.at));
        all
    }

    /// The last failure of each route that `is_served`. The others are forgotten.
    pub(crate) fn failures(&self, is_served: impl Fn(&str) -> bool) -> BTreeMap<SmolStr, Incident> {
        let mut all = BTreeMap::<SmolStr, Incident>::new();
        for CacheLine(worker) in self.workers.get().into_iter().flatten() {
            let mut worker = lock(worker);
            worker.failures.retain(|route, _| is_served(route));
            for (route, incident) in &worker.failures {
                if all.get(route).is_none_or(|known| known.at < incident.at) {
                    all.insert(route.clone(), incident.clone());
                }
            }
        }
        all
    }
}

/// A panic of a thread that held the lock leaves nothing inconsistent here.
fn lock(worker: &Mutex<OfWorker>) -> MutexGuard<'_, OfWorker> {
    worker.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::telemetry::own_cells::{OwnCells, reserve_cells};

    fn incident(client: &str, route: &str, at: Instant) -> Incident {
        Incident {
            at,
            times: 1,
            listener: "local".into(),
            client: Some(client.into()),
            route: Some(route.into()),
            action: None,
            peer: "127.0.0.1:1".into(),
            status: Some(502),
            code: Some("ProxyUpstreamUnreachable"),
            reason: "upstream.connect",
            cause: "No address of the endpoint accepts a connection.",
            remedy: "Look at the endpoint.",
            error: Some("connection refused".into()),
            request_id: None,
            trace_id: None,
        }
    }

    #[test]
    fn what_several_workers_have_refused_is_one_list_the_latest_first() {
        reserve_cells(4);
        let (incidents, now) = (Incidents::default(), Instant::now());
        let at = |second| now + Duration::from_secs(second);
        thread::scope(|scope| {
            for worker in 0..4_u64 {
                let incidents = &incidents;
                scope.spawn(move || {
                    let _own = OwnCells::claim();
                    (0..100).for_each(|_| incidents.add_refusal(incident("same", "ie", at(worker))));
                    incidents.add_refusal(incident(&format!("client{worker}"), "ie", at(10 + worker)));
                });
            }
        });
        let all = incidents.refusals(50);
        let told: Vec<_> = all.iter().map(|incident| (incident.client.as_deref().unwrap(), incident.times)).collect();
        let each = ["client3", "client2", "client1", "client0"].map(|client| (client, 1));
        assert_eq!(told, [each.as_slice(), &[("same", 400)]].concat());
        assert_eq!(all[4].at, at(3));
        assert_eq!(incidents.refusals(2).len(), 2);
    }

    #[test]
    fn the_latest_refusals_are_kept_whichever_worker_had_them() {
        reserve_cells(4);
        let (incidents, now, both) = (Incidents::default(), Instant::now(), Barrier::new(2));
        thread::scope(|scope| {
            for worker in 0..2_u64 {
                let (incidents, both) = (&incidents, &both);
                scope.spawn(move || {
                    let _own = OwnCells::claim();
                    // a thread that has ended leaves its list to the next
                    both.wait();
                    for nth in 0..60 {
                        let at = now + Duration::from_secs(nth * 2 + worker);
                        let action = Some(format!("Action{}", nth * 2 + worker).into());
                        incidents.add_refusal(Incident { action, ..incident("same", "ie", at) });
                    }
                });
            }
        });
        let all = incidents.refusals(50);
        let told: Vec<_> = all.iter().map(|incident| incident.action.as_deref().unwrap().to_owned()).collect();
        assert_eq!(told, (70..120).rev().map(|nth| format!("Action{nth}")).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_failure_of_a_route_is_told_and_those_of_removed_routes_are_forgotten() {
        let (incidents, now) = (Incidents::default(), Instant::now());
        assert!(incidents.failures(|_| true).is_empty());
        incidents.add_failure(incident("a", "ie", now));
        incidents.add_failure(incident("b", "ie", now + Duration::from_secs(1)));
        incidents.add_failure(incident("c", "old", now));
        let failures = incidents.failures(|route| route == "ie");
        let told: Vec<_> = failures.values().map(|incident| incident.client.as_deref().unwrap()).collect();
        assert_eq!(told, ["b"]);
        assert_eq!(incidents.failures(|_| true).len(), 1);
    }
}
