//! Our server and hyper's, given the same bytes: what ours serves, hyper reads in the same way, request by request.
//!
//! Both are behind a recorder that reads every body to its end and answers at once. Where ours refuses, it may be
//! stricter than hyper, for the reasons that `stricter` lists. Everything is in memory and the clock is paused: it
//! jumps when nothing else can happen, so a pause costs no time.

use std::mem::ManuallyDrop;

use countersign::downstream::HeadFault;

use super::recorder::{Delivery, Outcome, Seen, Server, World, answer};
use super::streams::{Dice, stream};
use super::stricter::STRICTER;
use super::written::Given;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The first two bytes say how the rest is sent. A third that is odd puts the seeded stream of the next four before
/// what is left.
pub fn differential(input: &[u8]) {
    let (how, rest) = input.split_at(input.len().min(2));
    let mut bytes = Vec::new();
    let rest = match rest {
        [odd, a, b, c, d, rest @ ..] if odd % 2 == 1 => {
            bytes = stream(&mut Dice(u32::from_le_bytes([*a, *b, *c, *d]).into()));
            rest
        }
        [_, rest @ ..] => rest,
        [] => rest,
    };
    bytes.extend_from_slice(rest);
    let [piece, pause] = [0, 1].map(|at| how.get(at).map_or(0, |byte| usize::from(*byte)));
    let pause = (pause > 0).then(|| bytes.len() * pause / 256);
    compare(&bytes, &Delivery { piece: if piece == 0 { usize::MAX } else { piece }, pause });
}

/// The same for the stream of this number, sent in a way that the number says.
pub fn seeded(seed: u64) {
    let mut dice = Dice(seed);
    let bytes = stream(&mut dice);
    let piece = *dice.one_of(&[&usize::MAX, &usize::MAX, &1, &3, &16, &61, &1024]);
    let ends: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, w)| *w == b"\r\n\r\n").map(|(at, _)| at + 4).collect();
    let pause = match dice.below(3) {
        0 => None,
        1 if !ends.is_empty() => Some(ends[dice.below(ends.len())]),
        _ => Some(dice.below(bytes.len() + 1)),
    };
    compare(&bytes, &Delivery { piece, pause });
}

/// The same, with a pause at every place of the stream in turn.
pub fn paused_everywhere(seed: u64) {
    let bytes = stream(&mut Dice(seed));
    for pause in (0..=bytes.len()).take(1500) {
        compare(&bytes, &Delivery { piece: usize::MAX, pause: Some(pause) });
    }
}

/// The fault for which ours refuses a request in `bytes`, and whether hyper serves that request.
pub fn refusal(bytes: &[u8]) -> (Option<HeadFault>, bool) {
    let (ours, hypers) = both(bytes, &Delivery { piece: usize::MAX, pause: None });
    (ours.refused, hypers.requests.len() > ours.requests.iter().filter(|request| request.body.is_some()).count())
}

fn both(bytes: &[u8], delivery: &Delivery) -> (Outcome, Outcome) {
    thread_local! {
        // never dropped: a runtime cannot be, so late in the life of a thread
        static WORLD: ManuallyDrop<World> = ManuallyDrop::new(World::new());
    }
    WORLD.with(|world| (world.ask(Server::Ours, bytes, delivery), world.ask(Server::Hypers, bytes, delivery)))
}

