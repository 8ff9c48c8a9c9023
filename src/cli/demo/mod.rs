//! `countersign demo`: shows proxy and sandbox at work, with throw-away keys.

mod client;
mod setup;
mod show;

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::Args;

use super::exit::{ExitCode, Failure};
use super::output::print_line;
use crate::app::Drained;
use crate::query::percent;
use crate::sandbox::{Observation, Verification};
use client::Reply;
use setup::Setup;

/// Arguments of `countersign demo`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Exit after the demonstration instead of serving on; 0 only if every step succeeded
    #[arg(long)]
    once: bool,
}

/// How long to wait for the sandbox to report what it received. It has responded already.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the demonstration.
///
/// # Errors
/// [`ExitCode::Negative`] when a step fails, [`ExitCode::System`] when the demonstration cannot be set up.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::because(ExitCode::System, &error))?;
    runtime.block_on(async {
        let mut interrupts = setup::Interrupts::new()?;
        let (demo, received) = Setup::start()?;
        show::setting(&demo);
        let job = demonstrate(&demo, &received).await?;
        if !arguments.once {
            show::invitation(&demo, &job);
            let printing = std::thread::spawn(move || received.iter().for_each(|seen| show::line(&seen)));
            interrupts.next().await;
            print_line!("\nstopping");
            let drained = demo.stop().await;
            let _ended_with_the_sandbox = printing.join();
            return ended(drained);
        }
        ended(demo.stop().await)
    })
}

/// Creates a job, then asks for its status and shows this request as client, proxy and endpoint see it. Returns the
/// job's id.
async fn demonstrate(demo: &Setup, received: &Receiver<Observation>) -> Result<String, Failure> {
    let manifest = percent::encode(setup::MANIFEST);
    let create = format!("Action=CreateJob&JobType=Import&ValidateOnly=false&Manifest={manifest}&Version=2010-06-03");
    let created = client::post(demo.address, &create).await?;
    expect_verified(received)?;
    let job = succeeded(&created)?.to_owned();
    print_line!("A job to ask for: CreateJob went the same way and gave JobId {job}.\n");

    let form = format!("Action=GetStatus&JobId={job}&Version=2010-06-03");
    show::sent(demo.address, &form);
    let reply = client::post(demo.address, &form).await?;
    let seen = expect_verified(received)?;
    show::received(&demo.endpoint, &seen, &form);
    show::reply(&reply);
    succeeded(&reply)?;
    if reply.pieces.len() < 2 {
        return Err(Failure::new(ExitCode::Negative, "the answer was not streamed: it came in one piece"));
    }
    Ok(job)
}

fn expect_verified(received: &Receiver<Observation>) -> Result<Observation, Failure> {
    let missing = |_: RecvTimeoutError| Failure::new(ExitCode::Negative, "the request did not reach the endpoint");
    let seen = received.recv_timeout(PATIENCE).map_err(missing)?;
    match &seen.verification {
        Verification::Verified => Ok(seen),
        Verification::NotReached => Err(Failure::new(ExitCode::Negative, "the endpoint did not look at the signature")),
        Verification::Refused(error) => Err(Failure::because(ExitCode::Negative, error)),
    }
}

/// The job id in an answer of status 200.
fn succeeded(reply: &Reply) -> Result<&str, Failure> {
    let job = reply.text.split_once("<JobId>").and_then(|(_, rest)| rest.split_once("</JobId>")).map(|(job, _)| job);
    match job {
        Some(job) if reply.status == 200 => Ok(job),
        Some(_) | None => {
            Err(Failure::new(ExitCode::Negative, format!("status {}, not a job: {}", reply.status, reply.text)))
        }
    }
}

fn ended(drained: Drained) -> Result<(), Failure> {
    match drained {
        Drained::Completely => Ok(()),
        Drained::Cut(_) => Err(Failure::new(ExitCode::Negative, "an exchange was cut off at the end")),
    }
}
