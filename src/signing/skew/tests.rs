//! What responses prove about an endpoint's clock: AWS's own cases, tables, and properties.

#![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

use jiff::fmt::rfc2822;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::query::EndpointError;
use crate::signing::Dialect;

const HOUR: i64 = 60 * MINUTE;

/// What a code of AWS's says about the time.
fn said_by(code: &str) -> Option<TimeRefusal> {
    let error = EndpointError { code: code.to_owned(), message: String::new(), string_to_sign: None };
    Dialect::AwsV2.complaint(&error).and_then(TimeRefusal::of)
}

fn reading(monotonic: i64, wall_ahead: i64) -> HostClocks {
    const BEGAN: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z
    HostClocks { wall: Timestamp::from_millisecond(BEGAN + monotonic + wall_ahead).unwrap(), monotonic }
}

/// An endpoint `offset` ahead of the host writes a date halfway through an exchange of `took` that begins at `sent`.
fn bounds(sent: i64, took: i64, offset: i64) -> OffsetBounds {
    let halfway = reading(sent + took / 2, 0).wall.as_millisecond() + offset;
    let date = Timestamp::from_second(halfway.div_euclid(SECOND)).unwrap();
    OffsetBounds::new(reading(sent, 0), reading(sent + took, 0), date).unwrap()
}

fn learn(offsets: &[i64]) -> Option<Estimate> {
    let responses = offsets.iter().zip(0..);
    responses.fold(None, |known, (offset, at)| Some(Estimate::learn(known.as_ref(), bounds(at * MINUTE, 40, *offset))))
}

/// The cases of `aws-runtime`: responses, and the skew that an SDK derives from each. Our results may differ by the
/// fraction of a second that `Date` lacks, and by offsets that are too small to be followed.
#[test]
fn the_cases_of_awss_own_sdks_give_the_same_results() {
    let text = include_str!("../../../tests/vectors/clock-skew.json");
    let suite: Value = serde_json::from_str(text).unwrap();
    let cases = suite["tests"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let mut known = None;
        for operation in case["operations"].as_array().unwrap() {
            let initial = operation["initialClientSkew"].as_i64().unwrap() * SECOND;
            if known.is_none() && initial != 0 {
                let wall_setting = at(&operation["attempts"][0]["clientTimeAtSend"]).wall_setting();
                known = Some(Estimate::learn(None, OffsetBounds { least: initial, most: initial, wall_setting }));
            }
            known = operate(operation, known, &case["description"]);
        }
    }
}

fn operate(operation: &Value, mut known: Option<Estimate>, name: &Value) -> Option<Estimate> {
    let attempts = operation["attempts"].as_array().unwrap();
    for (number, attempt) in attempts.iter().enumerate() {
        let [sent, received] = ["clientTimeAtSend", "clientTimeAtReceive"].map(|key| at(&attempt[key]));
        let signed = signing_time(known.as_ref(), sent);
        let expected = at(&attempt["expectedSigningTime"]).wall;
        assert!(signed.duration_since(expected).abs().as_millis() < 1000, "{name}: {signed}, not {expected}");

        let headers = &attempt["response"]["headers"];
        let date = headers["Date"].as_str().filter(|_| headers["Age"].is_null());
        let seen = date.and_then(|date| OffsetBounds::new(sent, received, http_date(date)));
        known = seen.map(|seen| Estimate::learn(known.as_ref(), seen)).or(known);
        let refusal = attempt["response"]["errorCode"].as_str().and_then(said_by);
        let repeated =
            refusal.is_some_and(|refusal| known.is_some_and(|known| explains(&known, refusal, sent, signed)));
        if number + 1 < attempts.len() {
            assert!(repeated, "{name}: attempt {number} is repeated");
        } else if operation["maxAttempts"].is_null() {
            assert!(!repeated, "{name}: attempt {number} is the last");
        }
    }
    let expected = operation["expectedClientSkew"].as_i64().unwrap() * SECOND;
    let offset = known.as_ref().map_or(0, Estimate::offset);
    assert!(offset.abs_diff(expected) < 1000, "{name}: {offset}, not {expected}");
    known
}

