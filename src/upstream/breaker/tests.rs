//! The breaker by an explicit clock: what opens it, for whom, and what closes it.

#![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

use proptest::prelude::*;

use super::*;

const LIMITS: BreakerLimits = BreakerLimits { failures: 3, longest_pause: Duration::from_secs(2) };
const FIRST_BYTE: u64 = 30_000;
/// The only client of a sidecar, and three of a gateway.
const ONE: &str = "one";
const GOOD: &str = "good";
const SLOW: &str = "slow";
const OTHER: &str = "other";

/// A breaker and its clock, in milliseconds.
struct Scene {
    breaker: Breaker,
    start: Instant,
}

/// A call that has no other endpoint.
fn admit<'b>(breaker: &'b Breaker, client: &'b str, now: Instant) -> Result<CallInProgress<'b>, Outage> {
    breaker.admit(client, now, Repetition::Unsafe, WayOut::None).map_err(|refusal| refusal.outage)
}

impl Scene {
    fn new(failures: usize) -> Self {
        let name = EndpointName { route: "importexport".to_owned(), endpoint: "https://a.example/".to_owned() };
        let breaker = Breaker::new(name, BreakerLimits { failures, ..LIMITS });
        Self { breaker, start: Instant::now() }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn call<'b>(&'b self, client: &'b str, millis: u64) -> Option<CallInProgress<'b>> {
        let mut call = admit(&self.breaker, client, self.at(millis)).ok()?;
        call.sent(self.at(millis));
        Some(call)
    }

    #[track_caller]
    fn times_out(&self, client: &str, from: u64) {
        self.call(client, from).expect("a call that is let through").failed(Outage::Silent, self.at(from + FIRST_BYTE));
    }

    #[track_caller]
    fn is_answered(&self, client: &str, from: u64, to: u64) {
        self.call(client, from).expect("a call that is let through").answered(self.at(to));
    }

    fn is_refused(&self, client: &str, millis: u64) -> bool {
        self.call(client, millis).is_none()
    }
}

fn down_after_three(outage: Outage) -> Scene {
    let scene = Scene::new(3);
    for _ in 0..3 {
        scene.call(ONE, 0).unwrap().failed(outage, scene.at(0));
    }
    scene
}

/// After any pause there is.
const LATER: u64 = 2_000;

#[test]
fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
    let scene = Scene::new(3);
    let fails = |outage, at| scene.call(ONE, at).unwrap().failed(outage, scene.at(at));
    fails(Outage::Unreachable, 0);
    fails(Outage::Silent, 1);
    scene.is_answered(ONE, 2, 3);
    fails(Outage::Unreachable, 3);
    fails(Outage::Unreachable, 4);
    assert_eq!(scene.breaker.outage(), None);
    fails(Outage::Silent, 5);
    assert!(scene.breaker.outage().is_some());
    assert_eq!(admit(&scene.breaker, ONE, scene.at(6)).err(), Some(Outage::Silent));
    assert_eq!(scene.breaker.outages(), 1);
}

#[test]
fn without_a_limit_it_never_opens() {
    let scene = Scene::new(0);
    for _ in 0..1000 {
        scene.call(ONE, 0).unwrap().failed(Outage::Unreachable, scene.at(0));
    }
}

#[test]
fn other_limits_change_nothing_that_is_known_of_the_endpoint() {
    let scene = down_after_three(Outage::Unreachable);
    let shorter = Duration::from_millis(1);
    let impatient = scene.breaker.with_limits(BreakerLimits { failures: 5, longest_pause: shorter });
    assert_eq!((impatient.outage(), impatient.outages()), (Some(Outage::Unreachable), 1));
    assert!(admit(&impatient, ONE, scene.at(0)).is_err(), "it went down after three");
    let probe = admit(&impatient, ONE, scene.at(1));
    probe.ok().unwrap().answered(scene.at(1));
    assert_eq!(scene.breaker.outage(), None, "what one learns, the other knows");
}

#[test]
fn limits_that_never_open_it_end_an_outage_too() {
    let scene = down_after_three(Outage::Silent);
    let tolerant = scene.breaker.with_limits(BreakerLimits { failures: 0, ..LIMITS });
    assert_eq!(tolerant.outage(), None);
    assert!(admit(&tolerant, ONE, scene.at(0)).is_ok());
}

#[test]
fn one_call_at_a_time_finds_out_whether_the_endpoint_is_back() {
    let scene = down_after_three(Outage::Unreachable);
    let mut probe = scene.call(ONE, LATER).unwrap();
    assert!(scene.is_refused(ONE, LATER) && scene.is_refused(OTHER, LATER), "only one, whoever calls");
    probe.connected();
    assert_eq!(scene.breaker.outage(), None);
    let both = (scene.call(ONE, LATER), scene.call(ONE, LATER));
    assert!(both.0.is_some() && both.1.is_some());
}

