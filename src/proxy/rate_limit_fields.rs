//! Tells clients what is left of their limits, in the header fields that the listener chooses.
//!
//! `RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-11 (23 May 2026). Both are
//! lists, so that what an endpoint says of its own limits stays beside ours. `X-RateLimit-...` are in no document and
//! have one value: where an endpoint has one of them, none of ours is added. To replace it would tell a client that it
//! may call more often than the endpoint lets it, which the draft forbids intermediaries (section 7.2).

use std::time::Duration;

use tokio::time::Instant;

use super::clock_reading::ClockReading;
use crate::authorize::{CallsLeft, Clients, RateLimitFields};
use crate::http1::Fields;
use crate::rates::{ClientRates, NotNow, SharedClient};

const X: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// What is left to the client with this number, where it is told.
pub(super) fn calls_left(
    how: RateLimitFields,
    (clients, rates): (&Clients, &ClientRates),
    number: Option<usize>,
) -> Vec<CallsLeft> {
    let number = match how {
        RateLimitFields::Off => None,
        RateLimitFields::Draft | RateLimitFields::X => number,
    };
    let client = number.and_then(|number| Some((clients.numbered(number)?, rates.of(number))));
    let Some((client, shared)) = client else { return Vec::new() };
    let now = ClockReading::at(Instant::now()).for_limits();
    let mut limits = client.calls_left(now);
    if let Some(shared) = shared {
        limits.iter_mut().for_each(|calls| lessen(calls, shared, now.nanos));
    }
    limits
}

/// What this process has counted, lessened by what the store has said of the calls at other replicas.
fn lessen(calls: &mut CallsLeft, shared: &SharedClient, now: u64) {
    if let (CallsLeft::QUOTA, Some(used)) = (calls.limit, shared.used_today(now)) {
        calls.remaining = calls.remaining.min(calls.calls.saturating_sub(used));
    }
    match (calls.limit, shared.refusal(now)) {
        (CallsLeft::RATE, Some(NotNow::Rate(wait))) | (CallsLeft::QUOTA, Some(NotNow::Quota(_, wait))) => {
            *calls = CallsLeft { remaining: 0, lasts: wait, full_in: calls.full_in.max(wait), ..*calls };
        }
        _ => {}
    }
}

/// Adds the fields to those of a response.
pub(super) fn add(fields: &mut Fields, how: RateLimitFields, limits: &[CallsLeft]) {
    match how {
        RateLimitFields::Off => {}
        RateLimitFields::Draft => {
            for calls in limits {
                fields.push("ratelimit-policy", policy(calls).as_bytes());
                fields.push("ratelimit", left(calls).as_bytes());
            }
        }
        RateLimitFields::X => {
            if X.iter().any(|name| fields.contain(name)) {
                return;
            }
            // one value each: of the limit that ends first
            let Some(calls) = limits.iter().min_by_key(|calls| calls.remaining) else { return };
            let values = [calls.burst, calls.remaining, seconds(calls.full_in)];
            for (name, value) in X.into_iter().zip(values) {
                fields.push(name, value.to_string().as_bytes());
            }
        }
    }
}

/// An item of `RateLimit-Policy` (section 3.1). The burst is no parameter of the draft: it asks for a vendor's prefix.
fn policy(CallsLeft { limit, calls, window, burst, .. }: &CallsLeft) -> String {
    let window = seconds(*window).max(1);
    let burst = if burst == calls { String::new() } else { format!(";countersign-burst={burst}") };
    format!("\"{limit}\";q={calls};w={window}{burst}")
}

/// An item of `RateLimit` (section 4.1). A client that spreads `r` calls over `t` seconds calls at the pace of the
/// limit: section 6 asks for a bound of this ratio.
fn left(CallsLeft { limit, remaining, lasts, .. }: &CallsLeft) -> String {
    format!("\"{limit}\";r={remaining};t={}", seconds(*lasts).max(1))
}

/// Whole seconds, rounded up: nothing is there sooner than is said.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: CallsLeft = CallsLeft {
        limit: "rate",
        calls: 50,
        window: Duration::from_secs(1),
        burst: 50,
        remaining: 7,
        lasts: Duration::from_millis(140),
        full_in: Duration::from_millis(860),
    };
    const DAY: Duration = Duration::from_secs(86_400);
    const QUOTA: CallsLeft =
        CallsLeft { limit: "quota", calls: 900, window: DAY, burst: 900, remaining: 5, lasts: DAY, full_in: DAY };

    fn added(how: RateLimitFields, limits: &[CallsLeft], own: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut fields = Fields::default();
        own.iter().for_each(|(name, value)| fields.push(name, value.as_bytes()));
        add(&mut fields, how, limits);
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let named = |name: &str| fields.all(name).map(text).map(|value| format!("{name}: {value}")).collect::<Vec<_>>();
        ["ratelimit-policy", "ratelimit"].iter().chain(&X).flat_map(|name| named(name)).collect()
    }

    #[test]
    fn each_limit_is_an_item_of_the_drafts_lists_beside_those_of_the_endpoint() {
        let own = [("ratelimit", "\"default\";r=1;t=7")];
        assert_eq!(
            added(RateLimitFields::Draft, &[RATE, QUOTA], &own),
            [
                "ratelimit-policy: \"rate\";q=50;w=1",
                "ratelimit-policy: \"quota\";q=900;w=86400",
                "ratelimit: \"default\";r=1;t=7",
                "ratelimit: \"rate\";r=7;t=1",
                "ratelimit: \"quota\";r=5;t=86400",
            ]
        );
        let bursting = CallsLeft { burst: 5, calls: 600, window: Duration::from_secs(60), ..RATE };
        let [policy, _] = added(RateLimitFields::Draft, &[bursting], &[]).try_into().unwrap();
        assert_eq!(policy, "ratelimit-policy: \"rate\";q=600;w=60;countersign-burst=5");
    }

    #[test]
    fn the_other_fields_tell_the_limit_that_ends_first_and_leave_those_of_the_endpoint_alone() {
        assert_eq!(
            added(RateLimitFields::X, &[RATE], &[]),
            ["x-ratelimit-limit: 50", "x-ratelimit-remaining: 7", "x-ratelimit-reset: 1"]
        );
        assert_eq!(
            added(RateLimitFields::X, &[RATE, QUOTA], &[])[..2],
            ["x-ratelimit-limit: 900", "x-ratelimit-remaining: 5"]
        );
        let own = [("x-ratelimit-remaining", "3")];
        assert_eq!(added(RateLimitFields::X, &[RATE], &own), ["x-ratelimit-remaining: 3"]);
        assert_eq!(added(RateLimitFields::X, &[], &[]), Vec::<String>::new());
        assert_eq!(added(RateLimitFields::Off, &[RATE], &[]), Vec::<String>::new());
    }
}