fn at(time: &Value) -> HostClocks {
    let wall: Timestamp = time.as_str().unwrap().parse().unwrap();
    HostClocks { wall, monotonic: wall.as_millisecond() - 1_767_000_000_000 }
}

fn http_date(text: &str) -> Timestamp {
    rfc2822::DateTimeParser::new().parse_timestamp(text).unwrap()
}

#[test]
fn a_small_offset_does_not_matter_a_large_one_is_followed_and_a_huge_one_is_not() {
    for (offset, agreement) in [
        (0, Agreement::Agrees),
        (9 * SECOND, Agreement::Agrees),
        (-9 * SECOND, Agreement::Agrees),
        (11 * SECOND, Agreement::Differs),
        (-11 * SECOND, Agreement::Differs),
        (23 * HOUR, Agreement::Differs),
        (-23 * HOUR, Agreement::Differs),
        (25 * HOUR, Agreement::TooFar),
        (-25 * HOUR, Agreement::TooFar),
        (-56 * 365 * 24 * HOUR, Agreement::TooFar),
    ] {
        let known = learn(&[offset]).unwrap();
        assert_eq!(known.agreement(), agreement, "{offset}");
        let now = reading(MINUTE, 0);
        let moved = signing_time(Some(&known), now).as_millisecond() - now.wall.as_millisecond();
        let expected = if agreement == Agreement::Differs { offset } else { 0 };
        assert!(moved.abs_diff(expected) < 1000, "{offset}: {moved}");
    }
}

#[test]
fn an_offset_near_the_limit_does_not_switch_clocks_with_every_response() {
    let agreements = |offsets: &[i64]| learn(offsets).unwrap().agreement();
    assert_eq!(agreements(&[8 * SECOND]), Agreement::Agrees);
    assert_eq!(agreements(&[12 * SECOND, 8 * SECOND]), Agreement::Differs);
    assert_eq!(agreements(&[12 * SECOND, 8 * SECOND, 3 * SECOND]), Agreement::Agrees);
}

#[test]
fn a_change_is_logged_once() {
    let mut known = None;
    let news: Vec<bool> =
        [0, HOUR, HOUR + 20 * SECOND, HOUR + 40 * SECOND, HOUR + 90 * SECOND, HOUR + 90 * SECOND, 0, 0]
            .into_iter()
            .zip(0..)
            .map(|(offset, at)| {
                let next = Estimate::learn(known.as_ref(), bounds(at * MINUTE, 40, offset));
                let news = next.is_news_after(known.as_ref());
                known = Some(next);
                news
            })
            .collect();
    assert_eq!(news, [false, true, false, false, true, false, true, false]);
}

#[test]
fn a_response_that_took_too_long_proves_nothing() {
    let date = reading(0, HOUR).wall;
    for (took, counts) in [(0, true), (MINUTE, true), (MINUTE + 1, false), (-1, false)] {
        assert_eq!(OffsetBounds::new(reading(0, 0), reading(took, 0), date).is_some(), counts, "{took}");
    }
}

#[test]
fn setting_the_hosts_clock_discards_the_estimate() {
    let known = learn(&[2 * HOUR]).unwrap();
    // an operator corrects the host's clock: the offset must not be added to the correct time
    let corrected = reading(MINUTE, 2 * HOUR);
    assert!(known.is_outdated(corrected) && !known.is_outdated(reading(MINUTE, 900)));
    assert_eq!(signing_time(Some(&known), corrected), corrected.wall);
    // from now on only the next response counts
    let date = corrected.wall;
    let seen = OffsetBounds::new(corrected, HostClocks { monotonic: MINUTE + 40, ..corrected }, date).unwrap();
    let known = Estimate::learn(Some(&known), seen);
    assert_eq!((known.agreement(), known.is_outdated(corrected)), (Agreement::Agrees, false));
}

#[test]
fn a_clock_that_is_set_during_an_exchange_spoils_neither_offset_nor_repetition() {
    let (sent, received) = (reading(0, 0), reading(40, 3 * HOUR));
    let date = reading(0, HOUR).wall;
    let known = Estimate::learn(None, OffsetBounds::new(sent, received, date).unwrap());
    assert!(known.offset().abs_diff(-2 * HOUR) < 1000);
    assert!(explains(&known, TimeRefusal::Certain, sent, sent.wall), "it was signed an hour early");
    let signed_rightly = reading(0, HOUR).wall;
    assert!(!explains(&known, TimeRefusal::Certain, sent, signed_rightly));
}