#[test]
fn a_silent_endpoint_is_back_when_it_answers_and_not_before() {
    let scene = down_after_three(Outage::Silent);
    let mut probe = scene.call(ONE, LATER).unwrap();
    probe.connected();
    assert!(scene.breaker.outage().is_some());
    probe.answered(scene.at(LATER + 1));
    assert_eq!(scene.breaker.outage(), None);
}

#[test]
fn a_probe_whose_client_leaves_makes_room_for_the_next() {
    for outage in [Outage::Unreachable, Outage::Silent] {
        let scene = down_after_three(outage);
        drop(scene.call(ONE, LATER).unwrap());
        assert!(!scene.is_refused(ONE, LATER));
    }
}

#[test]
fn a_call_that_began_before_the_outage_does_not_prolong_it_but_may_end_it() {
    let scene = Scene::new(3);
    let early: Vec<_> = (0..2).map(|_| scene.call(ONE, 0).unwrap()).collect();
    for _ in 0..3 {
        scene.call(ONE, 0).unwrap().failed(Outage::Silent, scene.at(0));
    }
    let [failing, answered] = <[_; 2]>::try_from(early).ok().unwrap();
    failing.failed(Outage::Silent, scene.at(LATER));
    assert!(!scene.is_refused(ONE, LATER));
    answered.answered(scene.at(LATER));
    assert_eq!(scene.breaker.outage(), None);
}

#[test]
fn workers_share_it_and_only_one_of_them_probes() {
    let scene = down_after_three(Outage::Unreachable);
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| scene.call(ONE, LATER).map(std::mem::forget))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).count()
    });
    assert_eq!(admitted, 1);
}

#[test]
fn slow_calls_that_time_out_together_open_it_for_nobody_while_another_client_is_answered() {
    let scene = Scene::new(3);
    let slow: Vec<_> = (0..300).map(|_| scene.call(SLOW, 0).unwrap()).collect();
    // 20 calls a second
    for at in (0..FIRST_BYTE).step_by(50) {
        scene.is_answered(GOOD, at, at + 5);
    }
    for call in slow {
        call.failed(Outage::Silent, scene.at(FIRST_BYTE));
    }
    assert_eq!(scene.breaker.outage(), None);
    assert!(!scene.is_refused(GOOD, FIRST_BYTE) && !scene.is_refused(SLOW, FIRST_BYTE));
}

#[test]
fn what_one_client_causes_counts_for_one_however_many_calls_it_has() {
    let scene = Scene::new(3);
    let slow: Vec<_> = (0..300).map(|_| scene.call(SLOW, 0).unwrap()).collect();
    slow.into_iter().for_each(|call| call.failed(Outage::Silent, scene.at(FIRST_BYTE)));
    assert_eq!(scene.breaker.outage(), Some(Outage::Silent));
    assert!(scene.is_refused(SLOW, FIRST_BYTE), "its own calls are answered at once");
    for at in 0..100 {
        let call = scene.call(GOOD, FIRST_BYTE + at).expect("a client that has seen no failure is let through");
        assert_eq!(call.kind, Kind::Ordinary, "and nobody waits for its outcome");
    }
    // a second client's silence makes two, and as many clients as the limit are believed by everybody
    scene.times_out(OTHER, FIRST_BYTE);
    assert!(!scene.is_refused(GOOD, FIRST_BYTE));
    scene.times_out("third", FIRST_BYTE);
    assert!(scene.is_refused(GOOD, FIRST_BYTE));
    // but one answer to anybody ends it for all
    scene.call(GOOD, FIRST_BYTE + LATER).unwrap().answered(scene.at(FIRST_BYTE + LATER));
    assert!(!scene.is_refused(SLOW, FIRST_BYTE + LATER));
}

#[test]
fn an_endpoint_that_answers_nobody_is_down_after_as_many_failures_as_ever() {
    for clients in [&[ONE, ONE, ONE][..], &[GOOD, SLOW, GOOD], &[GOOD, SLOW, OTHER]] {
        let scene = Scene::new(3);
        let calls: Vec<_> = clients.iter().map(|client| scene.call(client, 0).unwrap()).collect();
        for call in calls {
            assert_eq!(scene.breaker.outage(), None);
            call.failed(Outage::Silent, scene.at(FIRST_BYTE));
        }
        assert_eq!(scene.breaker.outage(), Some(Outage::Silent));
        assert!(clients.iter().all(|client| scene.is_refused(client, FIRST_BYTE)), "{clients:?}");
    }
}

