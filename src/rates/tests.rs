//! What the leases come to with many replicas: a store, replicas and clients in a simulated time of milliseconds. The
//! replicas are the real ones; the store is `lease.lua` in Rust.

#![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

use std::time::Duration;

use super::allowance::{Allowance, Found, Waiting};
use super::forecast::{Forecast, Question, Reply};
use super::limits::{SharedLimits, SharedRate, Terms};
use crate::authorize::RateLimit;

const MILLI: u64 = 1_000_000;
const AHEAD: Duration = Duration::from_millis(100);
/// A round trip to the store.
const ROUND_TRIP: u64 = MILLI;

/// `lease.lua`, line for line. A test with a real server compares the two.
#[derive(Debug, Default)]
struct Store {
    tat: f64,
    used: u64,
    asked: u64,
}

impl Store {
    fn lease(&mut self, now: f64, terms: Terms, question: Question) -> Reply {
        self.asked += 1;
        let Terms { interval, tolerance, quota } = terms;
        let moved = (f64::from(question.owed) - f64::from(question.returned)) * interval;
        let mut tat = (self.tat.max(now) + moved).max(now).min(now + 2.0 * (tolerance + interval));
        let mut used = self.used.saturating_sub(question.returned.into()) + u64::from(question.owed);
        let mut left = u64::from(question.wanted);
        if interval > 0.0 {
            left = (((now + tolerance - tat) / interval).floor() + 1.0).max(0.0) as u64;
        }
        if quota > 0 {
            left = left.min(quota.saturating_sub(used));
        }
        let granted = left.min(question.wanted.into());
        tat += granted as f64 * interval;
        used += granted;
        (self.tat, self.used) = (tat, used);
        let wait = if interval > 0.0 { (tat - tolerance - now).ceil().max(0.0) as u64 } else { 0 };
        Reply { granted: granted as u32, left: left - granted, wait, used, day_left: 86_400_000 }
    }
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of many rare events happen, where `mean` are expected.
    fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.next(), 0);
        while product > limit {
            product *= self.next();
            count += 1;
        }
        count
    }
}

struct Replica<'a> {
    allowance: &'a Allowance,
    forecast: Forecast,
    local: RateLimit,
    /// Calls in a millisecond.
    demand: f64,
    waiting: Vec<Waiting<'a>>,
    /// A question on its way, and when its reply comes.
    asked: Option<(u64, Question, Reply)>,
}

/// What happened in the time that is counted.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    calls: u64,
    passed: u64,
    waited: u64,
    questions: u64,
    /// The most that passed in one second.
    most_in_a_second: u64,
}

/// What is simulated.
struct Scene {
    rate: SharedRate,
    quota: Option<u64>,
    /// Calls in a second at each replica.
    demand: Vec<f64>,
    seconds: u64,
}

impl Scene {
    /// So many replicas that have this demand together.
    fn even(calls: u32, burst: u32, replicas: usize, demand: f64) -> Self {
        let rate = SharedRate { calls, period: Duration::from_secs(1), burst };
        Self { rate, quota: None, demand: vec![demand / replicas as f64; replicas], seconds: 8 }
    }

    /// The calls of a client that are counted from the third second on.
    fn run(&self) -> Counts {
        let limits = SharedLimits { rate: Some(self.rate), quota: self.quota };
        let terms = limits.terms(AHEAD);
        let count = self.demand.len();
        let allowances: Vec<Allowance> = (0..count).map(|_| Allowance::default()).collect();
        let SharedRate { calls, period, burst } = self.rate;
        let mut replicas: Vec<Replica<'_>> = allowances
            .iter()
            .zip(&self.demand)
            .map(|(allowance, demand)| Replica {
                allowance,
                forecast: Forecast::new(100 * MILLI),
                local: RateLimit::new(calls, period, burst).tolerating(AHEAD),
                demand: demand / 1000.0,
                waiting: Vec::new(),
                asked: None,
            })
            .collect();
        let (mut store, mut random) = (Store::default(), Random(0x9e37_79b9_7f4a_7c15));
        let (mut counts, mut second) = (Counts::default(), 0);
        for milli in 1000..(3 + self.seconds) * 1000 {
            let now = milli * MILLI;
            let is_counted = milli >= 3000;
            if milli % 1000 == 0 {
                second = 0;
            }
            if milli == 3000 {
                store.asked = 0;
            }
            for (nth, replica) in replicas.iter_mut().enumerate() {
                let (called, passed, waited) = replica.step(&mut store, &mut random, terms, (count, nth), now);
                if is_counted {
                    counts.calls += called;
                    counts.passed += passed;
                    counts.waited += waited;
                    second += passed;
                    counts.most_in_a_second = counts.most_in_a_second.max(second);
                }
            }
        }
        counts.questions = store.asked;
        counts
    }