#[test]
fn a_refusal_is_explained_by_the_time_the_request_was_signed_with() {
    use TimeRefusal::{Certain, Possible};
    for (offset, applied, refusal, explained) in [
        (HOUR, 0, Certain, true),
        (-HOUR, 0, Certain, true),
        (20 * SECOND, 0, Certain, true),
        (5 * SECOND, 0, Certain, false),
        (HOUR, HOUR, Certain, false),
        (HOUR, 0, Possible, true),
        (-5 * MINUTE, 0, Possible, true),
        (2 * MINUTE, 0, Possible, false),
        (HOUR, HOUR, Possible, false),
        (25 * HOUR, 0, Certain, false),
    ] {
        let known = learn(&[offset]).unwrap();
        let sent = reading(0, 0);
        let signed = sent.wall_plus(applied);
        assert_eq!(explains(&known, refusal, sent, signed), explained, "{offset} {applied} {refusal:?}");
    }
}

#[test]
fn error_codes_are_classified_by_what_they_say_about_the_time() {
    for (code, refusal) in [
        ("RequestExpired", Some(TimeRefusal::Certain)),
        ("Client.RequestExpired", Some(TimeRefusal::Certain)),
        ("RequestTimeTooSkewed", Some(TimeRefusal::Certain)),
        ("SignatureDoesNotMatch", Some(TimeRefusal::Possible)),
        ("AuthFailure", Some(TimeRefusal::Possible)),
        ("requestexpired", None),
        ("RequestLimitExceeded", None),
        ("", None),
    ] {
        assert_eq!(said_by(code), refusal, "{code}");
    }
}

proptest! {
    /// The bounds contain the true offset, however long the round trip was and whenever during it the date was written.
    #[test]
    fn the_true_offset_lies_within_the_bounds(
        offset in -MAX_FOLLOWED..MAX_FOLLOWED, took in 0..MINUTE, written in 0.0..1.0, sent in 0..1_000_000_i64
    ) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let on_the_way = (took as f64 * written) as i64;
        let date = reading(sent + on_the_way, offset).wall.as_millisecond().div_euclid(SECOND);
        let date = Timestamp::from_second(date).unwrap();
        let seen = OffsetBounds::new(reading(sent, 0), reading(sent + took, 0), date).unwrap();
        prop_assert!(seen.least <= offset && offset <= seen.most, "{seen:?}");
        prop_assert!(middle(seen).abs_diff(offset) <= (took.unsigned_abs() + 1000) / 2 + 1);
    }

    /// Further responses never widen the bounds, and together they are more exact than one `Date` can be.
    #[test]
    fn responses_together_are_at_least_as_exact_as_the_best_of_them(
        offset in -MAX_FOLLOWED..MAX_FOLLOWED, sent in proptest::collection::vec(0..100_000_i64, 1..30)
    ) {
        let mut known: Option<Estimate> = None;
        for sent in sent {
            let next = Estimate::learn(known.as_ref(), bounds(sent, 40, offset));
            let width = |known: &Estimate| known.bounds.most - known.bounds.least;
            prop_assert!(known.is_none_or(|known| width(&next) <= width(&known)));
            prop_assert!(next.bounds.least <= offset && offset <= next.bounds.most);
            known = Some(next);
        }
    }

    /// No date of an endpoint and no clock makes the arithmetic overflow.
    #[test]
    fn no_time_causes_an_overflow(
        wall in any::<i64>(), date in any::<i64>(), sent in any::<i64>(), received in any::<i64>()
    ) {
        let time = |ms: i64| Timestamp::from_millisecond(ms % 253_402_207_200_000).unwrap();
        let [sent, received] = [sent, received].map(|monotonic| HostClocks { wall: time(wall), monotonic });
        if let Some(seen) = OffsetBounds::new(sent, received, time(date)) {
            let known = Estimate::learn(None, seen);
            let _any = (signing_time(Some(&known), received), explains(&known, TimeRefusal::Certain, sent, sent.wall));
        }
    }
}