#[test]
fn an_endpoint_that_refuses_connections_is_down_for_everybody_whoever_called() {
    let scene = down_after_three(Outage::Unreachable);
    assert!([ONE, GOOD, OTHER].iter().all(|client| scene.is_refused(client, 0)));
}

#[test]
fn probes_of_one_client_that_stay_unanswered_do_not_keep_another_from_probing() {
    let scene = Scene::new(3);
    [SLOW, SLOW, GOOD].iter().for_each(|client| scene.times_out(client, 0));
    let mut slow = Vec::new();
    for at in (FIRST_BYTE..2 * FIRST_BYTE).step_by(10) {
        slow.extend(scene.call(SLOW, at));
    }
    assert!((25..=30).contains(&slow.len()), "one a second: {}", slow.len());
    slow.into_iter().for_each(|probe| probe.failed(Outage::Silent, scene.at(2 * FIRST_BYTE)));
    let probe = scene.call(GOOD, 2 * FIRST_BYTE).expect("its own pause is over, whatever another's probes found");
    assert!(scene.is_refused(GOOD, 2 * FIRST_BYTE + 999), "one a second");
    let second = scene.call(GOOD, 2 * FIRST_BYTE + 1000).expect("the first one's turn is over");
    second.answered(scene.at(2 * FIRST_BYTE + 1001));
    probe.failed(Outage::Silent, scene.at(3 * FIRST_BYTE));
    assert!(!scene.is_refused(GOOD, 3 * FIRST_BYTE), "an answer came since that probe was sent");
}

#[test]
fn a_call_is_as_old_as_its_first_request_and_not_as_the_wait_for_its_key() {
    let scene = Scene::new(1);
    let mut call = admit(&scene.breaker, ONE, scene.at(0)).ok().unwrap();
    scene.is_answered(GOOD, 0, 10);
    call.sent(scene.at(20));
    call.sent(scene.at(40));
    call.failed(Outage::Silent, scene.at(FIRST_BYTE));
    assert!(scene.breaker.outage().is_some(), "nothing was answered since it was sent");

    let scene = Scene::new(1);
    let mut call = scene.call(ONE, 0).unwrap();
    scene.is_answered(GOOD, 0, 10);
    call.sent(scene.at(20));
    call.failed(Outage::Silent, scene.at(FIRST_BYTE));
    assert_eq!(scene.breaker.outage(), None, "it was first sent before the answer");
}

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Answered,
    Fails(Outage),
    Leaves,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Answered),
        Just(Outcome::Fails(Outage::Silent)),
        Just(Outcome::Fails(Outage::Silent)),
        Just(Outcome::Fails(Outage::Unreachable)),
        Just(Outcome::Leaves),
    ]
}

fn end(scene: &Scene, call: CallInProgress<'_>, outcome: Outcome, at: u64) {
    match outcome {
        Outcome::Answered => call.answered(scene.at(at)),
        Outcome::Fails(outage) => call.failed(outage, scene.at(at)),
        Outcome::Leaves => drop(call),
    }
}