fn compare(bytes: &[u8], delivery: &Delivery) {
    let (ours, hypers) = both(bytes, delivery);
    let shown = || format!("{delivery:?} of {}", bytes.escape_ascii());
    assert!(ours.requests.len() <= hypers.requests.len(), "hyper sees fewer requests: {}", shown());
    for (ours, hypers) in ours.requests.iter().zip(&hypers.requests) {
        assert_same(ours, hypers, &shown);
    }
    let broken = ours.requests.iter().position(|request| request.body.is_none());
    let whole = broken.unwrap_or(ours.requests.len());
    let answers = ours.answers();
    let served = answers.get(..whole).unwrap_or_else(|| panic!("every request is answered: {}", shown()));
    let expected = (0..whole).map(|nth| if ours.requests[nth].method == "HEAD" { Vec::new() } else { answer(nth) });
    let in_turn = served.iter().map(|answer| answer.body.clone()).eq(expected);
    assert!(in_turn && served.iter().all(|answer| answer.status == 200), "answers in turn: {answers:?} to {}", shown());
    if let Some(broken) = broken {
        assert_eq!(broken + 1, ours.requests.len(), "nothing follows a body that breaks off: {}", shown());
        assert!(answers.len() <= whole + 1 && ours.refused.is_none(), "{}", shown());
        let chunked = ours.requests[broken].fields.iter().any(|(name, _)| name == "transfer-encoding");
        assert!(chunked || hypers.requests[broken].body.is_none(), "ours lost part of a body: {}", shown());
    } else if let Some(fault) = ours.refused {
        assert!(
            answers.len() == whole + 1 && answers[whole].says_close,
            "a refusal closes: {answers:?} to {}",
            shown()
        );
        assert!(ours.has_closed, "a refusal closes: {}", shown());
        let known = STRICTER.iter().any(|stricter| stricter.fault == fault);
        assert!(known || hypers.requests.len() == whole, "ours refuses ({fault}) what hyper serves: {}", shown());
    } else {
        assert_served_alike(&ours, &hypers, bytes, delivery);
    }
}

/// Neither of them has found anything to refuse.
fn assert_served_alike(ours: &Outcome, hypers: &Outcome, bytes: &[u8], delivery: &Delivery) {
    let shown = || format!("{delivery:?} of {}", bytes.escape_ascii());
    assert_eq!(ours.requests.len(), hypers.requests.len(), "{}", shown());
    let [our, their] = [ours, hypers].map(|outcome| outcome.read(&outcome.written));
    let refused_by_hyper = their.answers.len() > hypers.requests.len();
    // whether a response says that the connection ends is left out: ours says so to HTTP/1.0, too, and hyper only
    // closes
    let given =
        |answers: &[Given]| -> Vec<_> { answers.iter().map(|given| (given.status, given.body.clone())).collect() };
    let (our_given, their_given) = (given(&our.answers), given(&their.answers));
    assert!(their_given.starts_with(&our_given), "{our_given:?} and not {their_given:?}: {}", shown());
    assert!(our.continues <= their.continues, "more than one 100 for an answer: {}", shown());
    if !refused_by_hyper {
        assert_eq!(our.answers.len(), their.answers.len(), "{}", shown());
        assert_eq!(ours.has_closed, hypers.has_closed, "who closed the connection: {}", shown());
    }
    let Some(pause) = delivery.pause.map(|pause| &bytes[..pause]) else { return };
    let [our, their] = [ours, hypers].map(|outcome| outcome.read(&outcome.written_at_pause).answers.len());
    assert!(our == their || refused_by_hyper, "{our} and not {their} answers at the pause: {}", shown());
    if pause.ends_with(b"\r\n\r\n") {
        let [our, their] = [ours, hypers].map(|outcome| outcome.written_at_pause.ends_with(CONTINUE));
        assert_eq!(our, their, "100 at the pause: {}", shown());
    }
}

fn assert_same(ours: &Seen, hypers: &Seen, shown: &dyn Fn() -> String) {
    assert_eq!((&ours.method, &ours.target), (&hypers.method, &hypers.target), "{}", shown());
    assert_eq!(ours.is_http_11, hypers.is_http_11, "{}", shown());
    let host_apart = |seen: &Seen| -> Vec<(String, Vec<Vec<u8>>)> {
        seen.fields.iter().filter(|(name, _)| name != "host").cloned().collect()
    };
    match &hypers.authority {
        None => assert_eq!(ours.fields, hypers.fields, "{}", shown()),
        // it takes the place of Host (RFC 9112 section 3.2.2), wherever our server has it do so
        Some(_) => assert_eq!(host_apart(ours), host_apart(hypers), "{}", shown()),
    }
    if ours.body.is_some() {
        assert_eq!(ours.body, hypers.body, "{}", shown());
    }
}
