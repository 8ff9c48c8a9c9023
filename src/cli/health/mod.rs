//! `countersign health`: asks a running countersign how it is, for a container's health check and for scripts.

mod verdict;

use std::time::Instant;

use clap::Args;
use serde::Serialize;

use self::verdict::{Probe, Verdict, judge};
use super::admin_client::{AdminOptions, NoTarget};
use super::exit::{ExitCode, Failure, FaultLine};
use super::format::{Format, Outcome, print_json};
use super::output::{print_line, printable};
use super::progress;
use crate::config::settings::Name;

/// Arguments of `countersign health`.
#[derive(Debug, Args)]
#[command(after_help = WHICH_QUESTION)]
pub(crate) struct Arguments {
    #[command(flatten)]
    admin: AdminOptions,
    /// Whether requests can be answered (/readyz), which is the default
    #[arg(long, conflicts_with = "live")]
    ready: bool,
    /// Whether the process responds (/livez), whatever its keys and endpoints do
    #[arg(long)]
    live: bool,
    /// Whether requests of this route can be answered (/readyz/NAME), whatever others do
    #[arg(long, value_name = "NAME", conflicts_with = "live", value_parser = route_name)]
    route: Option<Name>,
    /// Succeed where the configuration has no [admin], instead of failing
    #[arg(long)]
    if_configured: bool,
    /// How the result is printed: `json` is one document, whose schema is docs/reference/schemas/health.schema.json
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    format: Format,
}

const WHICH_QUESTION: &str = "\
The exit code is 0 or 1. Ask --live where a negative answer restarts the process (a Swarm, Podman with \
--health-on-failure, a liveness probe): a restart brings no key back, and ends the requests in progress.

Ask --ready where it holds back traffic or whatever starts next (`depends_on` of Compose, a load balancer).";

/// What the JSON document has beside the members of all: `docs/reference/schemas/health.schema.json`.
#[derive(Debug, Serialize)]
struct Content<'r> {
    /// `ready` or `live`.
    probe: Probe,
    healthy: bool,
    /// Where the answer came from, or where it was asked for; none when that is not known.
    admin: Option<&'r str>,
    /// The status code of the response; none without one.
    status: Option<u16>,
    /// Why the result is negative; or what is worth knowing beside a positive one.
    reasons: &'r [String],
    /// What is wrong although requests can be answered.
    degraded: &'r [String],
    took_ms: u64,
}

/// Runs the command.
///
/// # Errors
/// 1, whatever the reason: container engines know no other.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let begun = Instant::now();
    let probe = if arguments.live { Probe::Live } else { Probe::Ready };
    let Asked { admin, verdict } = ask(arguments, probe);
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let ended = ended(probe, &verdict);
    match arguments.format {
        Format::Text => print_text(probe, admin.as_deref(), &verdict),
        Format::Json => {
            let content = Content {
                probe,
                healthy: verdict.healthy,
                admin: admin.as_deref(),
                status: verdict.status,
                reasons: &verdict.reasons,
                degraded: &verdict.degraded,
                took_ms,
            };
            print_json(Outcome::of(&ended), &content, &ended);
        }
    }
    ended
}

fn ended(probe: Probe, verdict: &Verdict) -> Result<(), Failure> {
    if verdict.healthy {
        return Ok(());
    }
    let reasons: Vec<_> = verdict.reasons.iter().map(|reason| printable(reason)).collect();
    let fault = |message: &String| FaultLine { place: None, path: None, message: message.clone() };
    let failure = Failure::new(ExitCode::Negative, format!("{}: {}", probe.negative(), reasons.join("\n")));
    Err(failure.with(reasons.iter().map(fault).collect()))
}

/// A verdict, and about whom.
struct Asked {
    admin: Option<String>,
    verdict: Verdict,
}

fn ask(arguments: &Arguments, probe: Probe) -> Asked {
    let targets = match arguments.admin.targets() {
        Ok(targets) => targets,
        Err(NoTarget::NotConfigured(hint)) if arguments.if_configured => {
            let reason = format!("not asked: the configuration has no [admin]{hint}");
            return Asked { admin: None, verdict: Verdict::positive(vec![reason]) };
        }
        Err(error) => return Asked { admin: None, verdict: refused(&error.to_string()) },
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Asked { admin: None, verdict: refused(&format!("the system gives no runtime: {error}")) },
    };
    let path = probe.path_of(arguments.route.as_ref());
    let asking = targets.ask(&path, arguments.admin.timeout);
    let answer = progress::shown_for(targets.shown(), || runtime.block_on(asking));
    // a name that is still looked up must not keep the command from ending
    runtime.shutdown_background();
    match answer {
        Ok(answer) => Asked { admin: Some(answer.target.to_string()), verdict: judge(probe, &answer.response) },
        Err(reasons) => Asked { admin: Some(targets.shown()), verdict: refused(&reasons) },
    }
}

fn route_name(text: &str) -> Result<Name, String> {
    Name::parse(text).ok_or_else(|| "a route's name has only a-z, 0-9, _ and -".to_owned())
}

/// A negative result without a response, one reason a line.
fn refused(reasons: &str) -> Verdict {
    Verdict::negative(None, reasons.lines().map(str::to_owned).collect())
}

/// A positive result; the negative one is the message on standard error.
fn print_text(probe: Probe, admin: Option<&str>, verdict: &Verdict) {
    if !verdict.healthy {
        return;
    }
    let notes = verdict.reasons.iter().map(|note| printable(note));
    let told = admin.map(str::to_owned).into_iter().chain(notes).collect::<Vec<_>>().join("; ");
    print_line!("{}: {told}", probe.positive());
    for problem in &verdict.degraded {
        print_line!("degraded: {}", printable(problem));
    }
}