proptest! {
    /// With one client, the breaker opens when the simplest one opens that there is: at so many failures in a row.
    #[test]
    fn a_sidecars_only_client_loses_nothing(outcomes in proptest::collection::vec(outcome(), 1..40)) {
        let scene = Scene::new(3);
        let mut failures = 0;
        for (number, outcome) in outcomes.into_iter().enumerate() {
            let at = u64::try_from(number).unwrap() * 2;
            prop_assert_eq!(scene.breaker.outage().is_some(), failures >= 3);
            let Some(call) = scene.call(ONE, at) else { prop_assert!(failures >= 3); continue };
            end(&scene, call, outcome, at + 1);
            match outcome {
                Outcome::Answered => failures = 0,
                Outcome::Fails(_) => failures += 1,
                Outcome::Leaves => {}
            }
        }
    }

    /// Whatever calls of one client do, and whenever they end, another whose calls are answered is never refused.
    #[test]
    fn no_client_is_refused_for_another_ones_slow_calls(
        calls in proptest::collection::vec((0..100_u64, 0..100_u64, proptest::bool::weighted(0.9)), 1..100),
        good in proptest::collection::vec((0..200_u64, 0..3_u64), 1..40),
    ) {
        let scene = Scene::new(3);
        let mut begins: Vec<_> = calls.iter().map(|(from, takes, slow)| (*from, *takes, SLOW, *slow)).collect();
        begins.extend(good.iter().map(|(from, takes)| (*from, *takes, GOOD, false)));
        begins.sort_by_key(|(from, ..)| *from);
        let mut running: Vec<(u64, CallInProgress<'_>, bool)> = Vec::new();
        for (from, takes, client, is_slow) in begins {
            running.sort_by_key(|(until, ..)| std::cmp::Reverse(*until));
            while running.last().is_some_and(|(until, ..)| *until <= from) {
                let (until, call, is_slow) = running.pop().unwrap();
                end(&scene, call, if is_slow { Outcome::Fails(Outage::Silent) } else { Outcome::Answered }, until);
            }
            let call = scene.call(client, from);
            prop_assert!(client == SLOW || call.as_ref().is_some_and(|call| call.kind == Kind::Ordinary));
            running.extend(call.map(|call| (from + takes, call, is_slow)));
        }
    }
}

/// Whether a call that another endpoint can get is let through, and whether somebody else finds out in its place.
fn with_another_endpoint(scene: &Scene, repetition: Repetition, millis: u64) -> (bool, bool) {
    match scene.breaker.admit(ONE, scene.at(millis), repetition, WayOut::OtherEndpoint) {
        Ok(_call) => (true, false),
        Err(refusal) => (false, refusal.probe.is_some()),
    }
}

#[test]
fn a_call_that_another_endpoint_can_get_never_waits_for_a_connection_to_one_that_is_down() {
    let scene = Scene::new(1);
    scene.call(ONE, 0).unwrap().failed(Outage::Unreachable, scene.at(0));
    for repetition in [Repetition::Safe, Repetition::Unsafe] {
        assert_eq!(with_another_endpoint(&scene, repetition, 1), (false, false), "in the pause");
    }
    let Err(Refusal { probe: Some(probe), .. }) =
        scene.breaker.admit(ONE, scene.at(1000), Repetition::Unsafe, WayOut::OtherEndpoint)
    else {
        panic!("it is time to find out");
    };
    assert_eq!(with_another_endpoint(&scene, Repetition::Safe, 1001), (false, false), "one at a time finds out");
    probe.begin(&scene.breaker).connected();
    assert_eq!(with_another_endpoint(&scene, Repetition::Unsafe, 1002), (true, false));
}

#[test]
fn a_probe_beside_the_calls_that_fails_lengthens_the_pause_and_one_that_is_given_up_does_not() {
    let scene = Scene::new(1);
    scene.call(ONE, 0).unwrap().failed(Outage::Unreachable, scene.at(0));
    let probe = |millis| {
        scene.breaker.admit(ONE, scene.at(millis), Repetition::Safe, WayOut::OtherEndpoint).err().unwrap().probe
    };
    drop(probe(1000).unwrap().begin(&scene.breaker));
    probe(1001).unwrap().begin(&scene.breaker).failed(Outage::Unreachable, scene.at(1001));
    assert!(probe(1002).is_none() && probe(1002 + 500).is_some());
}

#[test]
fn where_another_endpoint_can_get_it_only_a_call_that_reads_finds_out_whether_a_silent_one_answers() {
    let scene = Scene::new(1);
    scene.times_out(ONE, 0);
    let later = FIRST_BYTE + 10_000;
    assert_eq!(with_another_endpoint(&scene, Repetition::Unsafe, later), (false, false));
    assert_eq!(with_another_endpoint(&scene, Repetition::Safe, later), (true, false));
    scene.is_answered(ONE, later, later + 1);
    assert_eq!(with_another_endpoint(&scene, Repetition::Unsafe, later + 2), (true, false));
}

#[test]
fn a_report_of_another_replica_refuses_no_call_and_makes_one_failed_connection_enough() {
    let scene = Scene::new(3);
    scene.breaker.note_report(scene.at(0));
    assert!(!scene.is_refused(ONE, 0) && scene.breaker.outage().is_none());
    scene.call(ONE, 1).unwrap().failed(Outage::Silent, scene.at(5));
    assert!(!scene.is_refused(ONE, 6), "a slow call is no failed connection");
    scene.is_answered(ONE, 40_000, 40_001);
    scene.call(ONE, 50_000).unwrap().failed(Outage::Unreachable, scene.at(50_001));
    assert!(!scene.is_refused(ONE, 50_002), "the report is too old by then");
    scene.is_answered(ONE, 50_003, 50_004);
    scene.breaker.note_report(scene.at(60_000));
    scene.call(ONE, 60_001).unwrap().failed(Outage::Unreachable, scene.at(60_002));
    assert_eq!(scene.breaker.outage(), Some(Outage::Unreachable));
    assert!(scene.is_refused(OTHER, 60_003));
    // it stays closed no longer than without a report
    scene.call(ONE, 63_000).expect("a probe").answered(scene.at(63_001));
    assert!(!scene.is_refused(OTHER, 63_002));
    let never = Scene::new(0);
    never.breaker.note_report(never.at(0));
    never.call(ONE, 1).unwrap().failed(Outage::Unreachable, never.at(2));
    assert!(!never.is_refused(ONE, 3), "a breaker that never opens does not either");
}