    /// What a client gets, as a part of what it may have: its rate, or its demand if that is less.
    fn share(&self) -> f64 {
        let demand: f64 = self.demand.iter().sum();
        let counts = self.run();
        let may = f64::from(self.rate.calls).min(demand);
        counts.passed as f64 / self.seconds as f64 / may
    }
}

impl Replica<'_> {
    /// A millisecond: calls, calls that pass, calls that begin to wait.
    fn step(
        &mut self,
        store: &mut Store,
        random: &mut Random,
        terms: Terms,
        (count, nth): (usize, usize),
        now: u64,
    ) -> (u64, u64, u64) {
        let (mut passed, mut waited) = (0, 0);
        if let Some((at, question, reply)) = self.asked
            && at <= now
        {
            self.asked = None;
            self.forecast.heard(self.allowance, terms, question, reply, now);
            self.allowance.end_asking();
            // those that waited look again
            for waiting in std::mem::take(&mut self.waiting) {
                drop(waiting);
                self.call(now, &mut passed, &mut 0);
            }
        }
        let calls = random.poisson(self.demand);
        for _ in 0..calls {
            self.call(now, &mut passed, &mut waited);
        }
        let ticks = (now / MILLI + nth as u64).is_multiple_of(100);
        let replicas = count as u32;
        if ticks && self.forecast.has_news(self.allowance, terms, replicas, now) {
            self.allowance.begin_asking();
        }
        if self.allowance.is_asked() && self.asked.is_none() {
            let question = self.forecast.question(self.allowance, terms, replicas, now);
            if question.is_empty() {
                self.allowance.end_asking();
            } else {
                let reply = store.lease(now as f64 / 1000.0, terms, question);
                self.asked = Some((now + ROUND_TRIP, question, reply));
            }
        }
        (calls.into(), passed, waited)
    }

    fn call(&mut self, now: u64, passed: &mut u64, waited: &mut u64) {
        if self.local.check(now).is_err() {
            return;
        }
        match self.allowance.take(now) {
            Found::Token | Found::LastTokens => match self.local.try_take(now) {
                Ok(()) => *passed += 1,
                Err(_) => self.allowance.put_back(),
            },
            Found::Nothing(..) => {}
            Found::Unknown => {
                self.allowance.begin_asking();
                self.waiting.push(self.allowance.wait());
                *waited += 1;
            }
        }
    }
}

/// Within 10 % of what it may have.
fn assert_kept(scene: &Scene, name: &str) {
    let share = scene.share();
    assert!((0.9..=1.1).contains(&share), "{name}: {share}");
}

#[test]
fn a_client_gets_its_rate_over_1_to_1000_replicas() {
    for (calls, burst) in [(1, 1), (10, 10), (100, 1), (100, 100), (1000, 50), (10_000, 1), (10_000, 10_000)] {
        for replicas in [1, 2, 4, 8, 100, 1000] {
            // a second's chance of few calls is not what is tested
            let scale = |scene: Scene| Scene { seconds: if calls < 10 { 40 } else { 6 }, ..scene };
            if calls < 10 && replicas > 100 {
                continue;
            }
            // a bucket of one is often full while nobody calls, however it is counted
            for demand in if calls < 10 { [50.0, 100.0] } else { [2.0, 20.0] } {
                let demand = f64::from(calls) * demand;
                let name = format!("{calls}/s, burst {burst}, {replicas} replicas, {demand} calls in a second");
                assert_kept(&scale(Scene::even(calls, burst, replicas, demand)), &name);
            }
        }
    }
}

