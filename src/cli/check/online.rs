//! The part of `countersign check` that calls the endpoints: `--online`.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};

use super::findings::{Findings, Kind, Section};
use super::{rates, trace};
use crate::app::build::probe::{Answered, Probe};
use crate::cli::exit::{ExitCode, Failure, FaultLine};
use crate::clock;
use crate::credentials::ActiveKey;
use crate::error_chain::causes;
use crate::fetch::Upload;
use crate::signing::skew::MIN_FOLLOWED;
use crate::upstream::{Destination, SendError, Step, Trial};
use crate::waits;
use crate::x509::Parts;

/// The longest that the steps of a connection may take together, and the longest that a probe may take after them.
const LIMIT: Duration = Duration::from_secs(30);

/// A certificate that ends so soon is warned of.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(14 * 24);

/// An endpoint that is to be tried.
pub(super) struct Tried {
    /// Its table: `route.NAME`, or `route.NAME.fallback[1]`.
    pub(super) table: String,
    pub(super) destination: Arc<Destination>,
    pub(super) call: Call,
}

/// The signed call of the route.
pub(super) enum Call {
    /// It is made with this key.
    Probe(Box<Probe>, Arc<ActiveKey>),
    /// It is not made, for this reason.
    None(&'static str),
}

/// What came of an endpoint.
struct Outcome {
    table: String,
    trial: Trial,
    call: Result<Result<Answered, String>, &'static str>,
}

/// What [`try_all`] needs. To be made before the process is confined, as `run` makes its own: the first runtime of a
/// process opens a pair of sockets that a confined process may not have.
///
/// # Errors
/// 71 when there are no descriptors left.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::because(ExitCode::System, &error))
}

/// Tries every endpoint, the collector of spans and the store of rates, all at the same time.
///
/// # Errors
/// 69 with every endpoint that cannot be called: nothing of the configuration has to be changed for that reason alone.
pub(super) fn try_all(
    runtime: Runtime,
    found: &mut Findings,
    endpoints: Vec<Tried>,
    collector: Option<Arc<Upload>>,
    store: Option<rates::TriedStore>,
) -> Result<(), Failure> {
    let (mut outcomes, answer, store) = LocalSet::new().block_on(&runtime, async {
        let collector = collector.map(|collector| {
            tokio::task::spawn_local(async move {
                let _wait = waits::begin("the collector of spans");
                trace::ask(collector, LIMIT).await
            })
        });
        let store = store.map(|store| {
            tokio::task::spawn_local(async move {
                let _wait = waits::begin("the store of rates");
                rates::ask(store, LIMIT).await
            })
        });
        let mut tasks = JoinSet::new();
        for endpoint in endpoints {
            tasks.spawn_local(try_endpoint(endpoint));
        }
        let outcomes = tasks.join_all().await;
        let answer = match collector {
            None => None,
            Some(asked) => asked.await.ok(),
        };
        let store = match store {
            None => None,
            Some(asked) => asked.await.ok(),
        };
        (outcomes, answer, store)
    });
    // a lookup that is still under way must not keep the command from ending
    runtime.shutdown_background();
    outcomes.sort_by(|one, other| one.table.cmp(&other.table));
    let faults: Vec<_> = outcomes.iter().filter_map(|outcome| section(found, outcome)).collect();
    if let Some(answer) = &answer {
        trace::asked(found, answer);
    }
    if let Some(answer) = &store {
        rates::asked(found, answer);
    }
    if faults.is_empty() {
        return Ok(());
    }
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    Err(Failure::new(ExitCode::EndpointUnavailable, messages.join("\n")).with(faults))
}

async fn try_endpoint(endpoint: Tried) -> Outcome {
    let Tried { table, destination, call } = endpoint;
    let trial = {
        let _wait = waits::begin(format!("the endpoint of {table}"));
        destination.try_out(LIMIT).await
    };
    let call = match call {
        Call::None(why) => Err(why),
        Call::Probe(..) if trial.failure().is_some() => Err("not sent: there is no connection"),
        Call::Probe(probe, key) => Ok(probe.try_out(&key, LIMIT).await),
    };
    Outcome { table, trial, call }
}

/// Tells what came of an endpoint; the fault is why it cannot be called.
fn section(found: &mut Findings, outcome: &Outcome) -> Option<FaultLine> {
    let Outcome { table, trial, call } = outcome;
    let refused = matches!(call, Ok(Ok(answered)) if !answered.is_success()) || matches!(call, Ok(Err(_)));
    let reachable = trial.failure().is_none() && !refused;
    let name = table.strip_prefix("route.").unwrap_or(table);
    let section = found.section(Kind::Online, Some(&name), if reachable { "reachable" } else { "NOT REACHABLE" });
    let mut failed = None;
    tell(section, &mut failed, "name", trial.lookup.as_ref(), |section, addresses| {
        let all: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
        section.fact("addresses", all.join(" "));
        format!("{}, ", all.join(", "))
    });
    tell(section, &mut failed, "connection", trial.stream.as_ref(), |_, ()| String::new());
    tell(section, &mut failed, "tls", trial.tls.as_ref(), |section, verified| match verified {
        Some(verified) => certificate(section, verified.version, verified.certificate.as_deref()),
        None => "none, ".to_owned(),
    });
    match call {
        Err(why) => section.detail(format!("probe: {why}")),
        Ok(Err(error)) => failed = Some(format!("probe: {}", escaped(error))),
        Ok(Ok(answered)) => failed = probe(section, answered).or(failed),
    }
    let failed = failed?;
    let message = format!("{table}: {failed}");
    Some(FaultLine { place: None, path: Some(table.clone()), message })
}

/// Tells a step and its time.
fn tell<T>(
    section: &mut Section,
    failed: &mut Option<String>,
    step: &'static str,
    taken: Option<&Step<T>>,
    say: impl FnOnce(&mut Section, &T) -> String,
) {
    let Some(Step { took, outcome }) = taken else { return };
    let time = milliseconds(*took);
    match outcome {
        Ok(value) => {
            let said = say(section, value);
            section.detail(format!("{step}: {said}{time} ms"));
            section.fact(step_fact(step), time);
        }
        Err(error) => {
            section.detail(format!("{step}: FAILED after {time} ms"));
            *failed = Some(format!("{step}: {}{} (after {time} ms)", escaped(&causes(error)), remedy(error)));
        }
    }
}

/// The text for a terminal: whoever is at the other end chooses the names in his certificate.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    shown
}

fn step_fact(step: &str) -> &'static str {
    match step {
        "name" => "name_ms",
        "connection" => "connection_ms",
        _ => "tls_ms",
    }
}

/// What to do about it, where the words of the system do not say it.
fn remedy(error: &SendError) -> &'static str {
    if matches!(error, SendError::Resolve(_)) {
        "; is the name right, and can this machine resolve names?"
    } else if matches!(error, SendError::Connect(_) | SendError::ConnectTimeout) {
        "; is a firewall or a proxy on the way?"
    } else if matches!(error, SendError::Certificate(_)) {
        "; `ca_file` of the route names the authorities that are trusted"
    } else {
        ""
    }
}

/// The version and the end of the certificate.
fn certificate(section: &mut Section, version: &'static str, certificate: Option<&[u8]>) -> String {
    section.fact("tls_version", version);
    let end = certificate.and_then(Parts::of).and_then(|parts| parts.not_after());
    let Some(end) = end else { return format!("{version}, ") };
    section.fact("certificate_expires", end.to_string());
    if clock::now().checked_add(SOON).is_ok_and(|soon| end < soon) {
        section.warn(format!("the endpoint's certificate ends {end}: whoever runs the endpoint has to renew it"));
    }
    format!("{version}, certificate until {end}, ")
}

/// Tells what the endpoint answered; the fault is that it refused.
fn probe(section: &mut Section, answered: &Answered) -> Option<String> {
    let time = milliseconds(answered.took);
    section.fact("probe_ms", time.clone());
    section.fact("probe_status", answered.status.as_u16().to_string());
    if let Some(offset) = answered.clock_offset {
        section.fact("clock_offset_ms", offset.to_string());
        let text = clock_text(offset);
        if offset.abs() >= MIN_FOLLOWED { section.warn(text) } else { section.detail(text) }
    }
    let status = answered.status.as_u16();
    if answered.is_success() {
        section.detail(format!("probe: answered with {status}, {time} ms"));
        return None;
    }
    let code = answered.code.as_deref().map_or_else(String::new, |code| format!(" {code}"));
    section.detail(format!("probe: REFUSED with {status}{code}, {time} ms"));
    Some(format!("probe: the endpoint refused it with {status}{code}"))
}

fn clock_text(offset: i64) -> String {
    let seconds = offset.unsigned_abs().div_ceil(1000);
    let way = if offset < 0 { "behind" } else { "ahead of" };
    if offset.abs() >= MIN_FOLLOWED {
        format!("clock: the endpoint's is {seconds} s {way} this host's: set this host's clock")
    } else {
        "clock: the endpoint's and this host's agree".to_owned()
    }
}

/// Milliseconds with one digit behind the point.
fn milliseconds(time: Duration) -> String {
    let tenths = time.as_micros().div_ceil(100);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_tenths_of_milliseconds() {
        assert_eq!(milliseconds(Duration::from_micros(1234)), "1.3");
        assert_eq!(milliseconds(Duration::ZERO), "0.0");
        assert_eq!(milliseconds(Duration::from_secs(30)), "30000.0");
    }

    #[test]
    fn clocks_that_differ_by_ten_seconds_or_more_do_not_agree() {
        assert!(clock_text(9_999).ends_with("agree") && clock_text(-9_999).ends_with("agree"));
        assert!(clock_text(900_000).contains("900 s ahead of") && clock_text(-10_000).contains("10 s behind"));
    }

    #[test]
    fn names_in_a_certificate_write_no_lines_and_no_colours_on_a_terminal() {
        let error =
            SendError::Certificate(std::io::Error::other("only valid for DnsName(\"\u{1b}[31mx\nroute.r: ok\")"));
        let mut found = Findings::default();
        let section = found.section(Kind::Online, Some(&"r"), "NOT REACHABLE");
        let (mut failed, step) = (None, Step { took: Duration::ZERO, outcome: Err::<(), _>(error) });
        tell(section, &mut failed, "tls", Some(&step), |_, ()| String::new());
        let told = failed.unwrap();
        assert!(told.contains("DnsName(\"\\u{1b}[31mx\\nroute.r: ok\")"), "{told}");
        assert!(!told.contains(char::is_control), "{told}");
    }
}