#[test]
fn a_client_below_its_rate_is_not_throttled() {
    for (calls, demand) in [(10, 4.0), (100, 60.0), (1000, 800.0), (10_000, 8000.0)] {
        for replicas in [1, 4, 8, 100] {
            let scene = Scene::even(calls, calls, replicas, demand);
            let counts = scene.run();
            let refused = counts.calls.saturating_sub(counts.passed) as f64 / counts.calls as f64;
            assert!(refused < 0.02, "{calls}/s, {replicas} replicas: {refused}, {counts:?}");
        }
    }
}

#[test]
fn a_client_gets_its_rate_however_its_calls_are_spread() {
    for spread in [vec![200.0, 0.0, 0.0, 0.0], vec![180.0, 10.0, 5.0, 5.0], vec![150.0, 0.5, 0.5, 0.5]] {
        let rate = SharedRate { calls: 100, period: Duration::from_secs(1), burst: 100 };
        let scene = Scene { rate, quota: None, demand: spread.clone(), seconds: 8 };
        assert_kept(&scene, &format!("{spread:?}"));
    }
}

#[test]
fn few_calls_wait_for_the_store() {
    for (calls, demand, replicas) in [(100, 50.0, 4), (1000, 800.0, 8), (10, 8.0, 4)] {
        let counts = Scene::even(calls, calls, replicas, demand).run();
        let waited = counts.waited as f64 / counts.calls as f64;
        assert!(waited < 0.1, "{calls}/s, {replicas} replicas: {waited}, {counts:?}");
    }
}

#[test]
fn the_store_is_asked_once_for_many_calls_of_a_client_within_its_rate() {
    // the last column: the most questions for each call, twice as many as there are
    for (calls, burst, demand, replicas, most) in [
        (10, 10, 8.0, 1, 0.7),
        (50, 50, 40.0, 1, 0.15),
        (50, 50, 40.0, 4, 0.5),
        (100, 100, 80.0, 1, 0.08),
        (1000, 1000, 800.0, 4, 0.03),
        (1000, 1, 800.0, 1, 0.05),
        (10_000, 10_000, 8000.0, 8, 0.006),
        (10_000, 1, 8000.0, 8, 0.04),
    ] {
        let scene = Scene::even(calls, burst, replicas, demand);
        let counts = scene.run();
        let asked = counts.questions as f64;
        let name = format!("{calls}/s, burst {burst}, {demand} calls in a second at {replicas} replicas: {counts:?}");
        assert!(asked / counts.calls as f64 <= most, "{name}");
        assert!(asked / replicas as f64 / scene.seconds as f64 <= 21.0, "{name}");
    }
}

#[test]
fn the_store_is_asked_a_bounded_number_of_times_however_much_a_client_calls() {
    for (replicas, demand) in [(1, 100_000.0), (8, 100_000.0), (100, 50_000.0)] {
        let scene = Scene::even(100, 100, replicas, demand);
        let counts = scene.run();
        let each = counts.questions as f64 / replicas as f64 / scene.seconds as f64;
        assert!(each <= 21.0, "{replicas} replicas: {each} questions of each in a second");
    }
}

#[test]
fn no_second_has_more_than_the_rate_and_the_burst() {
    for (calls, burst, replicas) in [(10, 10, 8), (100, 1, 8), (100, 100, 100), (1000, 50, 4)] {
        let counts = Scene::even(calls, burst, replicas, f64::from(calls) * 5.0).run();
        // tokens in hand from the second before, of a tenth of a second's rate at most
        let most = f64::from(calls) * 1.1 + f64::from(burst) + 1.0;
        assert!(counts.most_in_a_second as f64 <= most, "{calls}/s, burst {burst}: {counts:?}");
    }
}

#[test]
fn a_quota_is_never_exceeded_and_all_of_it_can_be_used() {
    for replicas in [1, 4, 100] {
        let mut scene = Scene::even(1000, 1000, replicas, 500.0);
        scene.quota = Some(2000);
        scene.seconds = 10;
        // two seconds are not counted
        let passed = scene.run().passed;
        assert!((700..=2000).contains(&passed), "{replicas} replicas: {passed}");
        let limits = SharedLimits { rate: None, quota: Some(50) };
        let mut store = Store::default();
        let ask = |store: &mut Store, wanted, returned| {
            store.lease(0.0, limits.terms(AHEAD), Question { wanted, returned, owed: 0 }).granted
        };
        assert_eq!((ask(&mut store, 40, 0), ask(&mut store, 40, 0), ask(&mut store, 40, 15)), (40, 10, 15));
    }
}
